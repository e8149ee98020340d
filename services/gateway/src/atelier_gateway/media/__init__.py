"""Input files: uploads, inline pictures and texts, their checks, and the objects that keep them."""

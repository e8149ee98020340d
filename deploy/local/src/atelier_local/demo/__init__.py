"""``atelier demo`` and ``atelier generate``: a virtual try-on for a person at a terminal, each step checked."""

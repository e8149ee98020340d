"""How to live with others that fail."""

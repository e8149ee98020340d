"""Who is asking: store keys, user tokens, and the principal that comes of them."""

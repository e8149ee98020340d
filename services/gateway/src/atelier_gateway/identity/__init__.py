"""Authentication: store keys, user tokens, and the principal behind each."""

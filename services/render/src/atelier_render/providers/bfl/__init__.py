"""Images by Black Forest Labs."""

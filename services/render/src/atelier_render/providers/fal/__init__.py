"""Images by fal."""

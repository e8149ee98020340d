"""Images by Replicate."""

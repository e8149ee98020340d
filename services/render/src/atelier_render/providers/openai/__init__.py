"""Images and narrations by OpenAI, or by a server that speaks its format."""

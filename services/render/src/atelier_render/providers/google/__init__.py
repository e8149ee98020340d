"""Images by Google's Gemini API."""

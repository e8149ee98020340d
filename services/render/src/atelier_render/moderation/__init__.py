"""Moderation of requests before any provider is called."""

"""Calls to providers until the outcome of a job is known: which provider, how often, and fail-over."""

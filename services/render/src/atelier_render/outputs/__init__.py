"""Rendered outputs: analysed, stored, reused, and in the end deleted."""

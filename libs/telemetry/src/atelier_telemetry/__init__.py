"""Traces, metrics, logs and health: declared once, used by every service."""

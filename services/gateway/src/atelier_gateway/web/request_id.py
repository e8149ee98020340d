"""The id of the request at work, for logs, records and the ``X-Request-Id`` of its response."""

from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""Empty outside a request."""

"""``Prefer`` (RFC 7240): whether a client waits for the result."""

from starlette.datastructures import Headers


def prefers_waiting(asked: Headers) -> bool:
    """Whether the client wants to wait: unless it says ``Prefer: respond-async`` (RFC 7240)."""
    preferences = ",".join(asked.getlist("Prefer")).split(",")
    return "respond-async" not in {preference.split(";")[0].strip().lower() for preference in preferences}

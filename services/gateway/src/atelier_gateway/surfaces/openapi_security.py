"""The credentials of the OpenAPI document: which ones there are, and which ones each operation takes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

SECURITY_SCHEMES: Mapping[str, dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A user's token, or a store's API key; on some routes a client token.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A store's API key."},
    "clientToken": {
        "type": "apiKey",
        "in": "query",
        "name": "client_token",
        "description": "A client token, where a browser can send no header.",
    },
    "sessionCookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Secure-next-auth.session-token",
        "description": "A user's token, in the session cookie of the web application (`next-auth.session-token` "
        "where it is served without TLS).",
    },
    "operatorToken": {"type": "http", "scheme": "bearer", "description": "An operator's token."},
}
STREAM = "/v1/generations/{id}/events"
"""Where a client token may stand in the query."""
CREDENTIALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("/v1/admin/", ("operatorToken",)),
    ("/api/v1/", ("apiKey", "bearer")),
    ("/api/generate", ("bearer", "sessionCookie")),
    ("/api/", ("bearer",)),
    ("/v1/generate", ("bearer",)),
    ("/v1/onmodel/", ("bearer",)),
    ("/v1/flatlay/", ("bearer",)),
    ("/v1/backgrounds", ("bearer",)),
    ("/v1/", ("bearer", "apiKey")),
)
"""The beginning of a path, and any one of which credentials is taken there; the first that fits, else none is needed.
``/v1/generations`` begins like ``/v1/generate`` and takes both."""
OPEN_OPERATIONS = frozenset(
    {
        ("get", "/api/generate"),
        ("get", "/problems/{code}"),
        ("get", "/.well-known/jwks.json"),
        ("get", "/v1/log/checkpoint"),
        ("get", "/v1/log/entries/{id}/inclusion"),
        ("get", "/v1/log/consistency"),
    }
)
"""What needs no credential."""


def declare_security(document: dict[str, Any], operations: Iterable[tuple[str, str, dict[str, Any]]]) -> None:
    """Writes the schemes that are used, and the credentials of each operation."""
    used: dict[str, None] = {}
    for path, method, operation in operations:
        schemes = () if (method, path) in OPEN_OPERATIONS else schemes_of(path)
        operation["security"] = [{name: []} for name in schemes]
        used |= dict.fromkeys(schemes)
    document["components"]["securitySchemes"] = {
        name: SECURITY_SCHEMES[name] for name in SECURITY_SCHEMES if name in used
    }


def schemes_of(path: str) -> tuple[str, ...]:
    """The names of the schemes of which one is needed."""
    if path == STREAM:
        return ("bearer", "apiKey", "clientToken")
    both = path == "/v1/generations" or path.startswith("/v1/generations/")
    return (
        ("bearer", "apiKey") if both else next((names for prefix, names in CREDENTIALS if path.startswith(prefix)), ())
    )

"""Which pages of other origins may call the API from a browser. By default none."""

import re
from collections.abc import Iterable

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
PREFLIGHT_S = 600
"""How long a browser may remember what it was allowed."""
_ORIGIN = re.compile(r"(?P<scheme>https?)://(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(?P<port>:[1-9][0-9]{0,4})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def parse_origins(text: str) -> tuple[str, ...]:
    """Of ``ATELIER_CORS_ORIGINS``, comma-separated, as browsers write them. Raises ValueError."""
    origins = tuple(entry.strip() for entry in text.split(",") if entry.strip())
    for origin in origins:
        found = _ORIGIN.fullmatch(origin)
        if found is None or found["port"] == _DEFAULT_PORTS[found["scheme"]]:
            raise ValueError(
                f"{origin!r} is no origin, such as https://shop.example or http://localhost:5173: scheme and host in "
                "lower case, a port only where it is not the default one, no path and no pattern"
            )
    return origins


def allow_origins(app: FastAPI, origins: tuple[str, ...], *, exposed: Iterable[str]) -> None:
    """Lets pages of these origins call the API and read its answers with the ``exposed`` headers.

    Without cookies: a page sends a key or a token. Any header may be sent: the origin decides, and stock clients add
    headers of their own.
    """
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=["*"],
            expose_headers=list(exposed),
            max_age=PREFLIGHT_S,
        )

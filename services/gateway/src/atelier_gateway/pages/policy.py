"""What a page with scripts may do in a browser, as headers."""

from collections.abc import Mapping

CLOSED = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "form-action": "'none'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "require-trusted-types-for": "'script'",
    "trusted-types": "'none'",
}
"""Runs and shows its own files, and no more."""


def policy_headers(opened: Mapping[str, str], *, referrer: str, cache: str) -> Mapping[str, str]:
    """The headers of a page that may also do what is ``opened``; ``referrer`` and ``cache`` as their headers say."""
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in {**CLOSED, **opened}.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": referrer,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": cache,
    }

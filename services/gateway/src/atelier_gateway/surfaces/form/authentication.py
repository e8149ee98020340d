"""Authenticates the user of the form by bearer token, or by the session cookie of the web application."""

from starlette.datastructures import Headers
from starlette.requests import Request

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.surfaces.form.request_log import RequestLogEntry

SESSION_COOKIES = ("__Secure-next-auth.session-token", "next-auth.session-token")
"""The names NextAuth.js gives its cookie (seed 002: NextAuth sessions), over HTTPS and without."""


async def authenticate_form_user(container: Container, request: Request, entry: RequestLogEntry) -> Principal:
    """The user, acting for themselves. Raises Problem 401, or 403 for a disabled account."""
    principal = await container.authenticator.user_principal(_with_session(request))
    entry.user_id = principal.owner.id
    return principal


def _with_session(request: Request) -> Headers:
    token = next((request.cookies[name] for name in SESSION_COOKIES if name in request.cookies), None)
    if token is None or "Authorization" in request.headers or not _from_our_pages(request):
        return request.headers
    return Headers({"Authorization": f"Bearer {token}"})


def _from_our_pages(request: Request) -> bool:
    """A browser sends cookies with other sites' forms too, but JSON only with a consent that we never give (CORS)."""
    declared = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return request.method == "GET" or declared == "application/json"

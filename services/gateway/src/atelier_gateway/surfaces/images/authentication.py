"""Authenticates users, and the workspace they act for."""

from fastapi import Request

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import WORKSPACE_HEADER, Principal
from atelier_gateway.web.problems import field_problem


async def authorize_reader(container: Container, request: Request) -> Principal:
    """Authenticates the user and checks their membership of the workspace. Raises Problem 400, 401, 403."""
    user = await container.authenticator.authenticate_user(request.headers)
    return await container.authenticator.authorize_member(
        user, workspace_of(request, request.query_params.get("workspaceId"))
    )


def workspace_of(request: Request, named: str | None) -> str:
    """The workspace id from the header, the body or the query. Raises Problem 400."""
    header = request.headers.get(WORKSPACE_HEADER)
    if header and named and header.lower() != named.lower():
        raise field_problem("workspaceId", f"it contradicts {WORKSPACE_HEADER}")
    workspace = header or named
    if not workspace:
        raise field_problem("workspaceId", f"it is required, here or in {WORKSPACE_HEADER}", "workspace_required")
    return workspace

"""What the routes of client tokens answer, for their OpenAPI."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from atelier_contracts import Kind
from atelier_gateway.identity.client_tokens import ClientScope
from atelier_gateway.web.openapi_responses import answers


class ClientTokenCredits(BaseModel):
    """``used`` is held or charged; what is refunded is ``left`` again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cap": 20, "used": 5, "left": 15}]})

    cap: int
    used: int
    left: int


class ClientToken(BaseModel):
    """A client token, without the token itself. ``prefix`` is how it begins."""

    id: UUID
    prefix: str
    test: bool
    """Whether it was made with a test key."""
    is_live: bool
    """Whether it is good now."""
    scopes: list[ClientScope]
    end_user: str | None
    origins: list[str]
    kinds: list[Kind] | None
    credits: ClientTokenCredits
    created_at: datetime
    expires_at: datetime


class CreatedClientToken(ClientToken):
    """A new client token; ``token`` is shown this once."""

    token: str


class ClientTokenPage(BaseModel):
    """Client tokens, newest first."""

    data: list[ClientToken]
    next_cursor: str | None


CREATED = answers({201: ("Give it to the page.", CreatedClientToken)}, "invalid_request", "request_too_large")
CURRENT = answers({200: ("The token, and what is left of it.", ClientToken)}, "origin_refused")
SHOWN = answers({200: ("The token, and what is left of it.", ClientToken)}, "not_found")
LISTED = answers({200: ("Newest first.", ClientTokenPage)}, "invalid_request")
REVOKED = answers({204: ("It is revoked.", None)}, "not_found")

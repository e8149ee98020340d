"""Client tokens: what a store's server hands to a page or an app, so that it may ask for a little, for a while. Pure.

A token is made with a store's key and acts for that store, within bounds that the server sets: which acts, which kinds
of work, from which pages, for which end user, how many credits in all, until when. It looks and is kept like a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from atelier_contracts import Owner, Spender
from atelier_contracts.value_objects import id_of_test_account

ClientScope = Literal["create", "read"]
CLIENT = "client"
"""Where a generation's stored request says which token made it."""


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A token as the table has it. ``credits`` is all that it may ever hold or spend."""

    id: UUID
    store_id: UUID
    prefix: str
    digest: bytes
    scopes: tuple[ClientScope, ...]
    end_user: str | None
    credits: int
    kinds: tuple[str, ...] | None
    """None: all of them."""
    origins: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    ended: bool = False
    """Whether it, or the key that made it, is revoked."""
    suspended: bool = False
    """Whether its store is."""
    key_id: UUID | None = None
    """The key that made it."""
    is_test: bool = False
    """Whether it was made with a test key."""

    @property
    def owner(self) -> Owner:
        """The owner it acts for: the store, or its test account."""
        return Owner(kind="store", id=id_of_test_account(self.store_id) if self.is_test else self.store_id)

    @property
    def audience(self) -> str:
        """What it reads: all that tokens of the same end user made; without one, what it made itself."""
        return f"token:{self.id}" if self.end_user is None else f"user:{self.end_user}"

    @property
    def spenders(self) -> tuple[Spender, ...]:
        """Whose caps hold for what it creates, beside its own: the key that made it."""
        return (Spender(kind="key", id=self.key_id),) if self.key_id else ()

    def is_live(self) -> bool:
        """Whether it is good now."""
        return not self.ended and self.expires_at > datetime.now(UTC)

    def mark(self) -> dict[str, Any]:
        """What is stored with a request that it makes."""
        return {CLIENT: {"token": str(self.id), "audience": self.audience, "end_user": self.end_user}}

    def made(self, request: Mapping[str, Any]) -> bool:
        """Whether this stored request is of its audience."""
        return (request.get(CLIENT) or {}).get("audience") == self.audience


def end_user_of(request: Mapping[str, Any]) -> str | None:
    """The end user that a token made this request for."""
    end_user: str | None = (request.get(CLIENT) or {}).get("end_user")
    return end_user

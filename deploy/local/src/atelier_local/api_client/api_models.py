"""The API's responses as values: only the fields that our own tools read, so that new ones never break an old tool."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

OwnerKind = Literal["store", "user", "workspace"]
TERMINAL = frozenset({"completed", "succeeded", "failed", "cancelled", "expired", "rejected"})
"""The words of the try-on surface and of the native one after which nothing changes any more."""


class ApiModel(BaseModel):
    """A part of an answer: frozen, tolerant of fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Store(ApiModel):
    """A new store; its key is shown this once."""

    id: str
    name: str
    api_key: str
    key_id: str = ""


class Grant(ApiModel):
    """A grant of credits; ``available`` is None until billing has posted it."""

    available: int | None
    given_before: bool = False
    """True for the replay of an equal earlier grant: nothing was granted now."""


class Balance(ApiModel):
    """An owner's account in whole credits."""

    available: int
    held: int
    captured: int
    granted: int
    expired: int


class Verdict(ApiModel):
    """What ``ledger verify`` found; without ``violations`` the ledger is correct."""

    ok: bool
    accounts: int
    entries: int
    violations: tuple[str, ...] = ()


class Proof(ApiModel):
    """The progress of a full proof of the ledger: ``checked`` of ``total`` rows."""

    id: str
    state: Literal["running", "passed", "failed"]
    checked: int
    total: int
    accounts: int
    entries: int
    violations: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What it found, in the shape of ``ledger verify``."""
        return Verdict(
            ok=self.state == "passed", accounts=self.accounts, entries=self.entries, violations=self.violations
        )


class Upload(ApiModel):
    """Where and how to PUT one file; ``key`` then names it as an input."""

    key: str
    upload_url: str
    method: str
    headers: dict[str, str]
    url: str


class TryOn(ApiModel):
    """A generation as the stores' surface shows it. ``status``: queued, processing, completed, failed."""

    session_id: str
    status: str
    generated_image_url: str | None = None
    error_message: str | None = None


class Credits(ApiModel):
    """What a generation has cost so far."""

    reserved: int
    captured: int
    refunded: int


class Output(ApiModel):
    """One delivered file; ``checksum`` is ``sha256:`` and the hex of its bytes."""

    url: str
    key: str
    content_type: str
    width: int | None = None
    height: int | None = None
    checksum: str | None = None


class Generation(ApiModel):
    """A generation as the native surface shows it."""

    id: str
    kind: str
    status: str
    progress: int
    credits: Credits
    outputs: tuple[Output, ...] = ()
    error: dict[str, Any] | None = None
    provider: str | None = None
    created_at: datetime

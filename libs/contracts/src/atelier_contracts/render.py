"""Render's commands and events."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field

from atelier_contracts.message import Command, Event
from atelier_contracts.value_objects import N_MAX, Artefact, Owner, RenderSpec

FailureCode = Literal[
    "provider_failed",
    "provider_timeout",
    "provider_unavailable",
    "refused",
    "invalid_input",
    "cancelled",
    "unknown_outcome",
    "not_started",
    "delivery_failed",
]
"""The last two are the session's own: a start deadline passed, a client's bucket did not take the outputs."""


class RequestRender(Command):
    """Make this; not later than ``deadline_at`` (the session's database clock, UTC)."""

    name: ClassVar[str] = "render.request_render.v1"
    senders: ClassVar[tuple[str, ...]] = ("session",)
    owner: Owner
    spec: RenderSpec
    deadline_at: datetime
    again: bool = False
    """Sent before without an answer: render publishes the state of a known job again."""


class CancelRender(Command):
    """Stop if it can still be stopped; answered by RenderFailed (cancelled) or by the completion that won."""

    name: ClassVar[str] = "render.cancel_render.v1"
    senders: ClassVar[tuple[str, ...]] = ("session",)


class DiscardRender(Command):
    """The outputs came too late, or were not delivered in time: they are refunded. Or they were delivered, and are not
    to be stored any longer. Delete and count them."""

    name: ClassVar[str] = "render.discard_render.v1"
    senders: ClassVar[tuple[str, ...]] = ("session",)
    cause: Literal["late", "undelivered", "delivered"] = Field(default="late", exclude_if=lambda cause: cause == "late")
    kept: tuple[str, ...] = Field(default=(), exclude_if=lambda kept: not kept)
    """Keys of the outputs that stay, since they were delivered."""


class RenderStarted(Event):
    """A worker holds the lease and begins. Not sent where the same commit ends the render."""

    name: ClassVar[str] = "render.render_started.v1"
    attempt: int


class RenderProgressed(Event):
    """Percent done, 0..100, of the attempt under way; a hint, may be lost to a newer one."""

    name: ClassVar[str] = "render.render_progressed.v1"
    progress: int = Field(ge=0, le=100)


class RenderCompleted(Event):
    """All or some outputs exist in storage. ``delivered`` of ``requested`` were made; only those are charged."""

    name: ClassVar[str] = "render.render_completed.v1"
    outputs: tuple[Artefact, ...]
    delivered: int = Field(ge=1, le=N_MAX)
    requested: int = Field(ge=1, le=N_MAX)
    provider: str
    model: str | None = None
    """The model that made them, where the provider has models with names; not always the requested one."""
    reused: bool = False
    """An equal earlier result was delivered; nothing was rendered."""


class RenderFailed(Event):
    """Nothing usable was made; nothing may be charged."""

    name: ClassVar[str] = "render.render_failed.v1"
    code: FailureCode
    reason: str
    provider: str | None = None


class ArtefactsExpired(Event):
    """The outputs were kept as long as the operator keeps them; they are deleted, the charge stands."""

    name: ClassVar[str] = "render.artefacts_expired.v1"

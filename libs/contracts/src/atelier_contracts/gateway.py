"""The gateway's messages: a client requests a generation, or no longer wants it."""

from typing import ClassVar, Literal

from pydantic import Field

from atelier_contracts.message import Command, Event
from atelier_contracts.receipts import RequestRecord
from atelier_contracts.value_objects import Channel, Metadata, Owner, RenderSpec, Work


class GenerationRequested(Event):
    """A client's request was accepted into the outbox; nothing is reserved yet."""

    name: ClassVar[str] = "gateway.generation_requested.v1"
    channel: Channel
    owner: Owner
    work: Work
    spec: RenderSpec
    deadline_s: int = Field(ge=1, le=86_400)
    """Seconds the whole generation may take, counted by the session's database from admission."""
    metadata: Metadata = Field(default_factory=Metadata)
    """The client's own; the session repeats it in its events."""
    record: RequestRecord | None = None
    """For the receipt."""
    reply_to: str | None = None
    """Routing key of the gateway instance whose client waits for admission."""


class CancelRequested(Command):
    """The client wants the generation stopped; what is already delivered stays charged."""

    name: ClassVar[str] = "gateway.cancel_requested.v1"
    cause: Literal["client_gone"] | None = None
    """``client_gone``: no client is left to take the result, so that even a completed render is no longer charged."""


class GenerationDeleted(Event):
    """Its owner deleted it: nothing that it was made of or that was made for it may stay. Its charge does."""

    name: ClassVar[str] = "gateway.generation_deleted.v1"
    inputs: tuple[str, ...] = ()
    """Keys of the stored inputs that no other generation of the owner is made of: their objects go."""

"""The gateway's messages: a client requests a generation, or no longer wants it."""

from typing import ClassVar, Literal

from pydantic import Field

from atelier_contracts.message import Command, Event
from atelier_contracts.receipts import RequestRecord
from atelier_contracts.value_objects import (
    DELIVERY_WINDOW_S_MAX,
    QUOTE_CHARS_MAX,
    SPENDERS_MAX,
    Channel,
    Metadata,
    OutputDelivery,
    Owner,
    RenderSpec,
    Spender,
    Work,
)


class GenerationRequested(Event):
    """A client's request was accepted into the outbox; nothing is reserved yet."""

    name: ClassVar[str] = "gateway.generation_requested.v1"
    channel: Channel
    owner: Owner
    work: Work
    spec: RenderSpec
    deadline_s: int = Field(ge=1, le=86_400)
    """Seconds the whole generation may take, counted by the session's database from admission."""
    delivery_window_s: int | None = Field(
        default=None, ge=1, le=DELIVERY_WINDOW_S_MAX, exclude_if=lambda window: window is None
    )
    """Seconds in which the client is to take the outputs once they exist: each is charged as it is delivered, the rest
    is withdrawn and refunded. None: charged when they exist."""
    start_within_s: int | None = Field(default=None, ge=1, le=86_400, exclude_if=lambda seconds: seconds is None)
    """Seconds in which its render is to start, counted as ``deadline_s``: not started by then, it is refunded."""
    metadata: Metadata = Field(default_factory=Metadata)
    """The client's own; the session repeats it in its events."""
    record: RequestRecord | None = None
    """For the receipt."""
    spenders: tuple[Spender, ...] = Field(default=(), max_length=SPENDERS_MAX)
    """The spenders of the owner's credits, beside the owner: the API key, the member of the workspace."""
    quote: str | None = Field(default=None, max_length=QUOTE_CHARS_MAX)
    """A price that billing has signed, as the client names it."""
    reply_to: str | None = None
    """Routing key of the gateway instance whose client waits for admission."""


class CancelRequested(Command):
    """The client wants the generation stopped; what is already delivered stays charged."""

    name: ClassVar[str] = "gateway.cancel_requested.v1"
    cause: Literal["client_gone", "undeliverable"] | None = None
    """``client_gone``: no client is left to take the result, so that even a completed render is no longer charged.
    ``undeliverable``: the client's bucket does not take what is charged on delivery, for ``reason``."""
    reason: str | None = Field(default=None, max_length=500, exclude_if=lambda reason: reason is None)
    delivered: tuple[OutputDelivery, ...] = Field(default=(), exclude_if=lambda delivered: not delivered)
    """Of a generation that is charged on delivery: what was delivered before. Nothing is delivered afterwards."""


class OutputsDelivered(Event):
    """Outputs of a generation that is charged on delivery reached its client."""

    name: ClassVar[str] = "gateway.outputs_delivered.v1"
    delivered: tuple[OutputDelivery, ...]


class GenerationDeleted(Event):
    """Its owner deleted it: nothing that it was made of or that was made for it may stay. Its charge does."""

    name: ClassVar[str] = "gateway.generation_deleted.v1"
    inputs: tuple[str, ...] = ()
    """Keys of the stored inputs that no other generation of the owner is made of: their objects go."""

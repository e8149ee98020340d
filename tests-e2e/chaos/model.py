"""What the exploration explores: everything there is about one generation, at one moment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from atelier_billing.books import HoldState
from atelier_contracts import (
    Artefact,
    CancelRequested,
    GenerationRequested,
    Message,
    OutputDelivery,
    Owner,
    RenderCompleted,
    RenderFailed,
    RenderSpec,
    RenderStarted,
    Work,
)
from atelier_session.generation import Generation, State
from atelier_session.saga import TERMINAL

ID, GRANT = UUID(int=1), UUID(int=3)
OWNER = Owner(kind="store", id=UUID(int=2))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
UNITS = 2
REQUEST = GenerationRequested(
    generation_id=ID,
    channel="b2b",
    owner=OWNER,
    work=Work(kind="try_on", n=UNITS),
    spec=RenderSpec(kind="try_on", n=UNITS),
    deadline_s=900,
)
CANCEL = CancelRequested(generation_id=ID)
GONE = CancelRequested(generation_id=ID, cause="client_gone")
STARTED = RenderStarted(generation_id=ID, attempt=1)
FAILED = RenderFailed(generation_id=ID, code="provider_failed", reason="it broke")
OUTPUTS = tuple(Artefact(key=str(number), content_type="image/png", size=1, sha256="00") for number in range(UNITS))
COMPLETED = {
    made: RenderCompleted(generation_id=ID, outputs=OUTPUTS[:made], delivered=made, requested=UNITS, provider="x")
    for made in (1, UNITS)
}
ON_DELIVERY = REQUEST.model_copy(update={"delivery_window_s": 600})
UNSTORED = ON_DELIVERY.model_copy(update={"spec": REQUEST.spec.model_copy(update={"keep_s": 0})})
"""Nothing of it is stored once it is delivered and charged."""
STARTED_SOON = REQUEST.model_copy(update={"start_within_s": 60})
"""It is refunded unless its render starts in time."""
UNDECIDED = frozenset({State.RESERVING, State.QUEUED, State.RENDERING, State.STOPPING, State.DELIVERING})
"""Where a client that is gone can still be spared its charge."""


def delivery_of(output: int) -> OutputDelivery:
    """That this output reached its client."""
    return OutputDelivery(output=output, how="fetched", at=NOW)


@dataclass(frozen=True, slots=True)
class Guards:
    """What keeps it right. Without any one of them a violation is found: that is tested, too."""

    inbox: bool = True
    """A message that was handled is not handled again."""
    tombstone: bool = True
    """A refund that comes first refuses the reserve that comes late."""
    settled_once: bool = True
    """A hold is settled by compare-and-set: once."""
    resends: int = 1
    """How often a command is sent to billing again when its answer does not come."""
    request_repeats: int = 0
    """How often a reservation or a render is requested again before the deadline."""
    losses: int = 0
    """How many messages are lost for good. The outbox loses none, so this takes it away."""
    handover_closed: bool = True
    """Before it refunds, the session has the gateway deliver nothing more and say what it has delivered."""
    cancel_closes: bool = True
    """A cancel closes the handover in the transaction that sends it."""


class Letter(NamedTuple):
    """A message on its way. ``copy`` distinguishes it from an equal one that was sent again under its own id."""

    to: str
    message: Message
    copy: int


FROM_CLIENTS = {"the client cancels": CANCEL, "the client is gone": GONE}
"""What a client may lead to at any time, once."""


class World(NamedTuple):
    """Everything there is, at one moment."""

    generation: Generation | None
    hold: tuple[HoldState, int, int] | None
    """State, captured, refunded."""
    rich: bool
    """Whether the owner can afford it; once they can, they stay so."""
    job: str
    """``none``, ``queued``, ``running``, ``done``, ``discarded``, ``failed``, ``cancelled``."""
    sent: frozenset[Letter]
    handled: frozenset[Letter]
    resent: int
    lost: int
    withdrawn: bool
    """Whether the request was given up before it reached the session."""
    request_repeats: int = 0
    gone: bool = False
    """Whether the session knew, before it ordered a capture, that no client waits for the result any more."""
    ready: int = 0
    """Charged on delivery: how many outputs the gateway delivers; 0 before it has heard of them."""
    delivered: frozenset[int] = frozenset()
    """The outputs that the client has."""
    closed: bool = False
    """Whether the gateway delivers nothing more."""

    @property
    def is_unstored(self) -> bool:
        """Whether nothing of it is stored once it is delivered and charged."""
        return self.generation is not None and self.generation.request.spec.keep_s == 0


def send(world: World, to: str, message: Message) -> World:
    """The world in which this message is on its way, too."""
    copy = sum(1 for letter in world.sent if letter.to == to and letter.message == message)
    if isinstance(message, RenderStarted | RenderFailed) and copy:
        return world  # another attempt's says the same
    return world._replace(sent=world.sent | {Letter(to, message, copy)})


def wrong(world: World) -> Iterator[str]:
    """I4 to I7 for one generation at one moment."""
    state = world.generation.state if world.generation else State.NEW
    hold, charged, _ = world.hold or (None, 0, 0)
    if world.generation and world.generation.request.delivery_window_s is not None:
        yield from _wrong_on_delivery(world, state)
    if state is State.SUCCEEDED:
        made = world.generation.result.delivered if world.generation and world.generation.result else 0
        jobs = ("done", "discarded") if world.is_unstored else ("done",)
        if hold is not HoldState.CAPTURED or charged != made or world.job not in jobs:
            yield f"I5: succeeded with {made} made, {charged} charged, hold {hold}, job {world.job}"
    elif state in TERMINAL and charged:
        yield f"I6: {state} and {charged} charged"
    if state is State.SUCCEEDED and world.job == "discarded" and not world.is_unstored:
        yield "I12: succeeded, and its artefacts thrown away"
    if world.withdrawn and (world.generation or hold or world.job != "none"):
        yield "I14: withdrawn, and yet something came of it"
    if state in TERMINAL and hold is HoldState.OPEN:
        yield f"I7: {state} and credits held"
    if world.gone and charged > len(world.delivered):
        yield f"no client waited any more, and {charged} charged"
    if charged > UNITS:
        yield f"I1: {charged} charged of {UNITS} held"


def _wrong_on_delivery(world: World, state: State) -> Iterator[str]:
    """Charged is what was delivered, output by output, at every moment; what was not is withdrawn."""
    _, charged, _ = world.hold or (None, 0, 0)
    if charged > len(world.delivered):
        yield f"{charged} charged, and {len(world.delivered)} delivered"
    if state in TERMINAL and charged != len(world.delivered):
        yield f"{state}: {len(world.delivered)} delivered, and {charged} charged"
    if state in TERMINAL and world.ready and not world.closed and charged < world.ready:
        yield f"{state}, and the gateway delivers what was refunded"

"""The saga explored exhaustively, with the real rules of session (``saga.decide``) and billing (``ledger.apply``).

One generation, and every order in which its messages can arrive: each at any time, again and again or never; each clock
at any time; a client that cancels or goes, or takes its outputs one by one where they are charged on delivery; credits
granted late; render as it likes. A crash before a commit is one
that did not come; one after it, a repetition. The outbox and ``once()`` are trusted; ``Guards`` can take that away.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from atelier_contracts import (
    CancelRender,
    CancelRequested,
    CaptureCredit,
    DiscardRender,
    GenerationReady,
    GenerationRequested,
    OutputsDelivered,
    RefundCredit,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.message import Command, GenerationMessage
from atelier_messaging import Poison
from atelier_session import saga
from atelier_session.generation import DeadlinePassed, Generation, ResendDue, StartPassed, State, Trigger, WindowPassed
from atelier_session.saga import TERMINAL, LostRace
from chaos.model import (
    COMPLETED,
    FAILED,
    FROM_CLIENTS,
    ID,
    NOW,
    ON_DELIVERY,
    REQUEST,
    STARTED,
    UNDECIDED,
    Guards,
    Letter,
    World,
    delivery_of,
    send,
    wrong,
)
from chaos.model_ledger import bill


class Move(NamedTuple):
    """One thing that can happen, and the world after it."""

    label: str
    after: World


@dataclass
class Exploration:
    """What was found: every world, the moves between them, and every violation with the shortest way to it."""

    worlds: int = 0
    moves: int = 0
    states: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


def explore(
    guards: Guards | None = None, *, cancels: bool = True, request: GenerationRequested = REQUEST
) -> Exploration:
    """Breadth first through everything that can happen."""
    rules = guards or Guards()
    first = World(None, None, False, "none", frozenset({Letter("session", request, 0)}), frozenset(), 0, 0, False)
    came: dict[World, tuple[World, str] | None] = {first: None}
    back: dict[World, list[World]] = {}
    found, waiting = Exploration(), deque([first])
    while waiting:
        here = waiting.popleft()
        found.worlds += 1
        found.states[here.generation.state if here.generation else State.NEW] += 1
        found.violations += [f"{line}\n{_way(came, here)}" for line in wrong(here)]
        try:
            moves = list(_moves(here, rules, cancels))
        except Poison as error:
            found.violations.append(f"a dead letter: {error}\n{_way(came, here)}")
            continue
        if found.violations:
            return found
        for label, after in moves:
            found.moves += 1
            back.setdefault(after, []).append(here)
            if after not in came:
                came[after] = (here, label)
                waiting.append(after)
    found.violations += [f"no way to an end\n{_way(came, stuck)}" for stuck in _dead_ends(came, back)[:3]]
    return found


def _dead_ends(came: dict[World, tuple[World, str] | None], back: dict[World, list[World]]) -> list[World]:
    """Worlds from which no end can be reached any more."""
    ends = [world for world in came if world.withdrawn or (world.generation and world.generation.state in TERMINAL)]
    reached, waiting = set(ends), deque(ends)
    while waiting:
        for before in back.get(waiting.popleft(), ()):
            if before not in reached:
                reached.add(before)
                waiting.append(before)
    return [world for world in came if world not in reached]


def _moves(world: World, guards: Guards, cancels: bool) -> Iterator[Move]:
    for letter in world.sent:
        is_request = isinstance(letter.message, GenerationRequested)
        if letter not in world.handled and world.lost < guards.losses and not is_request:
            lost = world._replace(handled=world.handled | {letter}, lost=world.lost + 1)
            yield Move(f"{type(letter.message).__name__} is lost", lost)
        if guards.inbox and letter in world.handled:
            continue  # the inbox knows it
        after = _deliver(world._replace(handled=world.handled | {letter}), letter, guards)
        if after != world:
            yield Move(f"{letter.to} hears {type(letter.message).__name__}", after)
    yield from _clocks(world, guards)
    if not world.rich:
        yield Move("credits are granted", world._replace(rich=True))
    if world.generation is None and not world.withdrawn:
        yield Move("the gateway withdraws", world._replace(withdrawn=True))
    if cancels:
        yield from _client_moves(world, FROM_CLIENTS, guards)
    yield from _deliveries(world)
    yield from _render(world)


def _clocks(world: World, guards: Guards) -> Iterator[Move]:
    generation = world.generation
    timer = saga.TIMERS.get(generation.state) if generation else None
    if generation is None or timer is None:
        return
    if timer is DeadlinePassed and world.request_repeats < guards.request_repeats:
        yield Move(
            "clock: ask again", _apply_trigger(world._replace(request_repeats=world.request_repeats + 1), ResendDue())
        )
    if generation.start_by is not None:
        yield Move("clock: start deadline passed", _apply_trigger(world, StartPassed()))
    resent = world.resent + (timer is ResendDue)
    if timer is WindowPassed:
        yield Move("clock: window passed", _pass_window(world, guards))
        if not generation.resends:
            yield Move("clock: the gateway is away", _apply_trigger(world, ResendDue()))
    elif resent <= guards.resends:
        yield Move(f"clock: {timer.name}", _apply_trigger(world._replace(resent=resent), timer()))


def _pass_window(world: World, guards: Guards) -> World:
    """The gateway closes the handover and says what it has delivered: one commit there, one step of the saga here."""
    if not guards.handover_closed:
        return _apply_trigger(world, WindowPassed())
    delivered = tuple(delivery_of(output) for output in sorted(world.delivered))
    return _apply_trigger(world._replace(closed=True), WindowPassed(delivered))


def _deliver(world: World, letter: Letter, guards: Guards) -> World:
    message = letter.message
    match letter.to:
        case "session" if isinstance(message, CancelRequested) and world.generation is None:
            return world._replace(withdrawn=True)
        case "session" if isinstance(message, GenerationRequested) and world.generation is None and not world.withdrawn:
            return _apply_trigger(world._replace(generation=Generation(message, NOW)), message)
        case "session" if world.generation is not None:
            assert isinstance(message, GenerationMessage)
            spared = isinstance(message, CancelRequested) and message.cause and world.generation.state in UNDECIDED
            return _apply_trigger(world._replace(gone=True) if spared else world, message)
        case "billing":
            assert isinstance(message, ReserveCredit | CaptureCredit | RefundCredit)
            return bill(world, message, guards)
        case "render" if isinstance(message, RequestRender) and world.job == "none":
            return world._replace(job="queued")
        case "render" if isinstance(message, RequestRender) and message.again:
            return _repeat_job_state(world)
        case "gateway" if isinstance(message, GenerationReady):
            return world._replace(ready=message.made)
        case "render" if isinstance(message, DiscardRender) and world.job == "done" and not message.kept:
            return world._replace(job="discarded")
        case "render" if isinstance(message, CancelRender) and world.job in ("none", "queued"):
            return send(world._replace(job="cancelled"), "session", FAILED)
    return world


def _repeat_job_state(world: World) -> World:
    """A job that is known says once more where it stands."""
    if world.job in ("failed", "cancelled"):
        return send(world, "session", FAILED)
    if world.job == "done":
        made = next(made for made in COMPLETED.values() if Letter("session", made, 0) in world.sent)
        return send(world, "session", made)
    return world


def _apply_trigger(world: World, heard: Trigger) -> World:
    assert world.generation is not None
    after, sends = _decide(world.generation, heard)
    moved = world._replace(generation=after)
    for message in sends:
        to = "billing" if isinstance(message, ReserveCredit | CaptureCredit | RefundCredit) else "render"
        if isinstance(message, Command):
            moved = send(moved, to, message)
        if isinstance(message, GenerationReady):
            moved = send(moved, "gateway", message)
    return moved


@cache
def _decide(generation: Generation, heard: Trigger) -> tuple[Generation, tuple[GenerationMessage, ...]]:
    """The real table."""
    outcome = saga.decide(generation, heard, now=NOW)
    return generation if isinstance(outcome, LostRace) else outcome.generation, outcome.sends


def _render(world: World) -> Iterator[Move]:
    """Render does what it likes with a job it has; its lease may be lost while it works, which is the queue again."""
    if world.job == "queued":
        yield Move("render starts", send(world._replace(job="running"), "session", STARTED))
        yield Move("render fails", send(world._replace(job="failed"), "session", FAILED))
    if world.job == "running":
        yield Move("render loses its lease", world._replace(job="queued"))
        yield Move("render fails", send(world._replace(job="failed"), "session", FAILED))
        for made, message in COMPLETED.items():
            yield Move(f"render makes {made}", send(world._replace(job="done"), "session", message))


def _client_moves(world: World, letters: dict[str, CancelRequested], guards: Guards) -> Iterator[Move]:
    sent = {letter.message.cause for letter in world.sent if isinstance(letter.message, CancelRequested)}
    for label, cancel in letters.items():
        if cancel.cause in sent:
            continue
        if guards.cancel_closes:
            delivered = tuple(delivery_of(output) for output in sorted(world.delivered))
            cancel = cancel.model_copy(update={"delivered": delivered})
        after = world._replace(sent=world.sent | {Letter("session", cancel, 0)})
        yield Move(label, after._replace(closed=True) if guards.cancel_closes else after)


def _deliveries(world: World) -> Iterator[Move]:
    """Charged on delivery: the client takes an output that the gateway delivers."""
    for output in set(range(world.ready)) - world.delivered if not world.closed else ():
        message = OutputsDelivered(generation_id=ID, delivered=(delivery_of(output),))
        taken = world._replace(delivered=world.delivered | {output})
        yield Move(f"the client takes output {output}", send(taken, "session", message))
    if world.ready and not world.closed:
        had = tuple(delivery_of(output) for output in sorted(world.delivered))
        refused = CancelRequested(generation_id=ID, cause="undeliverable", reason="403", delivered=had)
        yield Move("the client's bucket refuses", send(world._replace(closed=True), "session", refused))


def _way(came: dict[World, tuple[World, str] | None], world: World) -> str:
    """The shortest way there, a step a line."""
    steps: list[str] = []
    while (step := came[world]) is not None:
        steps.append(f"    {step[1]}")
        world = step[0]
    return "\n".join(reversed(steps))


GUARDS: dict[str, Guards] = {
    "inbox": replace(Guards(), inbox=False),
    "tombstone": replace(Guards(), tombstone=False),
    "settled once": replace(Guards(), settled_once=False),
    "resend": replace(Guards(), resends=0, losses=1),
}
"""Each guard taken away."""
DELIVERY_GUARDS: dict[str, Guards] = {
    "handover closed": replace(Guards(), handover_closed=False),
    "cancel closes": replace(Guards(), cancel_closes=False),
}
"""The same, of a generation that is charged on delivery."""


def main(resends: int = 2, losses: int = 2, request_repeats: int = 1) -> int:
    """Prints what was explored, and what happens without each guard; 1 where that is not as it should be."""
    found = explore(Guards(resends=resends, losses=losses, request_repeats=request_repeats))
    write = sys.stdout.write
    write(f"every order of messages: {found.worlds} worlds, {found.moves} moves, {len(found.violations)} violations\n")
    write("".join(f"  {state:<10} {count:>7} worlds\n" for state, count in found.states.most_common()))
    write("".join(f"  {line}\n" for line in found.violations[:3]))
    delivery = explore(Guards(resends=1, losses=1), request=ON_DELIVERY)
    write(f"on delivery: {delivery.worlds} worlds, {delivery.moves} moves, {len(delivery.violations)} violations\n")
    missed = 0
    for request, name, guards in (
        *((REQUEST, name, guards) for name, guards in GUARDS.items()),
        *((ON_DELIVERY, name, guards) for name, guards in DELIVERY_GUARDS.items()),
    ):
        missed += not (without := explore(guards, request=request).violations)
        write(f"  without {name}: {without[0] if without else 'NOTHING IS FOUND'}\n")
    return 1 if found.violations or delivery.violations or missed else 0


if __name__ == "__main__":
    sys.exit(main())

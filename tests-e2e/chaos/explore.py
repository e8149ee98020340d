"""The saga explored exhaustively, with the real rules of session (``saga.decide``) and billing (``ledger.apply``).

One generation, and every order in which its messages can arrive: each at any time, again and again or never; each clock
at any time; a client that cancels or goes; credits granted late; render as it likes. A crash before a commit is one
that did not come; one after it, a repetition. The outbox and ``once()`` are trusted; ``Guards`` can take that away.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from atelier_billing import ledger
from atelier_billing.ledger import Account, Books, Grant, Hold, HoldState, Wallet
from atelier_contracts import (
    CancelRender,
    CancelRequested,
    CaptureCredit,
    CreditDeclined,
    DiscardRender,
    GenerationRequested,
    Message,
    RefundCredit,
    RenderFailed,
    RenderStarted,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.message import Command, GenerationMessage
from atelier_messaging import Poison
from atelier_session import saga
from atelier_session.generation import DeadlinePassed, Generation, ResendDue, State, Trigger
from atelier_session.saga import TERMINAL, LostRace
from chaos.model import (
    COMPLETED,
    FAILED,
    FROM_CLIENTS,
    GONE,
    GRANT,
    ID,
    NOW,
    OWNER,
    REQUEST,
    STARTED,
    UNDECIDED,
    UNITS,
    Guards,
    Letter,
    World,
    wrong,
)


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


def explore(guards: Guards | None = None, *, cancels: bool = True) -> Exploration:
    """Breadth first through everything that can happen."""
    rules = guards or Guards()
    first = World(None, None, False, "none", frozenset({Letter("session", REQUEST, 0)}), frozenset(), 0, 0, False)
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
        if letter not in world.handled and world.lost < guards.losses and letter.message is not REQUEST:
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
        yield from _client_moves(world, FROM_CLIENTS)
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
    resent = world.resent + (timer is ResendDue)
    if resent <= guards.resends:
        yield Move(f"clock: {timer.name}", _apply_trigger(world._replace(resent=resent), timer()))


def _deliver(world: World, letter: Letter, guards: Guards) -> World:
    message = letter.message
    match letter.to:
        case "session" if isinstance(message, CancelRequested) and world.generation is None:
            return world._replace(withdrawn=True)
        case "session" if isinstance(message, GenerationRequested) and world.generation is None and not world.withdrawn:
            return _apply_trigger(world._replace(generation=Generation(REQUEST, NOW)), message)
        case "session" if world.generation is not None:
            assert isinstance(message, GenerationMessage)
            spared = message is GONE and world.generation.state in UNDECIDED
            return _apply_trigger(world._replace(gone=True) if spared else world, message)
        case "billing":
            assert isinstance(message, ReserveCredit | CaptureCredit | RefundCredit)
            return _bill(world, message, guards)
        case "render" if isinstance(message, RequestRender) and world.job == "none":
            return world._replace(job="queued")
        case "render" if isinstance(message, RequestRender) and message.again:
            return _repeat_job_state(world)
        case "render" if isinstance(message, DiscardRender) and world.job == "done":
            return world._replace(job="discarded")
        case "render" if isinstance(message, CancelRender) and world.job in ("none", "queued"):
            return _send(world._replace(job="cancelled"), "session", FAILED)
    return world


def _repeat_job_state(world: World) -> World:
    """A job that is known says once more where it stands."""
    if world.job in ("failed", "cancelled"):
        return _send(world, "session", FAILED)
    if world.job == "done":
        made = next(made for made in COMPLETED.values() if Letter("session", made, 0) in world.sent)
        return _send(world, "session", made)
    return world


def _apply_trigger(world: World, heard: Trigger) -> World:
    assert world.generation is not None
    after, sends = _decide(world.generation, heard)
    moved = world._replace(generation=after)
    for message in sends:
        to = "billing" if isinstance(message, ReserveCredit | CaptureCredit | RefundCredit) else "render"
        if isinstance(message, Command):
            moved = _send(moved, to, message)
    return moved


@cache
def _decide(generation: Generation, heard: Trigger) -> tuple[Generation, tuple[GenerationMessage, ...]]:
    """The real table."""
    outcome = saga.decide(generation, heard)
    return generation if isinstance(outcome, LostRace) else outcome.generation, outcome.sends


def _bill(world: World, command: ReserveCredit | CaptureCredit | RefundCredit, guards: Guards) -> World:
    hold = world.hold
    if hold and hold[0] is HoldState.REFUNDED and hold[2] == 0 and not guards.tombstone:
        hold = None
    if hold and hold[0] is not HoldState.OPEN and not guards.settled_once and not isinstance(command, ReserveCredit):
        again = UNITS if isinstance(command, RefundCredit) else 0
        charged = hold[1] + (command.delivered if isinstance(command, CaptureCredit) else 0)
        return world._replace(hold=(HoldState.CAPTURED if charged else HoldState.REFUNDED, charged, hold[2] + again))
    after, answer = _apply_command(hold, world.rich, command)
    return _send(world._replace(hold=after), "session", answer)


@cache
def _apply_command(
    hold: tuple[HoldState, int, int] | None, rich: bool, command: ReserveCredit | CaptureCredit | RefundCredit
) -> tuple[tuple[HoldState, int, int] | None, Message]:
    """The real ledger, on books that are as this world has them."""
    books, wallet = Books(now=NOW), Wallet(OWNER)
    books.wallets[OWNER.id] = wallet
    wallet.grants[GRANT] = Grant(GRANT, 10 if rich else 0)
    wallet.balances[Account.AVAILABLE] = wallet.grants[GRANT].remaining
    if hold is not None:
        state, captured, refunded = hold
        placed = state is HoldState.OPEN or captured + refunded > 0
        units = UNITS if placed else 0
        lots = {GRANT: UNITS} if placed else {}
        owner = OWNER.id if placed else None
        books.holds[ID] = Hold(ID, owner, int(placed), units, "v1", state, captured, refunded, lots=lots)
        wallet.balances[Account.HELD] = UNITS if state is HoldState.OPEN else 0
    answer = ledger.apply(books, command)
    if isinstance(answer, CreditDeclined):  # what it says of the balance decides nothing
        answer = answer.model_copy(update={"available": 0})
    now = books.holds.get(ID)
    return (now.state, now.captured, now.refunded) if now else None, answer


def _render(world: World) -> Iterator[Move]:
    """Render does what it likes with a job it has; its lease may be lost while it works, which is the queue again."""
    if world.job == "queued":
        yield Move("render starts", _send(world._replace(job="running"), "session", STARTED))
        yield Move("render fails", _send(world._replace(job="failed"), "session", FAILED))
    if world.job == "running":
        yield Move("render loses its lease", world._replace(job="queued"))
        yield Move("render fails", _send(world._replace(job="failed"), "session", FAILED))
        for made, message in COMPLETED.items():
            yield Move(f"render makes {made}", _send(world._replace(job="done"), "session", message))


def _client_moves(world: World, letters: dict[str, Letter]) -> Iterator[Move]:
    for label, letter in letters.items():
        if letter not in world.sent:
            yield Move(label, world._replace(sent=world.sent | {letter}))


def _send(world: World, to: str, message: Message) -> World:
    copy = sum(1 for letter in world.sent if letter.to == to and letter.message == message)
    if isinstance(message, RenderStarted | RenderFailed) and copy:
        return world  # another attempt's says the same
    return world._replace(sent=world.sent | {Letter(to, message, copy)})


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


def main(resends: int = 2, losses: int = 2, request_repeats: int = 1) -> int:
    """Prints what was explored, and what happens without each guard; 1 where that is not as it should be."""
    found = explore(Guards(resends=resends, losses=losses, request_repeats=request_repeats))
    write = sys.stdout.write
    write(f"every order of messages: {found.worlds} worlds, {found.moves} moves, {len(found.violations)} violations\n")
    write("".join(f"  {state:<10} {count:>7} worlds\n" for state, count in found.states.most_common()))
    write("".join(f"  {line}\n" for line in found.violations[:3]))
    missed = 0
    for name, guards in GUARDS.items():
        missed += not (without := explore(guards).violations)
        write(f"  without {name}: {without[0] if without else 'NOTHING IS FOUND'}\n")
    return 1 if found.violations or missed else 0


if __name__ == "__main__":
    sys.exit(main())

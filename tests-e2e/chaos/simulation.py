"""Session and billing as they are (handlers, SQL, consumer, outbox, timers) in a world of which nothing is real but
Postgres: the clock, the broker, render and the clients are models, and one seeded scheduler decides what happens next.

The broker redelivers, reorders, repeats and loses confirms; processes die before and after each commit; clocks jump. A
seed is a whole history: the same seed does the same things again, and a seed that fails can be watched failing.
"""

import asyncio
import random
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import atelier_billing
import atelier_session
from atelier_billing.full_proof import prove
from atelier_billing.handlers import handle_commands
from atelier_contracts import (
    CancelRender,
    CancelRequested,
    DiscardRender,
    Event,
    GenerationRequested,
    GrantCredit,
    Message,
    Owner,
    RenderCompleted,
    RenderFailed,
    RenderSpec,
    RenderStarted,
    RequestRender,
    Work,
    unwrap,
)
from atelier_contracts.bundle import unpack
from atelier_contracts.routes import BILLING_COMMANDS, GATEWAY_PROJECTION, RENDER_COMMANDS, SESSION_SAGA
from atelier_gateway.projection.snapshot import RANKS, TERMINAL, Snapshot, fold
from atelier_messaging import database, testing
from atelier_session.handlers import Handlers
from atelier_session.settings import Settings
from atelier_session.store import withdraw
from chaos.faulty_broker import Broker, Channel, Frame, OneBatch, Process, ProcessKilled
from chaos.virtual_time import virtual

OWNERS = [Owner(kind="store", id=UUID(int=n)) for n in (1, 2, 3)]
CREDITS = (1_000, 1_000, 6)
DEADLINE_S = 120
CALM_ROUNDS_MAX = 300


@dataclass
class Simulation:
    """One history."""

    seed: int
    session: database.Pool
    billing: database.Pool
    steps: int = 150
    trace: list[str] = field(default_factory=list)
    requests: dict[UUID, GenerationRequested] = field(default_factory=dict)
    withdrawn: set[UUID] = field(default_factory=set)
    snapshots: dict[UUID, Snapshot] = field(default_factory=dict)
    jobs: dict[UUID, tuple[str, int]] = field(default_factory=lambda: defaultdict(lambda: ("none", 0)))
    made: dict[UUID, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.broker = Broker(self.rng)
        settings: Any = Settings.model_construct(session_stop_grace_s=30.0, session_resend_s=60.0)
        self.handlers = Handlers(settings)
        self.processes = {
            SESSION_SAGA: Process.of("session", SESSION_SAGA, self.session, self.broker, self.handlers.handle_saga),
            BILLING_COMMANDS: Process.of("billing", BILLING_COMMANDS, self.billing, self.broker, handle_commands),
        }

    async def run(self) -> list[str]:
        """Lives through it; answers what is wrong in the end."""
        for owner, credits in zip(OWNERS, CREDITS, strict=True):
            self.broker.say(GrantCredit(grant_id=self._id(), owner=owner, credits=credits, reason="simulated"))
        acts: dict[Callable[[], Awaitable[str]], int] = {
            self._deliver: 50,
            self._render: 12,
            self._ask: 12,
            self._time_passes: 8,
            self._timers: 8,
            self._sweep: 6,
            self._cancel: 5,
            self._again: 5,
            self._give_up: 2,
        }
        for _ in range(self.steps):
            act = self.rng.choices(list(acts), list(acts.values()))[0]
            self.trace.append(await act())
        return await self._calm() or [line async for line in self._wrong()]

    async def _deliver(self) -> str:
        """Some of what waits in a queue, in any order, to a process that may die of it."""
        queue = self.rng.choice([queue for queue in self.broker.queues if self.broker.queues[queue]] or [SESSION_SAGA])
        waiting = self.broker.queues[queue]
        taken = self.rng.sample(range(len(waiting)), min(len(waiting), self.rng.randint(1, 6)))
        frames = [waiting[index] for index in taken]
        if not frames:
            return "nothing waits"
        if queue not in self.processes:
            for frame in frames:
                self._hear(queue, frame)
            self.broker.queues[queue] = [frame for frame in waiting if frame not in frames]
            return f"{queue}: {len(frames)} heard"
        fate = self.rng.choices(("lives", "dies before commit", "dies after commit", "loses its ack"), (76, 8, 8, 8))[0]
        await self._handle(self.processes[queue], frames, fate if self.broker.faulty else "lives")
        return f"{queue}: {len(frames)} delivered, {fate}"

    async def _handle(self, process: Process, frames: list[Frame], fate: str) -> None:
        channel = Channel(deaf=fate in ("dies after commit", "loses its ack"))
        for tag, frame in enumerate(frames, start=1):
            frame.delivery_tag, frame.channel = tag, channel
        process.dying, self.broker.unplugged = fate == "dies before commit", fate == "dies after commit"
        try:
            await process.consumer.run(OneBatch(frames))
        except ProcessKilled:
            await process.unit.outbox.drain()
        finally:
            process.dying = self.broker.unplugged = False
        done = frames[: channel.acknowledged]
        self.broker.queues[process.queue] = [f for f in self.broker.queues[process.queue] if f not in done]

    def _hear(self, queue: str, frame: Frame) -> None:
        """The models of gateway and render, which absorb what comes twice."""
        for letter in unpack(frame.body, frame.headers, content_type=frame.content_type, message_id=frame.message_id):
            envelope = unwrap(letter.body, letter.headers)
            message = envelope.message
            if queue == GATEWAY_PROJECTION and isinstance(message, Event):
                self.snapshots |= fold(self.snapshots, [(message, envelope.time)])
            if queue == RENDER_COMMANDS:
                self._command(message)

    def _command(self, message: Message) -> None:
        state, attempt = self.jobs[message.subject]
        match message:
            case RequestRender() if state == "none":
                self.jobs[message.subject] = ("queued", attempt)
            case CancelRender() if state in ("none", "queued", "running"):
                self.jobs[message.subject] = ("ended", attempt)
                self.broker.say(RenderFailed(generation_id=message.generation_id, code="cancelled", reason="cancelled"))
            case DiscardRender():
                self.made.pop(message.generation_id, None)

    async def _render(self) -> str:
        """A job goes one step on: it starts, is lost, fails, or makes some or all."""
        alive = [id_ for id_, (state, _) in self.jobs.items() if state in ("queued", "running")]
        if not alive:
            return "nothing to render"
        id_ = self.rng.choice(alive)
        state, attempt = self.jobs[id_]
        if state == "queued":
            self.jobs[id_] = ("running", attempt + 1)
            self.broker.say(RenderStarted(generation_id=id_, attempt=attempt + 1))
            return "render starts"
        end = self.rng.choices(("made", "failed", "lost"), (6, 2, 2))[0]
        if end == "lost":
            self.jobs[id_] = ("queued", attempt)
            return "render loses its lease"
        self.jobs[id_] = ("ended", attempt)
        if end == "failed":
            self.broker.say(RenderFailed(generation_id=id_, code="provider_failed", reason="it broke"))
            return "render fails"
        n = self.requests[id_].work.n
        made = self.made[id_] = self.rng.randint(1, n)
        self.broker.say(RenderCompleted(generation_id=id_, outputs=(), delivered=made, requested=n, provider="x"))
        return f"render makes {made} of {n}"

    async def _ask(self) -> str:
        id_, owner, n = self._id(), self.rng.choice(OWNERS), self.rng.randint(1, 4)
        work, spec = Work(kind="try_on", n=n), RenderSpec(kind="try_on", n=n)
        request = GenerationRequested(
            generation_id=id_, channel="b2b", owner=owner, work=work, spec=spec, deadline_s=DEADLINE_S
        )
        self.requests[id_], self.snapshots[id_] = request, Snapshot()
        self.broker.say(request)
        return f"a request for {n}"

    async def _cancel(self) -> str:
        if self.requests:
            cause = "client_gone" if self.rng.random() < 0.5 else None
            self.broker.say(CancelRequested(generation_id=self.rng.choice(list(self.requests)), cause=cause))
        return "a cancel"

    async def _give_up(self) -> str:
        """The gateway asks the session over HTTP to withdraw what it has no answer to."""
        if not self.requests:
            return "nothing to withdraw"
        id_ = self.rng.choice(list(self.requests))
        async with self.processes[SESSION_SAGA].unit.once() as work:
            state = await withdraw(work.connection, id_)
        if state == "withdrawn":
            self.withdrawn.add(id_)
        return f"withdrawal: {state}"

    async def _again(self) -> str:
        self.broker.repeat()
        return "something old again"

    async def _time_passes(self) -> str:
        seconds = self.rng.choice((0.5, 2.0, 10.0, 40.0, 200.0))
        for pool in (self.session, self.billing):
            await pool.execute("UPDATE virtual.clock SET at = at + make_interval(secs => $1)", seconds)
        return f"{seconds:g} s pass"

    async def _timers(self) -> str:
        unit = self.processes[SESSION_SAGA].unit
        self.broker.unplugged = self.broker.faulty and self.rng.random() < 0.2
        await self.handlers.fire_timers(unit)
        await unit.outbox.drain()
        self.broker.unplugged = False
        return "timers"

    async def _sweep(self) -> str:
        process = self.processes[self.rng.choice(list(self.processes))]
        return f"{process.queue}: {await process.unit.outbox.sweep()} swept"

    async def _calm(self) -> list[str]:
        """No more faults: everything must come to its end, and stay there."""
        self.broker.faulty = False
        for _ in range(CALM_ROUNDS_MAX):
            while any(self.broker.queues.values()):
                await self._deliver()
            for process in self.processes.values():
                await process.unit.outbox.sweep()
            await self._render()
            await self._time_passes()
            await self._timers()
            waiting = await self.session.fetchval("SELECT count(*) FROM sagas WHERE timer_at IS NOT NULL")
            unsent = [await pool.fetchval("SELECT count(*) FROM outbox") for pool in (self.session, self.billing)]
            if not waiting and not any(unsent) and not any(self.broker.queues.values()):
                return []
        return [f"I9: {waiting} generations have no end, {sum(unsent)} messages are never sent"]

    async def _wrong(self) -> AsyncIterator[str]:
        async with self.billing.acquire() as connection:
            for line in (await prove(connection)).violations:
                yield f"I1 I2 I3: {line}"
        rows = await self.session.fetch("SELECT generation_id AS id, state FROM sagas")
        sagas = {row["id"]: row["state"] for row in rows}
        found = await self.billing.fetch("SELECT generation_id AS id, state, captured FROM holds")
        holds = {row["id"]: (row["state"], row["captured"]) for row in found}
        for id_ in self.requests:
            state, hold = sagas.get(id_), holds.get(id_)
            shown = self.snapshots[id_].state
            if state is None and hold is not None:
                yield f"I14: {id_} was withdrawn, and has the hold {hold}"
            if state == "succeeded" and hold != ("captured", self.made.get(id_)):
                yield f"I5: {id_} made {self.made.get(id_)}, hold {hold}"
            if state in ("failed", "cancelled", "expired") and (hold is None or hold[0] != "refunded"):
                yield f"I6 I7: {id_} {state}, hold {hold}"
            if state == "rejected" and hold not in (None, ("refunded", 0)):
                yield f"I6: {id_} rejected, hold {hold}"
            if state is None and RANKS[shown] != TERMINAL:
                yield f"I4: {id_} was withdrawn, and is shown as {shown} for ever"
            if state is not None and shown != state:
                yield f"I4: {id_} {state}, shown as {shown}"
        gone = await self.session.fetch(
            "SELECT generation_id AS id FROM saga_log WHERE heard = 'client gone' AND outcome = 'transition'"
        )
        for id_ in (row["id"] for row in gone if holds.get(row["id"], ("", 0))[1]):
            yield f"{id_}: no client waited for it any more, and it is charged"
        for queue, frame in self.broker.dead:
            yield f"I11: a dead letter of {queue}: {frame.headers}"

    def _id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128))


async def simulate(superuser: str, seed: int, *, steps: int = 150) -> tuple[list[str], list[str]]:
    """What is wrong after this history (nothing, one hopes), and the history."""
    async with virtual(superuser, atelier_session) as session, virtual(superuser, atelier_billing) as billing:
        history = Simulation(seed, session, billing, steps)
        return await history.run(), history.trace


async def _many(seeds: range) -> int:
    bad = 0
    with testing.postgres("simulation") as superuser:
        for seed in seeds:
            wrong, trace = await simulate(superuser, seed)
            bad += bool(wrong)
            report = [f"seed {seed}: VIOLATED", *wrong, "", *trace] if wrong else []
            sys.stdout.write("".join(f"{line}\n" for line in report))
    sys.stdout.write(f"{len(seeds)} histories of session and billing, {bad} of them end badly\n")
    return bad


if __name__ == "__main__":
    first, count = (int(word) for word in (*sys.argv[1:], "0", "100")[:2])
    sys.exit(1 if asyncio.run(_many(range(first, first + count))) else 0)

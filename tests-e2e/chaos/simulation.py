"""Session and billing as they are (handlers, SQL, consumer, outbox, timers) in a world of which nothing is real but
Postgres: the clock, the broker, render and the clients are models, and one seeded scheduler decides what happens next.

The broker redelivers, reorders, repeats and loses confirms; processes die before and after each commit; clocks jump. A
seed is a whole history: the same seed does the same things again, and a seed that fails can be watched failing.
"""

import asyncio
import random
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import atelier_billing
import atelier_session
from atelier_billing.handlers import handle_commands
from atelier_contracts import (
    Artefact,
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
from atelier_gateway.projection.snapshot import Snapshot, fold
from atelier_messaging import database, testing
from atelier_session.handlers import Handlers
from atelier_session.settings import Settings
from atelier_session.store import withdraw
from chaos.faulty_broker import Broker, Channel, Frame, OneBatch, Process, ProcessKilled
from chaos.history_check import wrong
from chaos.model_caps import KEYS, ModelCaps, caps_process
from chaos.model_corrections import ModelCorrections, corrections_process
from chaos.model_handovers import ModelHandovers
from chaos.virtual_time import virtual

OWNERS = [Owner(kind="store", id=UUID(int=n)) for n in (1, 2, 3)]
CREDITS = (1_000, 1_000, 6)
DEADLINE_S = 120
WINDOW_S = 60
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
        self.corrections = ModelCorrections(self.rng, self._id)
        self.caps = ModelCaps(self.rng)
        settings: Any = Settings.model_construct(session_stop_grace_s=30.0, session_resend_s=60.0)
        self.handovers = ModelHandovers(self.rng)
        handovers: Any = self.handovers
        self.handlers = Handlers(settings, handovers=handovers)
        self.processes = {
            SESSION_SAGA: Process.of("session", SESSION_SAGA, self.session, self.broker, self.handlers.handle_saga),
            BILLING_COMMANDS: Process.of("billing", BILLING_COMMANDS, self.billing, self.broker, handle_commands),
            **corrections_process(self.billing, self.broker),
            **caps_process(self.billing, self.broker),
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
            self._take: 8,
            self._cancel: 5,
            self._again: 5,
            self._operate: 9,
            self._give_up: 2,
        }
        for _ in range(self.steps):
            act = self.rng.choices(list(acts), list(acts.values()))[0]
            self.trace.append(await act())
        return await self._calm() or [line async for line in wrong(self)]

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
            case DiscardRender() if message.kept:
                self.made[message.generation_id] = len(message.kept)
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
        outputs = tuple(Artefact(key=str(k), content_type="image/png", size=1, sha256="00") for k in range(made))
        self.broker.say(RenderCompleted(generation_id=id_, outputs=outputs, delivered=made, requested=n, provider="x"))
        return f"render makes {made} of {n}"

    async def _ask(self) -> str:
        id_, owner, n = self._id(), self.rng.choice(OWNERS), self.rng.randint(1, 4)
        window_s = WINDOW_S if self.rng.random() < 0.4 else None
        optional = {"spenders": (self.rng.choice(KEYS),), "delivery_window_s": window_s}
        work, spec = Work(kind="try_on", n=n), RenderSpec(kind="try_on", n=n)
        request = GenerationRequested(
            generation_id=id_, channel="b2b", owner=owner, work=work, spec=spec, deadline_s=DEADLINE_S, **optional
        )
        self.requests[id_], self.snapshots[id_] = request, Snapshot()
        self.broker.say(request)
        return f"a request for {n}{', charged on delivery' if window_s else ''}"

    async def _take(self) -> str:
        """A client takes an output that the gateway delivers, by some way."""
        message = self.handovers.deliver_one(self.snapshots)
        if message is None:
            return "nothing can be taken"
        self.broker.say(message)
        return f"output {message.delivered[0].output} is delivered"

    async def _cancel(self) -> str:
        if self.requests:
            cause = "client_gone" if self.rng.random() < 0.5 else None
            id_ = self.rng.choice(list(self.requests))
            delivered = self.handovers.close_one(id_) if self.requests[id_].delivery_window_s else ()
            self.broker.say(CancelRequested(generation_id=id_, cause=cause, delivered=delivered))
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

    async def _operate(self) -> str:
        if self.rng.random() < 0.4:
            return self.caps.set_one(self.broker, OWNERS)
        return self.corrections.order(self.broker, list(self.requests), OWNERS)

    async def _again(self) -> str:
        self.broker.repeat()
        return "something old again"

    async def _time_passes(self) -> str:
        seconds = self.rng.choice((0.5, 2.0, 10.0, 40.0, 200.0, 40_000.0))
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
        self.broker.faulty = self.handovers.is_faulty = False
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

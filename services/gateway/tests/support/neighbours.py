"""Stand-ins for session and billing that speak real AMQP and HTTP, so that the gateway can be tested without them."""

import asyncio
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import uvicorn
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue
from fastapi import FastAPI
from starlette.responses import JSONResponse

from atelier_contracts import (
    BooksCorrected,
    CancelRequested,
    CreditGranted,
    Envelope,
    GenerationCancelled,
    GenerationQueued,
    GenerationRejected,
    GenerationRequested,
    GrantCredit,
    Message,
    Owner,
    ReturnCredit,
    SetCap,
    TakeBackCredit,
    unwrap,
    wrap,
)
from atelier_contracts.bundle import unpack
from atelier_contracts.routes import (
    BILLING_CAPS,
    BILLING_COMMANDS,
    BILLING_CORRECTIONS,
    EXCHANGE,
    RENDER_COMMANDS,
    ROUTES,
    SESSION_SAGA,
)

from .caps import add_cap_route, add_quote_route, confirm_cap
from .operator_routes import add_operator_routes
from .usage_routes import add_usage_routes

Answer = Callable[[GenerationRequested], Message | None]


def admit(request: GenerationRequested) -> Message:
    """Admits."""
    return GenerationQueued(generation_id=request.generation_id, credits=1)


def decline(request: GenerationRequested) -> Message:
    """Has no credits."""
    return GenerationRejected(
        generation_id=request.generation_id, reason="insufficient_credits", required=1, available=0
    )


def ignore(_: Message) -> None:
    """Says nothing."""


def confirm_cancel(cancel: CancelRequested) -> Message:
    """Stops it and gives everything back."""
    return GenerationCancelled(generation_id=cancel.generation_id, refunded=1)


def confirm_correction(command: ReturnCredit | TakeBackCredit) -> BooksCorrected:
    """Corrects what is ordered, of an owner who has 9 credits then."""
    if isinstance(command, ReturnCredit):
        somebody = Owner(kind="store", id=UUID(int=1))
        return BooksCorrected(
            correction_id=command.correction_id,
            kind="return",
            owner=somebody,
            generation_id=command.generation_id,
            credits=command.credits or 4,
            available=9,
            ordered=command.credits or 0,
        )
    return BooksCorrected(
        correction_id=command.correction_id,
        kind="take_back",
        owner=command.owner,
        grant_id=command.grant_id,
        credits=command.credits or 4,
        available=9,
        ordered=command.credits or 0,
    )


def told(id_: UUID, events: Sequence[Message]) -> dict[str, Any]:
    """A generation as the session reports its state."""
    state = "rejected" if any(isinstance(event, GenerationRejected) for event in events) else "queued"
    bodies = [{"name": event.name, "body": event.model_dump_json()} for event in events]
    return {"id": id_, "state": state, "events": bodies}


@dataclass
class Neighbours:
    """What session and billing would do: ``answer`` a request, pass a ``verdict`` on a withdrawal (None: be silent),
    ``stop`` what is cancelled, and serve their ``records`` (by path under ``/internal/``)."""

    answer: Answer = admit
    verdict: str | None = "withdrawn"
    balance: int = 7
    """Credits available to everybody."""
    stop: Callable[[CancelRequested], Message | None] = confirm_cancel
    records: dict[str, Any] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    """Kinds of record that are answered 503."""
    heard: list[Envelope] = field(default_factory=list)
    started: list[UUID] = field(default_factory=list)
    tombstones: set[UUID] = field(default_factory=set)
    refunds: list[UUID] = field(default_factory=list)
    """Those of them whose hold the session was to give back."""
    usage_asked: list[tuple[datetime, datetime, str]] = field(default_factory=list)
    """Period and groups of what billing was queried for."""
    standing: dict[UUID, list[Message]] = field(default_factory=dict)
    """The session's events of generations, for its internal API."""
    grants: dict[UUID, CreditGranted] = field(default_factory=dict)
    """As billing has them on its books, for good: by id, and as a second command with that id is answered."""
    grants_answered: bool = True
    correct: Callable[[ReturnCredit | TakeBackCredit], BooksCorrected] = confirm_correction
    corrections: dict[UUID, BooksCorrected] = field(default_factory=dict)
    """As billing has them on its books, as a second command with that id is answered."""
    consumed: dict[str, tuple[AbstractQueue, str]] = field(default_factory=dict)
    provider_calls: list[tuple[str, str, Any]] = field(default_factory=list)
    """What render's API received of providers: method, rest of the path, body."""
    _tests: int = 0
    """How many have begun."""
    _marks: dict[str, asyncio.Event] = field(default_factory=dict)

    def reset(self) -> None:
        """Willing again, and with no memory."""
        self._tests += 1
        self.answer, self.verdict, self.stop = admit, "withdrawn", confirm_cancel
        self.balance = 7
        self.grants_answered = True
        self.correct = confirm_correction
        self.corrections.clear()
        self.records.clear()
        self.standing.clear()
        self.broken.clear()
        for noted in (self.heard, self.usage_asked, self.provider_calls, self.started):
            noted.clear()

    async def listen(self, amqp_url: str) -> None:
        """Starts to listen, on queues that are empty."""
        # Without heartbeats: while tests that are not asynchronous run, none would be sent, for minutes.
        self._connection = await aio_pika.connect(f"{amqp_url}?heartbeat=0")
        self._channel = channel = await self._connection.channel()
        self._exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        for name in ROUTES:
            await (await channel.get_queue(name, ensure=False)).purge()
        for name in (SESSION_SAGA, BILLING_COMMANDS, BILLING_CORRECTIONS, BILLING_CAPS, RENDER_COMMANDS):
            queue = await channel.get_queue(name, ensure=False)
            self.consumed[name] = queue, await queue.consume(self.hear, no_ack=True)

    async def say(self, message: Message, cc: tuple[str, ...] = ()) -> None:
        """Publishes as a service would."""
        envelope = wrap(message, source="atelier/tests", cc=cc)
        body = aio_pika.Message(
            message.model_dump_json().encode(),
            headers={**envelope.headers, "CC": list(cc)},
            message_id=str(envelope.id),
        )
        await self._exchange.publish(body, message.name)

    async def bury(self, envelope: Envelope, queue: str, exchange: str) -> None:
        """Lays a message among the dead letters of a queue, as its consumer would."""
        headers = {**envelope.headers, "x-atelier-reason": "a test"}
        body = aio_pika.Message(envelope.body.encode(), headers={**headers}, message_id=str(envelope.id))
        dead = await (await self._connection.channel()).get_exchange(exchange, ensure=False)
        await dead.publish(body, queue)

    async def drain(self) -> None:
        """Waits until everything that was on its way to them has arrived."""
        for name in self.consumed:
            mark = uuid4().hex
            arrived = self._marks[mark] = asyncio.Event()
            await self._channel.default_exchange.publish(aio_pika.Message(b"", correlation_id=mark), name)
            await arrived.wait()

    async def close(self) -> None:
        """Ends."""
        self._server.should_exit = True
        await self._serving
        await self._connection.close()

    async def hear(self, raw: AbstractIncomingMessage) -> None:
        if (arrived := self._marks.pop(raw.correlation_id or "", None)) is not None:
            arrived.set()
            return
        tests = self._tests
        for letter in unpack(raw.body, raw.headers, content_type=raw.content_type, message_id=""):
            # The rest of a bundle that an earlier test was sent is not for this one.
            if tests == self._tests:
                await self.act(unwrap(letter.body, letter.headers))

    async def act(self, envelope: Envelope) -> None:
        self.heard.append(envelope)
        match envelope.message:
            case GenerationRequested() as request if request.generation_id not in self.tombstones:
                self.started.append(request.generation_id)
                if (reply := self.answer(request)) is not None:
                    await self.say(reply, (request.reply_to,) if request.reply_to else ())
            case CancelRequested() as cancel:
                if (end := self.stop(cancel)) is not None:
                    await self.say(end)
            case GrantCredit(
                grant_id=grant,
                owner=owner,
                credits=credits,
                priority=priority,
                expires_at=expires_at,
                reply_to=reply_to,
            ):
                known = self.grants.get(grant)
                given = known or CreditGranted(
                    grant_id=grant,
                    owner=owner,
                    credits=credits,
                    available=credits,
                    priority=priority,
                    expires_at=expires_at,
                )
                self.grants[grant] = given.model_copy(update={"given_before": True})
                if self.grants_answered:
                    await self.say(given, (reply_to,) if reply_to else ())
            case SetCap() as command:
                await self.say(confirm_cap(command), (command.reply_to,) if command.reply_to else ())
            case ReturnCredit() | TakeBackCredit() as command:
                done = self.corrections.get(command.correction_id) or self.correct(command)
                self.corrections[command.correction_id] = done.model_copy(update={"corrected_before": True})
                await self.say(done, (command.reply_to,) if command.reply_to else ())

    async def serve(self) -> str:
        """Starts their internal HTTP; answers its base URL."""
        app = FastAPI()

        @app.post("/internal/generations/{id}/withdraw")
        async def withdraw(id: UUID, refund: bool = False) -> JSONResponse:
            if self.verdict is None:
                return JSONResponse({}, 500)
            if self.verdict == "withdrawn":
                self.tombstones.add(id)
                self.refunds += [id] if refund else []
            return JSONResponse({"state": self.verdict})

        @app.post("/internal/generations/standing")
        async def list_events(asked: dict[str, list[UUID]]) -> dict[str, Any]:
            if "standing" in self.broken:
                return {}
            return {"generations": [told(id_, self.standing[id_]) for id_ in asked["ids"] if id_ in self.standing]}

        add_usage_routes(app, self)
        add_cap_route(app, self.records)
        add_quote_route(app, self.records)
        add_operator_routes(app, self)

        @app.get("/internal/{kind}/{id}")
        async def record(kind: str, id: UUID) -> JSONResponse:
            if kind in self.broken:
                return JSONResponse({}, 503)
            found = self.records.get(f"{kind}/{id}")
            return JSONResponse(found) if found else JSONResponse({"detail": f"no such {kind}"}, 404)

        @app.get("/internal/accounts/{kind}/{id}")
        async def account(kind: str, id: UUID) -> dict[str, Any]:
            return {"available": self.balance, "held": 0, "captured": 0, "granted": 7, "expired": 0}

        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        self._server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
        self._serving = asyncio.create_task(self._server.serve([listening]))
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

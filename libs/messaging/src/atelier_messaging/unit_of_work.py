"""``once()``: the only thing that commits rows together with messages.

Rows, outbox messages and the inbox mark of their cause go into one transaction. If it commits, all happened; if it does
not, nothing did and the message is delivered again. A message handled before is not in ``tx.fresh``.

Alone, a transaction costs its round trips. Writes are therefore collected and leave in one statement at the end, and
one that reads nothing before is that statement alone.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from opentelemetry import trace

from atelier_contracts import Envelope, Message, wrap
from atelier_contracts.routes import SERVICES, senders_of
from atelier_messaging import failpoints, message_spans, outbox
from atelier_messaging.database import Connection, Pool
from atelier_messaging.outbox import SOURCE_PREFIX, Outbox
from atelier_messaging.writes import Write, execute
from atelier_telemetry import attributes
from atelier_telemetry.tracing import Span, traceparent_of

_MARK_HANDLED = """
INSERT INTO inbox (consumer, message_id) SELECT $1, unnest($2::uuid[])
ON CONFLICT DO NOTHING RETURNING message_id
"""
_MARK_FRESH = "INSERT INTO inbox (consumer, message_id) SELECT $1, unnest($2::uuid[])"

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Delivery:
    """A message as it reached a consumer, with the span under which it is handled."""

    envelope: Envelope
    span: Span = trace.INVALID_SPAN

    @property
    def message(self) -> Message:
        """The message itself."""
        return self.envelope.message


class Transaction:
    """One transaction: the connection to read on, the messages to handle, what to write, the messages to send."""

    def __init__(
        self, connection: Connection, stack: AsyncExitStack, source: str, fresh: Sequence[Delivery], *, late_claim: bool
    ) -> None:
        self.source = source
        self.fresh = fresh
        self.late_claim = late_claim
        """Whether the messages are marked as handled only with the writes: that they are fresh is an assumption, and a
        handler may make others of its own, as expected numbers of rows. If one is wrong, all is undone and run again,
        without late claim."""
        self.emitted: list[Envelope] = []
        self.after_commit_calls: list[Callable[[], object]] = []
        self._connection = connection
        self._stack = stack
        self._begun = False
        self._writes: list[Write] = []
        self._creations: list[Span] = []

    @property
    def service(self) -> str:
        """The service that owns it."""
        return self.source.removeprefix(SOURCE_PREFIX)

    @property
    def connection(self) -> Connection:
        """The connection, once it has begun."""
        assert self._begun, "a handler with a late claim begins by `await tx.begin()`"
        return self._connection

    async def begin(self) -> Connection:
        """Begins the transaction, unless it has begun: for one that reads or locks before it writes."""
        if not self._begun:
            self._begun = True
            await self._stack.enter_async_context(self._connection.transaction())
        return self._connection

    async def fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        """Rows as they are now. Before it has begun, only a number of rows that a write expects can tell whether they
        are still the same at the end."""
        return list(await self._connection.fetch(sql, *values))

    def write(self, name: str, sql: str, *values: Any, rows: int | None = None, key: str | None = None) -> None:
        """Adds an INSERT, UPDATE or DELETE to the one statement at the end.

        ``name`` is its name among the others, which can select from what it returns; ``rows`` is the number of rows it
        must return, so with it (and for the others) the statement ends in RETURNING. ``key`` is the primary key of its
        table, where none of its rows may be there already. Its parameters count from ``$1``.
        """
        self._writes.append(Write(name, sql, values, rows, key))

    async def flush(self) -> None:
        """Executes the writes so far, for a statement that must see them. Needs a begun transaction."""
        writes, self._writes = self._writes, []
        await execute(self.connection, writes)

    async def finish(self) -> None:
        """Executes all writes with the outbox rows, in one statement: within the transaction, or as one."""
        writes = [*self._writes, *outbox.writes_of(self.emitted)]
        if not self._begun:
            failpoints.reach("before_commit")
            await execute(self._connection, writes)
        else:
            await execute(self._connection, writes)
            failpoints.reach("before_commit")

    def emit(self, message: Message, *, cause: Delivery | Span | None = None, cc: Iterable[str] = ()) -> Envelope:
        """Sends ``message`` if this transaction commits, as a child of the cause's span (default: the current one)."""
        cause = cause.span if isinstance(cause, Delivery) else cause or trace.get_current_span()
        assert self.service not in SERVICES or self.service in senders_of(type(message)), (
            f"{self.service} may not send {message.name}; say in the contract who may"
        )
        creation = message_spans.start_creation(message, cause)
        envelope = wrap(message, source=self.source, traceparent=traceparent_of(creation), cc=tuple(cc))
        self.emitted.append(envelope)
        if creation is not cause:
            creation.set_attribute(attributes.MESSAGING_ID, str(envelope.id))
            self._creations.append(creation)
        return envelope

    def end_creations(self) -> None:
        """The messages exist: what was created in a transaction that is undone leaves no span."""
        for span in self._creations:
            span.end()

    def after_commit(self, act: Callable[[], object]) -> None:
        """Calls ``act`` once this transaction has committed, in this process alone: a hint to those who wait for the
        rows. It may be lost with the process or the answer to the commit, so a waiter must poll as well."""
        self.after_commit_calls.append(act)


class UnitOfWork:
    """Makes transactions for one service."""

    def __init__(self, pool: Pool, box: Outbox, source: str) -> None:
        self.pool = pool
        self.outbox = box
        self._source = source

    @asynccontextmanager
    async def once(
        self,
        consumer: str = "",
        deliveries: Sequence[Delivery] = (),
        *,
        dispatch: bool = True,
        late_claim: bool = False,
    ) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, or not at all, then publishes what was emitted.

        ``dispatch=False`` leaves the publishing to the caller, who needs its outcome. ``late_claim`` takes the
        deliveries as fresh and saves the round trip to find out; raises WriteConflict when one of them was not.
        """
        async with self.pool.acquire() as connection, AsyncExitStack() as stack:
            tx = Transaction(connection, stack, self._source, _without_repeats(deliveries), late_claim=late_claim)
            if not late_claim:
                await tx.begin()
                tx.fresh = await _mark_handled(connection, consumer, tx.fresh) if deliveries else ()
            yield tx
            if late_claim and deliveries:
                ids = sorted(delivery.envelope.id for delivery in tx.fresh)
                tx.write("handled", _MARK_FRESH, consumer, ids, key="inbox_pkey")
            await tx.finish()
        tx.end_creations()
        failpoints.reach("after_commit")
        if dispatch:
            self.outbox.dispatch_soon(tx.emitted)
        for act in tx.after_commit_calls:
            _call(act)


def _call(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception:
        # The transaction is committed: an error raised here would have it run again.
        logger.exception("after-commit hook failed, the transaction stays committed")


def _without_repeats(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """The first delivery of each message, in order."""
    first: dict[UUID, Delivery] = {}
    for delivery in deliveries:
        first.setdefault(delivery.envelope.id, delivery)
    return list(first.values())


async def _mark_handled(connection: Connection, consumer: str, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Marks the messages as handled by this consumer; returns those that were not marked before, in order."""
    rows = await connection.fetch(_MARK_HANDLED, consumer, sorted(delivery.envelope.id for delivery in deliveries))
    marked = {row["message_id"] for row in rows}
    return [delivery for delivery in deliveries if delivery.envelope.id in marked]

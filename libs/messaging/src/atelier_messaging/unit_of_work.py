"""``once()``: the only thing that commits.

Rows, outbox messages and the inbox mark of their cause go into one transaction. If it commits, all happened; if it does
not, nothing did and the message is delivered again. A message handled before is not in ``tx.fresh``.
"""

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from opentelemetry import trace

from atelier_contracts import Envelope, Message, wrap
from atelier_contracts.routes import SERVICES, senders_of
from atelier_messaging import failpoints, outbox
from atelier_messaging.database import Connection, Pool
from atelier_messaging.outbox import Outbox
from atelier_telemetry.tracing import Span, current_traceparent, traceparent_of

_MARK_HANDLED = """
INSERT INTO inbox (consumer, message_id) SELECT $1, unnest($2::uuid[])
ON CONFLICT DO NOTHING RETURNING message_id
"""

SOURCE_PREFIX = "atelier/"
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


@dataclass(slots=True)
class Transaction:
    """One open transaction: the connection to write on, the messages to handle, the messages to send."""

    connection: Connection
    source: str
    fresh: Sequence[Delivery] = ()
    emitted: list[Envelope] = field(default_factory=list)
    after_commit_calls: list[Callable[[], object]] = field(default_factory=list)

    @property
    def service(self) -> str:
        """The service that owns it."""
        return self.source.removeprefix(SOURCE_PREFIX)

    def emit(self, message: Message, *, cause: Delivery | Span | None = None, cc: Iterable[str] = ()) -> Envelope:
        """Sends ``message`` if this transaction commits, as a child of the cause's span (default: the current one)."""
        if cause is None:
            traceparent = current_traceparent()
        else:
            traceparent = traceparent_of(cause.span if isinstance(cause, Delivery) else cause)
        assert self.service not in SERVICES or self.service in senders_of(type(message)), (
            f"{self.service} may not send {message.name}; say in the contract who may"
        )
        envelope = wrap(message, source=self.source, traceparent=traceparent, cc=tuple(cc))
        self.emitted.append(envelope)
        return envelope

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
        self, consumer: str = "", deliveries: Sequence[Delivery] = (), *, dispatch: bool = True
    ) -> AsyncIterator[Transaction]:
        """Commits at the end of the block, or not at all, then publishes what was emitted.

        ``dispatch=False`` leaves the publishing to the caller, who needs its outcome.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            fresh = await _mark_handled(connection, consumer, deliveries) if deliveries else ()
            tx = Transaction(connection, self._source, fresh)
            yield tx
            await outbox.save(connection, tx.emitted)
            failpoints.reach("before_commit")
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


async def _mark_handled(connection: Connection, consumer: str, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Marks the messages as handled by this consumer; returns those that were not marked before, in order."""
    first = {delivery.envelope.id: delivery for delivery in reversed(deliveries)}
    rows = await connection.fetch(_MARK_HANDLED, consumer, sorted(first))
    marked = {row["message_id"] for row in rows}
    return [d for d in deliveries if d.envelope.id in marked and first[d.envelope.id] is d]

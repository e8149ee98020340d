"""SQL of messages that are sent again until they are known to have had their effect.

A grant, a correction or a cap has when billing has answered, a cancel when its generation has ended, a request when the
saga has begun it. A deletion has no answer: it is sent six times in all, the last time half an hour after the first. So
is a request that the saga never begins; the recovery of stalled generations ends it then.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TypeAlias, TypeVar
from uuid import UUID

from atelier_contracts import (
    BooksCorrected,
    CancelRequested,
    CapSet,
    CreditGranted,
    GenerationDeleted,
    GenerationRequested,
    GrantCredit,
    Message,
    ReturnCredit,
    SetCap,
    TakeBackCredit,
)
from atelier_contracts.message import REGISTRY
from atelier_messaging.database import Connection, Pool

BillingOutcome: TypeAlias = CreditGranted | BooksCorrected | CapSet
Sent = TypeVar("Sent", bound=Message)

TO_BILLING = (GrantCredit.name, ReturnCredit.name, TakeBackCredit.name, SetCap.name)
REPEATED_MAX = 100
FORGOTTEN_MAX = 20_000
RESEND_S_MAX = 1_800.0
UNANSWERED_RESENDS_MAX = 5
"""At doubling intervals, so that a wipe that lasts for minutes does not take them all."""
CONFIRMED_KEPT_DAYS = 30
"""Longer than a second answer can be on its way."""
_DOUBLINGS_MAX = 10

# The first grant or correction under an id is the one that billing carries out; of a cap it is the latest.
_INSERT = f"""
INSERT INTO unconfirmed_messages AS m (subject, name, body, ordered_at)
VALUES ($1, $2, $3, COALESCE($4::timestamptz, clock_timestamp()))
ON CONFLICT (subject, name) DO UPDATE
SET body = excluded.body, ordered_at = excluded.ordered_at, sent_at = now(), resends = 0, confirmed_at = NULL
WHERE m.name IN ('{SetCap.name}', '{CancelRequested.name}') AND m.ordered_at < excluded.ordered_at
"""  # noqa: S608 - constants only
_IS_DUE = f"""
m.confirmed_at IS NULL
AND m.sent_at < now() - make_interval(secs => least({RESEND_S_MAX}, $1 * 2 ^ least(m.resends, {_DOUBLINGS_MAX})))
"""
_ANY_DUE = f"SELECT EXISTS (SELECT FROM unconfirmed_messages m WHERE {_IS_DUE})"  # noqa: S608 - constants only
# What needs no repeat: a cancel of what has ended, a deletion that was sent often enough, a request that has begun or
# never does.
_IS_SETTLED = f"""
CASE m.name
    WHEN '{CancelRequested.name}' THEN NOT EXISTS (SELECT FROM generations g WHERE g.id = m.subject AND g.rank < 9)
    WHEN '{GenerationDeleted.name}' THEN m.resends >= {UNANSWERED_RESENDS_MAX}
    WHEN '{GenerationRequested.name}'
    THEN m.resends >= {UNANSWERED_RESENDS_MAX}
         OR NOT EXISTS (SELECT FROM generations g WHERE g.id = m.subject AND g.rank = 0)
    ELSE false END
"""  # noqa: S608 - constants only
_FORGET = f"""
WITH done AS (
    SELECT subject, name FROM unconfirmed_messages m WHERE {_IS_DUE} AND {_IS_SETTLED}
    ORDER BY sent_at LIMIT {FORGOTTEN_MAX} FOR UPDATE SKIP LOCKED
)
DELETE FROM unconfirmed_messages m USING done WHERE m.subject = done.subject AND m.name = done.name
"""  # noqa: S608 - constants only
# After an outage there may be thousands of requests: they wait behind the orders of operators and clients.
_REPEAT = f"""
WITH due AS (
    SELECT subject, name FROM unconfirmed_messages m WHERE {_IS_DUE}
    ORDER BY name = '{GenerationRequested.name}', sent_at LIMIT {REPEATED_MAX} FOR UPDATE SKIP LOCKED
)
UPDATE unconfirmed_messages m SET sent_at = now(), resends = least(m.resends + 1, 1000) FROM due
WHERE m.subject = due.subject AND m.name = due.name RETURNING m.name, m.body
"""  # noqa: S608 - constants only
# A cap is as the latest command left it: an answer to an earlier one says nothing about that.
_CONFIRM = """
WITH heard AS (
    SELECT * FROM unnest($1::uuid[], $2::timestamptz[]) AS h(subject, ordered_at)
), known AS (
    SELECT m.subject, m.name, m.confirmed_at IS NULL AS is_open, m.resends > 0 AS is_repeated,
           m.name <> $4 OR h.ordered_at >= m.ordered_at AS is_of_latest
    FROM unconfirmed_messages m JOIN heard h USING (subject) WHERE m.name = ANY($3::text[])
    ORDER BY m.subject FOR UPDATE OF m
), confirmed AS (
    UPDATE unconfirmed_messages m SET confirmed_at = now() FROM known k
    WHERE m.subject = k.subject AND m.name = k.name AND k.is_open AND k.is_of_latest
)
SELECT subject, is_open FROM known WHERE is_repeated OR NOT is_open
"""
_IS_REQUEST_NOTED = """
SELECT EXISTS (SELECT FROM unconfirmed_messages WHERE subject = $1 AND name = $2 AND confirmed_at IS NULL)
"""
_NOTE_UNSENT = """
WITH unsent AS (
    SELECT o.name, (o.body::jsonb - 'reply_to')::text AS body FROM outbox o
    WHERE o.name = $2 AND (o.body::jsonb ->> 'generation_id')::uuid = $1
), noted AS (
    INSERT INTO unconfirmed_messages (subject, name, body) SELECT $1, name, body FROM unsent ON CONFLICT DO NOTHING
)
SELECT EXISTS (SELECT FROM unsent)
"""
_PRUNE = "DELETE FROM unconfirmed_messages WHERE confirmed_at < now() - make_interval(days => $1)"
_USED = (
    "SELECT key FROM files WHERE key = ANY($1::text[]) UNION SELECT upload_key FROM files WHERE upload_key = ANY($1)"
)


async def insert(connection: Connection, message: Sent) -> Sent:
    """Notes a message in the transaction that sends it; returns it as it is to be sent."""
    ordered_at: datetime | None = None
    if isinstance(message, SetCap):
        ordered_at = await connection.fetchval("SELECT clock_timestamp()")
        message = message.model_copy(update={"ordered_at": ordered_at})
    # The client of a repeated one has its answer long since.
    is_answered = "reply_to" in type(message).model_fields
    repeated = message.model_copy(update={"reply_to": None}) if is_answered else message
    body = repeated.model_dump_json(exclude_defaults=True)
    await connection.execute(_INSERT, message.subject, message.name, body, ordered_at)
    return message


async def is_request_noted(pool: Pool, generation_id: UUID) -> bool:
    """Whether the request of this generation is sent again until its saga has begun."""
    return bool(await pool.fetchval(_IS_REQUEST_NOTED, generation_id, GenerationRequested.name))


async def note_unsent_request(pool: Pool, generation_id: UUID) -> bool:
    """Notes the request of this generation, if it still waits in the outbox, to be sent again until its saga has begun;
    whether it does."""
    return bool(await pool.fetchval(_NOTE_UNSENT, generation_id, GenerationRequested.name))


async def is_any_due(pool: Pool, *, after_s: float) -> bool:
    """Whether there is one that is not known to have had its effect for that long since it was sent, doubled with each
    time."""
    return bool(await pool.fetchval(_ANY_DUE, after_s))


async def take_due(connection: Connection, *, after_s: float) -> list[Message]:
    """Some of these, to be sent again in this transaction; other processes pass them over."""
    await connection.execute(_FORGET, after_s)
    rows = await connection.fetch(_REPEAT, after_s)
    return [await _as_now(connection, REGISTRY[row["name"]].model_validate_json(row["body"])) for row in rows]


async def confirm(connection: Connection, outcomes: Collection[BillingOutcome]) -> Mapping[UUID, bool]:
    """Notes that billing has answered. By subject, where the answer does not say itself whether it is news: True for
    the first to arrive of several, False for each after it."""
    heard = {outcome.subject: getattr(outcome, "ordered_at", None) for outcome in outcomes}
    rows = await connection.fetch(_CONFIRM, list(heard), list(heard.values()), TO_BILLING, SetCap.name)
    return {row["subject"]: row["is_open"] for row in rows}


async def prune(pool: Pool) -> None:
    """Forgets what has long been confirmed."""
    await pool.execute(_PRUNE, CONFIRMED_KEPT_DAYS)


async def _as_now(connection: Connection, message: Message) -> Message:
    """Of a deletion without the inputs that something else is made of by now."""
    if not isinstance(message, GenerationDeleted) or not message.inputs:
        return message
    used = {row["key"] for row in await connection.fetch(_USED, list(message.inputs))}
    return message.model_copy(update={"inputs": tuple(key for key in message.inputs if key not in used)})

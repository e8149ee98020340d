"""Every error knows its fate.

    DeliveryError
    ├── Transient   again later, with growing delay, for ever
    └── Poison      never again: to the dead-letter queue with its reason

Beside this tree, ``is_outage`` tells the failures of our own infrastructure (database or network gone): the batch is
kept and tried again as it is. Anything else is a surprise: a few tries, then a dead letter.
"""

import asyncpg


class DeliveryError(Exception):
    """What a handler raises to decide over one message."""


class Transient(DeliveryError):
    """Cannot be done now; may be possible later."""


class Poison(DeliveryError):
    """Can never be done; the text is the reason the operator reads."""


OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection whose query was cut off in the middle says this of the rollback
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    # A pooler went on with another server: the statement is prepared anew.
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
)


def is_outage(error: BaseException) -> bool:
    """True when the whole transaction may simply be run again: nothing is wrong with the messages."""
    # A value that Postgres cannot hold is refused by asyncpg with an InterfaceError too, one that is also a ValueError.
    return isinstance(error, OUTAGES) and not isinstance(error, ValueError)

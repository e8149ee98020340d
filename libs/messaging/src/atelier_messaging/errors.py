"""Which errors are retried, and how.

    DeliveryError
    ├── Transient   retried with a growing delay, without end
    └── Poison      never retried: to the dead-letter queue with its reason

Beside this tree, ``is_outage`` recognises failures of our own infrastructure (database or network unavailable): the
batch is kept and retried as it is. Any other error is unexpected: a few retries, then a dead letter.
"""

import asyncpg


class DeliveryError(Exception):
    """Raised by a handler to decide the fate of one message."""


class Transient(DeliveryError):
    """The message cannot be handled now, perhaps later."""


class Poison(DeliveryError):
    """The message can never be handled; the text is the reason that the operator reads."""


OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection whose query was cut off in the middle raises this for the rollback
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

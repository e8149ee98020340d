"""Every error has a fate: the whole batch again, the message later, or never."""

import asyncpg
import pytest
from asyncpg.exceptions import _base as client_side

from atelier_messaging import Poison, Transient, is_outage, topology
from atelier_messaging.consumer import retry_step

SURPRISE = ZeroDivisionError("surprise")


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        ConnectionResetError(),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.ConnectionFailureError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress"),
        asyncpg.CannotConnectNowError(),
        asyncpg.AdminShutdownError(),
        asyncpg.CrashShutdownError(),
        asyncpg.QueryCanceledError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.DiskFullError(),
        asyncpg.OutOfMemoryError(),
        asyncpg.PostgresIOError(),
        asyncpg.ReadOnlySQLTransactionError(),
        asyncpg.SerializationError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.LockNotAvailableError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_trouble_of_our_own_infrastructure_is_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        Poison("never"),
        Transient("later"),
        SURPRISE,
        ValueError(),
        KeyError("x"),
        asyncpg.UniqueViolationError(),
        asyncpg.CheckViolationError(),
        asyncpg.ForeignKeyViolationError(),
        asyncpg.NumericValueOutOfRangeError(),
        asyncpg.UndefinedTableError(),
        asyncpg.InsufficientPrivilegeError(),
        client_side.DataError("value out of int64 range"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_trouble_with_one_message_is_none(error: Exception) -> None:
    assert not is_outage(error)


@pytest.mark.parametrize(
    ("attempt", "error", "rung"),
    [
        (0, SURPRISE, 0),
        (1, SURPRISE, 1),
        (2, SURPRISE, 2),
        (3, SURPRISE, None),
        (99, SURPRISE, None),
        (0, Transient("later"), 0),
        (2, Transient("later"), 2),
        (3, Transient("later"), 2),
        (99, Transient("later"), 2),
        (0, Poison("never"), None),
        (2, Poison("never"), None),
    ],
)
def test_a_surprise_climbs_three_rungs_a_transient_stays_and_poison_never_climbs(
    attempt: int, error: Exception, rung: int | None
) -> None:
    assert retry_step(attempt, error) == rung


def test_each_rung_waits_longer_than_the_one_before() -> None:
    assert list(topology.RETRY_DELAYS_S) == sorted(set(topology.RETRY_DELAYS_S))
    assert len({topology.retry_exchange(rung) for rung in range(len(topology.RETRY_DELAYS_S))}) == 3


def test_a_moved_message_leaves_the_history_of_its_deaths_behind() -> None:
    headers = {
        "cloudEvents:id": "1",
        "traceparent": "00-1",
        "x-atelier-attempt": 2,
        "CC": ["gateway.reply.1"],
        "x-death": [{"queue": "session.saga"}],
        "x-first-death-queue": "session.saga",
        "x-last-death-reason": "expired",
        "x-delivery-count": 3,
    }

    assert topology.portable_headers(headers) == {"cloudEvents:id": "1", "traceparent": "00-1", "x-atelier-attempt": 2}

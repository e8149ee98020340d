"""A log with a hole, or a checkpoint outside that is unreadable: nothing is signed, and the alert is raised."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from atelier_billing.proof.checkpoint_stores import CheckpointFile
from atelier_billing.proof.checkpoints import BadCheckpoint
from atelier_billing.proof.sequencer import LogSequencer
from atelier_telemetry import metrics

from .receipts import ORIGIN
from .test_log import Log, open_log

pytestmark = pytest.mark.stack


@pytest.fixture
async def log(postgres: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(postgres, tmp_path) as opened:
        yield opened


async def _delete_subtree(log: Log) -> None:
    await log.add_generations(100)
    await log.cheat("DELETE FROM log_subtrees")


async def _break_file(log: Log) -> None:
    log.file.write_bytes(b"\xff\xfe")


async def _replace_file_by_folder(log: Log) -> None:
    log.file.unlink()
    log.file.mkdir()


@pytest.mark.parametrize(
    "damage",
    [_delete_subtree, _break_file, _replace_file_by_folder],
    ids=["delete_subtree", "break_file", "replace_file_by_folder"],
)
async def test_a_lost_subtree_and_an_unreadable_checkpoint_outside_raise_the_alert_and_nothing_is_signed(
    log: Log, damage: Callable[[Log], Awaitable[None]]
) -> None:
    await log.add_generations(12)
    assert metrics.LOG_CONTRADICTED._value.get() == 0
    await damage(log)
    signed = await log.unit.pool.fetchval("SELECT count(*) FROM log_checkpoints")

    await log.add_generations(2)

    assert metrics.LOG_CONTRADICTED._value.get() == 1
    assert await log.unit.pool.fetchval("SELECT count(*) FROM log_checkpoints") == signed


async def test_a_lost_subtree_is_found_without_a_checkpoint_outside(log: Log) -> None:
    await log.add_generations(100)
    sequencer = LogSequencer(log.unit.pool, log.issuer, log.keys, ORIGIN)
    await log.cheat("DELETE FROM log_subtrees", "DELETE FROM log_checkpoints")

    await sequencer.run_once()

    assert metrics.LOG_CONTRADICTED._value.get() == 1
    assert await log.unit.pool.fetchval("SELECT count(*) FROM log_checkpoints") == 0


@pytest.mark.parametrize("damage", [_break_file, _replace_file_by_folder], ids=["break_file", "replace_file_by_folder"])
async def test_reading_an_unreadable_checkpoint_outside_says_why(
    log: Log, damage: Callable[[Log], Awaitable[None]]
) -> None:
    await log.add_generations(2)
    await damage(log)

    with pytest.raises(BadCheckpoint, match="it cannot be read"):
        await log.sequencer.read_outside()


async def test_a_restored_log_under_another_name_signs_its_size_again_and_contradicts_nothing(log: Log) -> None:
    await log.add_generations(3)
    old, size = log.file.read_text(), await log.unit.pool.fetchval("SELECT max(size) FROM log_checkpoints")
    log.file.unlink()
    renamed = LogSequencer(log.unit.pool, log.issuer, log.keys, f"{ORIGIN}/2", stores=[CheckpointFile(log.file)])

    await renamed.run_once()
    first = log.file.read_text()
    await renamed.run_once()

    assert (old.split("\n")[0], first.split("\n")[:2]) == (ORIGIN, [f"{ORIGIN}/2", str(size)])
    assert log.file.read_text() == first
    assert [checkpoint.size for checkpoint in await renamed.open_outside()] == [size]
    assert metrics.LOG_CONTRADICTED._value.get() == 0

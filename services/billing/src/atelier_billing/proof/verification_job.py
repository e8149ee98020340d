"""The verification of the log as a job: on a schedule, in slices that any billing process continues.

A slice takes a share of one core, so that the commands of customers are not delayed. What is altered behind the job is
found by the next one. Each has its result on record.
"""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from uuid_utils.compat import uuid7

from atelier_billing.proof.checkpoints import BadCheckpoint, Checkpoint
from atelier_billing.proof.log_verification import ENTRIES, NOT_ENTERED, VIOLATIONS_MAX, LogVerification, check_slice
from atelier_billing.proof.merkle import Accumulator
from atelier_billing.proof.sequencer import root_of
from atelier_billing.proof.signing_keys import PublicKey
from atelier_messaging.database import Connection, Pool
from atelier_telemetry import metrics

SLICE = 1_000
"""Entries: some ten milliseconds."""
SHARE = 0.2
"""Of one core, while a verification runs."""
LAST_S_MAX = 600.0
"""The last statement compares all that is on the books with all that is entered."""
ReadOutside = Callable[[], Awaitable[list[Checkpoint]]]
"""The checkpoints outside the database. Raises BadCheckpoint."""

_COLUMNS = "id, state, size, total, compared_size, violations, started_at, ended_at"
_START = """
INSERT INTO log_verifications (id, total, compared_size, compared_root, violations)
SELECT $1, (SELECT COALESCE(max(position) + 1, 0) FROM log_entries), $2, $3, $4
WHERE NOT EXISTS (SELECT FROM log_verifications WHERE $5 > 0 AND started_at > now() - make_interval(secs => $5))
ON CONFLICT DO NOTHING
"""
_RUNNING = f"SELECT {_COLUMNS} FROM log_verifications WHERE state = 'running'"  # noqa: S608 - constants only
_LATEST = f"""
SELECT {_COLUMNS} FROM log_verifications WHERE state <> 'running' ORDER BY started_at DESC LIMIT 1
"""  # noqa: S608 - constants only
_CLAIM = "SELECT * FROM log_verifications WHERE state = 'running' FOR UPDATE SKIP LOCKED"
_SAVE = """
UPDATE log_verifications SET size = $2, subtrees = $3, compared_root_found = COALESCE($4, compared_root_found),
       violations = $5, total = greatest(total, $2), state = $6,
       ended_at = CASE WHEN $6 <> 'running' THEN clock_timestamp() END
WHERE id = $1
"""
_IS_DUE = """
SELECT NOT EXISTS (
    SELECT FROM log_verifications WHERE state = 'running' OR started_at > now() - make_interval(secs => $1)
)
"""
_PRUNE = "DELETE FROM log_verifications WHERE state <> 'running' AND started_at < now() - interval '90 days'"


class LogVerificationJob:
    """Starts verifications and continues the one that is running."""

    def __init__(
        self, pool: Pool, keys: Iterable[PublicKey], read_outside: ReadOutside, *, every_s: float, share: float = SHARE
    ) -> None:
        """``every_s``: seconds from one to the next, 0 for none by itself."""
        self._pool = pool
        self._keys = {key.id: Ed25519PublicKey.from_public_bytes(key.raw) for key in keys}
        self._read_outside = read_outside
        self._every_s = every_s
        self._share = share

    async def start(self, *, every_s: float = 0.0) -> dict[str, Any]:
        """Starts one unless one is running, or began less than ``every_s`` seconds ago; the one that is running."""
        while True:
            outside, violations = None, []
            try:
                outside = max(await self._read_outside(), key=lambda each: each.size, default=None)
            except BadCheckpoint as error:
                violations = [f"the checkpoint outside: {error}"]
            values = (outside.size, outside.root) if outside else (None, None)
            await self._pool.execute(_START, uuid7(), *values, violations, every_s)
            if (row := await self._pool.fetchrow(_RUNNING)) is not None:
                return dict(row)
            if every_s:
                return {}

    async def work(self) -> None:
        """Starts one if it is due, and continues the running one to its end."""
        if self._every_s and await self._pool.fetchval(_IS_DUE, self._every_s):
            await self.start(every_s=self._every_s)
            await self._pool.execute(_PRUNE)
        began = time.monotonic()
        while await self._advance():
            took = time.monotonic() - began
            await asyncio.sleep(took * (1 / self._share - 1))
            began = time.monotonic()
        await self.observe()

    async def status(self) -> dict[str, Any]:
        """``{running, last}``: the verification that is running and the last one that ended, each null if none."""
        running, last = await self._pool.fetchrow(_RUNNING), await self._pool.fetchrow(_LATEST)
        return {"running": dict(running) if running else None, "last": dict(last) if last else None}

    async def observe(self) -> None:
        """Sets the gauges by what is on record."""
        last = await self._pool.fetchrow(_LATEST)
        if last is not None:
            metrics.LOG_VERIFICATION_FAILED.set(last["state"] == "failed")
            if last["state"] == "passed":
                metrics.LOG_VERIFIED_AT.set(last["ended_at"].timestamp())

    async def _advance(self) -> bool:
        """Checks one slice in a transaction; whether there are more. After a crash the slice alone is repeated."""
        async with self._pool.acquire() as connection, connection.transaction():
            if (row := await connection.fetchrow(_CLAIM)) is None:
                return False
            result = LogVerification(violations=list(row["violations"]))
            subtrees = [(level, base64.b64decode(hash_)) for level, hash_ in row["subtrees"]]
            tree = Accumulator.restored(row["size"], subtrees)
            entries = await connection.fetch(ENTRIES, tree.size, SLICE)
            await check_slice(connection, entries, self._keys, result)
            found = row["compared_root_found"]
            is_whole = len(entries) < SLICE
            for entry in entries:
                if entry["position"] != tree.size:
                    result.add(f"entry {tree.size}: it is missing")
                    is_whole = True
                    break
                tree.add(entry["leaf_hash"])
                if tree.size == row["compared_size"]:
                    found = tree.root()
            if is_whole:
                await _check_whole(connection, tree, row["compared_size"], row["compared_root"], found, result)
            state = "running" if not is_whole else "failed" if result.violations else "passed"
            await self._save(connection, row["id"], tree, found, result, state)
        metrics.LOG_VERIFICATION_PROGRESS.set(tree.size)
        return not is_whole

    async def _save(
        self,
        connection: Connection,
        id_: UUID,
        tree: Accumulator,
        found: bytes | None,
        result: LogVerification,
        state: str,
    ) -> None:
        subtrees = [[level, base64.b64encode(hash_).decode()] for level, hash_ in tree.complete]
        await connection.execute(_SAVE, id_, tree.size, subtrees, found, result.violations[:VIOLATIONS_MAX], state)


async def _check_whole(
    connection: Connection,
    tree: Accumulator,
    compared_size: int | None,
    compared_root: bytes | None,
    found: bytes | None,
    result: LogVerification,
) -> None:
    """What only the whole log shows: what was never entered, the stored subtrees, the checkpoint outside."""
    for row in await connection.fetch(NOT_ENTERED, timeout=LAST_S_MAX):
        result.add(f"{row['kind']} {row['id']}: it is on the books and was never entered in the log")
    try:
        if await root_of(connection, tree.size) != tree.root():
            result.add("the stored subtrees do not lead to the root of the entries")
    except KeyError as error:
        result.add(f"the stored subtree {error.args[0]} is missing")
    if compared_size is not None and compared_size > tree.size:
        result.add(f"the log has {tree.size} entries, the checkpoint outside signs {compared_size}")
    elif compared_size is not None and found != compared_root:
        result.add(f"the first {compared_size} entries are not those that the checkpoint outside signs")

"""The log's promises, on real Postgres: all that is posted or issued is entered, a change by a superuser is found."""

import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from atelier_billing.proof import log_proofs, log_store
from atelier_billing.proof.checkpoint_stores import CheckpointFile
from atelier_billing.proof.checkpoints import open_checkpoint
from atelier_billing.proof.internal_api import signed_json
from atelier_billing.proof.issuer import ReceiptIssuer
from atelier_billing.proof.log_proofs import NotInTree
from atelier_billing.proof.log_verification import LogVerification, verify_log
from atelier_billing.proof.merkle import leaf_hash
from atelier_billing.proof.receipt_packing import pack, unpack
from atelier_billing.proof.sequencer import LogSequencer
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_messaging import UnitOfWork, database, testing
from atelier_messaging.database import Connection, Pool
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher

from .conftest import MIGRATIONS
from .receipts import ORIGIN, capture, handle, new_keys, owner_with, refund, reserve, run_script

pytestmark = pytest.mark.stack


@dataclass
class Log:
    """A log in a database of its own, with its last checkpoint in a file."""

    unit: UnitOfWork
    superuser: Pool
    keys: SigningKeys
    issuer: ReceiptIssuer
    sequencer: LogSequencer
    file: Path

    async def add_generations(self, count: int) -> list[UUID]:
        """Half of them delivered, half failed; all entered and signed."""
        owner, ids = await owner_with(self.unit, 100_000), [uuid4() for _ in range(count)]
        await handle(self.unit, *(reserve(owner, id_) for id_ in ids))
        ends = [capture(owner, id_) if at % 2 else refund(owner, id_) for at, id_ in enumerate(ids)]
        await handle(self.unit, *ends)
        await self.sequencer.run_once()
        return ids

    async def verify(self) -> LogVerification:
        outside = open_checkpoint(self.file.read_text(), ORIGIN, self.keys.public)
        async with self.unit.pool.acquire() as connection:
            return await verify_log(connection, self.keys.public, outside)

    async def cheat(self, *statements: str) -> None:
        """As a superuser, past the triggers."""
        async with self.superuser.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                await connection.execute(statement)


@asynccontextmanager
async def open_log(postgres: str, folder: Path) -> AsyncIterator[Log]:
    """A log on a database of its own; its checkpoint lies in ``folder``."""
    async with testing.migrated_database(postgres, MIGRATIONS) as url:
        pool = await database.connect(url)
        superuser = await database.connect(urlsplit(postgres)._replace(path=urlsplit(url).path).geturl())
        unit = UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "billing")), "atelier/billing")
        keys, file = new_keys(), folder / "checkpoint.txt"
        issuer = ReceiptIssuer(pool, keys, ORIGIN)
        sequencer = LogSequencer(pool, issuer, keys, ORIGIN, stores=[CheckpointFile(file)])
        yield Log(unit, superuser, keys, issuer, sequencer, file)
        await superuser.close()
        await pool.close()


@pytest.fixture
async def log(postgres: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(postgres, tmp_path) as opened:
        yield opened


async def test_every_posting_and_every_receipt_is_entered_once(log: Log) -> None:
    await log.add_generations(10)
    await log.add_generations(6)

    verification = await log.verify()

    # Two grants; a reservation, a settlement and a receipt for each generation.
    assert (verification.ok, verification.size) == (True, 2 + 3 * 16), verification.violations
    assert await log.unit.pool.fetchval("SELECT count(*) FROM unlogged_entries") == 0


async def test_a_tree_of_many_batches_has_the_root_of_its_entries_and_few_stored_nodes(log: Log) -> None:
    for count in (1, 90, 3, 250, 40):
        await log.add_generations(count)

    verification = await log.verify()

    assert (verification.ok, verification.size) == (True, 5 + 3 * 384)
    assert await log.unit.pool.fetchval("SELECT count(*) FROM log_subtrees") == verification.size // 256


async def test_a_receipt_is_proved_by_the_script_to_stand_in_the_signed_log(log: Log, tmp_path: Path) -> None:
    ids = await log.add_generations(120)
    receipt = await log.issuer.find(ids[37])
    assert receipt
    proof = await log_proofs.prove_inclusion(log.unit.pool, receipt.id)
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    options = ("--proof", "proof.json", "--checkpoint", str(log.file))

    status, output = run_script(tmp_path, log.keys.jwks(), [signed_json(receipt)], *options)
    (tmp_path / "proof.json").write_text(json.dumps(proof | {"leaf_index": proof["leaf_index"] - 1}))
    wrong, words = run_script(tmp_path, log.keys.jwks(), [signed_json(receipt)], *options)

    assert (status, f"entry {proof['leaf_index']} of the 361 in the log" in output) == (0, True), output
    assert (wrong, "does not lead to the root" in words) == (1, True), words
    assert words.count("GENUINE") == words.count("NOT GENUINE") == 1, words


async def test_the_script_refuses_a_proof_for_more_than_one_receipt(log: Log, tmp_path: Path) -> None:
    receipts = [signed_json(receipt) for id_ in await log.add_generations(2) if (receipt := await log.issuer.find(id_))]
    (tmp_path / "proof.json").write_text("{}")
    options = ("--proof", "proof.json", "--checkpoint", str(log.file))

    status, output = run_script(tmp_path, log.keys.jwks(), receipts, *options)

    assert (status, "--proof belongs to one receipt, not to 2" in output) == (2, True), output


async def test_what_no_checkpoint_covers_has_no_proof_yet(log: Log) -> None:
    await log.add_generations(2)

    with pytest.raises(NotInTree):
        await log_proofs.prove_inclusion(log.unit.pool, uuid4())
    with pytest.raises(NotInTree, match="from 1 to 7"):
        await log_proofs.prove_consistency(log.unit.pool, 8)


async def _first(log: Log, sql: str) -> Any:
    return await log.unit.pool.fetchval(sql)


async def _alter_posting(log: Log) -> str:
    id_ = await _first(log, "SELECT id FROM postings WHERE kind = 'capture' ORDER BY id LIMIT 1")
    await log.cheat(f"UPDATE postings SET credits = credits + 1 WHERE id = '{id_}'")
    return f"posting {id_} is not as it was entered"


async def _alter_posting_and_its_entry(log: Log) -> str:
    await _alter_posting(log)
    async with log.superuser.acquire() as connection:
        rows = await connection.fetch("SELECT entry_id FROM log_entries WHERE kind = 'posting'")
        leaves = await log_store.leaves_of(connection, [("posting", row["entry_id"]) for row in rows])
    await log.cheat(
        *(
            f"UPDATE log_entries SET leaf_hash = '\\x{leaf_hash(leaf).hex()}' WHERE entry_id = '{id_}'"
            for (_, id_), leaf in leaves.items()
        )
    )
    return "are not those that the checkpoint outside signs"


async def _delete_posting(log: Log) -> str:
    id_ = await _first(log, "SELECT id FROM postings WHERE kind = 'refund' ORDER BY id LIMIT 1")
    await log.cheat(f"DELETE FROM postings WHERE id = '{id_}'")
    return f"posting {id_} is no longer on the books"


async def _smuggle_posting(log: Log) -> str:
    id_ = uuid4()
    await log.cheat(
        f"INSERT INTO postings SELECT '{id_}', kind, owner_id, grant_id, generation_id, debit, credit, credits "
        "FROM postings WHERE kind = 'grant' LIMIT 1"
    )
    return f"posting {id_}: it is on the books and was never entered"


async def _alter_receipt(log: Log) -> str:
    ((id_, stored),) = await log.unit.pool.fetch("SELECT id, packed FROM receipts ORDER BY id LIMIT 1")
    altered = pack(unpack(stored).replace(b"provider", b"Provider"))
    await log.cheat(f"UPDATE receipts SET packed = '\\x{altered.hex()}' WHERE id = '{id_}'")
    return f"receipt {id_} is not as it was entered"


async def _delete_entry_with_its_posting(log: Log) -> str:
    id_ = await _first(log, "SELECT entry_id FROM log_entries WHERE kind = 'posting' ORDER BY position DESC LIMIT 1")
    await log.cheat(f"DELETE FROM postings WHERE id = '{id_}'", f"DELETE FROM log_entries WHERE entry_id = '{id_}'")
    return "is missing"


async def _rebuild_tree(log: Log) -> str:
    """The books are changed and all of the log is made again from them, signed with the stolen key."""
    await log.cheat(
        "UPDATE postings SET credits = credits + 1 WHERE kind = 'grant'",
        *(f"DELETE FROM {table}" for table in ("log_entries", "log_subtrees", "log_checkpoints")),
        "INSERT INTO unlogged_entries SELECT id, 'posting' FROM postings",
        "INSERT INTO unlogged_entries SELECT id, 'receipt' FROM receipts",
    )
    await LogSequencer(log.unit.pool, log.issuer, log.keys, ORIGIN).run_once()
    return "are not those that the checkpoint outside signs"


async def _roll_back(log: Log) -> str:
    """The last entries and checkpoints are gone, as after a restore of an older backup."""
    await log.cheat(
        "DELETE FROM postings WHERE id IN (SELECT entry_id FROM log_entries WHERE position >= 20)",
        "DELETE FROM receipts WHERE id IN (SELECT entry_id FROM log_entries WHERE position >= 20)",
        "DELETE FROM log_entries WHERE position >= 20",
        "DELETE FROM log_checkpoints",
    )
    return "the log has 20 entries, the checkpoint outside signs"


async def _alter_subtree(log: Log) -> str:
    await log.add_generations(100)
    await log.cheat("UPDATE log_subtrees SET hash = sha256(hash)")
    return "the stored subtrees do not lead to the root"


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(tamper, id=tamper.__name__.strip("_"))
        for tamper in (
            _alter_posting,
            _alter_posting_and_its_entry,
            _delete_posting,
            _smuggle_posting,
            _alter_receipt,
            _delete_entry_with_its_posting,
            _rebuild_tree,
            _roll_back,
            _alter_subtree,
        )
    ],
)
async def test_what_a_superuser_changes_is_found_and_named(log: Log, tamper: Callable[[Log], Awaitable[str]]) -> None:
    await log.add_generations(12)
    assert (await log.verify()).ok

    named = await tamper(log)

    violations = (await log.verify()).violations
    assert any(named in violation for violation in violations), violations


@pytest.mark.parametrize("tamper", [_rebuild_tree, _roll_back], ids=["rebuild_tree", "roll_back"])
async def test_a_checkpoint_outside_that_the_log_does_not_continue_is_never_replaced(
    log: Log, tamper: Callable[[Log], Awaitable[str]]
) -> None:
    await log.add_generations(12)
    kept = log.file.read_text()
    await tamper(log)
    await log.cheat("DELETE FROM log_checkpoints")

    await log.add_generations(20)

    assert log.file.read_text() == kept
    assert await log.unit.pool.fetchval("SELECT count(*) FROM log_checkpoints") == 0


@pytest.mark.timeout(600)  # some 20 s alone; a busy machine took more than the usual two minutes
async def test_each_of_a_thousand_changes_of_one_credit_is_found_even_where_the_log_was_made_to_agree(log: Log) -> None:
    """Half of them change the entry's hash too, so that the tables agree: only the checkpoint outside knows better."""
    chance = random.Random(20260101)
    await log.add_generations(12)
    async with log.superuser.acquire() as connection:
        rows = await connection.fetch("SELECT id, credits FROM postings ORDER BY id")
        await connection.execute("SET session_replication_role = replica")
        found = [await _is_change_found(log, connection, chance, row) for row in chance.choices(rows, k=1_000)]
        await connection.execute("RESET session_replication_role")

    assert found == [True] * 1_000
    assert (await log.verify()).ok


async def _is_change_found(log: Log, connection: Connection, chance: random.Random, row: Any) -> bool:
    credits = row["credits"] + (1 if row["credits"] == 1 else chance.choice((-1, 1)))
    await connection.execute("UPDATE postings SET credits = $2 WHERE id = $1", row["id"], credits)
    kept = await connection.fetchval("SELECT leaf_hash FROM log_entries WHERE entry_id = $1", row["id"])
    is_hidden = chance.random() < 0.5
    if is_hidden:
        [leaf] = (await log_store.leaves_of(connection, [("posting", row["id"])])).values()
        await connection.execute(
            "UPDATE log_entries SET leaf_hash = $2 WHERE entry_id = $1", row["id"], leaf_hash(leaf)
        )
    violations = (await log.verify()).violations
    await connection.execute("UPDATE postings SET credits = $2 WHERE id = $1", row["id"], row["credits"])
    await connection.execute("UPDATE log_entries SET leaf_hash = $2 WHERE entry_id = $1", row["id"], kept)
    named = "checkpoint outside" if is_hidden else str(row["id"])
    return any(named in violation for violation in violations)

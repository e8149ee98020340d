"""A checkpoint's promises: a call proves what is new, proven rows cannot change, the full proof trusts nothing."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

import atelier_billing
from atelier_billing import checks, full_proof, handlers, ledger_bench
from atelier_billing.verification import LedgerVerification, advance_checkpoint, verify
from atelier_contracts import CaptureCredit, GrantCredit, Message, Owner, RefundCredit, ReserveCredit, Work, wrap
from atelier_messaging import Delivery, UnitOfWork, database, testing
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher

pytestmark = pytest.mark.stack
MIGRATIONS = Path(atelier_billing.__file__).parent / "migrations"


class Ledger:
    """Books of this test's own, and their owner, who can switch triggers off."""

    def __init__(self, unit: UnitOfWork, owner: "asyncpg.Connection[Any]") -> None:
        self.unit = unit
        self._owner = owner

    async def handle(self, *messages: Message) -> None:
        deliveries = [Delivery(wrap(message, source="test")) for message in messages]
        async with self.unit.once("billing.commands", deliveries, dispatch=False) as tx:
            await handlers.handle_commands(tx)

    async def generation(self, owner: Owner, *, settled: bool = True) -> UUID:
        id_ = uuid4()
        await self.handle(ReserveCredit(generation_id=id_, owner=owner, work=Work(kind="try_on", n=1)))
        if settled:
            await self.handle(CaptureCredit(generation_id=id_, delivered=1))
        return id_

    async def tamper(self, statement: str, *arguments: object) -> None:
        """As who may do anything to the database would."""
        async with self._owner.transaction():
            await self._owner.execute("SET LOCAL session_replication_role = replica")
            await self._owner.execute(statement, *arguments)

    async def verdict(self) -> LedgerVerification:
        async with self.unit.pool.acquire() as connection:
            return await verify(connection)

    async def proof(self) -> dict[str, Any]:
        started = await full_proof.start(self.unit.pool)
        await full_proof.continue_proof(self.unit.pool)
        found = await full_proof.find(self.unit.pool, started["id"])
        assert found is not None
        return found


@asynccontextmanager
async def ledger_on(postgres: str) -> AsyncIterator[Ledger]:
    async with testing.migrated_database(postgres, MIGRATIONS) as url:
        pool = await database.connect(url)
        owner = await asyncpg.connect(urlsplit(postgres)._replace(path=urlsplit(url).path).geturl())
        outbox = Outbox(pool, Publisher("amqp://nowhere.invalid/", "billing"))
        yield Ledger(UnitOfWork(pool, outbox, "atelier/billing"), owner)
        await owner.close()
        await pool.close()


@pytest.fixture
async def ledger(postgres: str) -> AsyncIterator[Ledger]:
    async with ledger_on(postgres) as made:
        yield made


@pytest.fixture
async def store(ledger: Ledger) -> Owner:
    owner = Owner(kind="store", id=uuid4())
    await ledger.handle(GrantCredit(grant_id=uuid4(), owner=owner, credits=100, reason="test"))
    return owner


async def test_the_checkpoint_covers_everything_and_verify_then_looks_at_nothing_old(
    ledger: Ledger, store: Owner
) -> None:
    await ledger.generation(store)
    before = await ledger.verdict()

    moved = await advance_checkpoint(ledger.unit)

    assert (before.entries, before.unproven, moved) == (3, 3, 3)
    assert await ledger.verdict() == LedgerVerification(1, 3, [], 0)


async def test_a_hold_that_is_settled_after_its_checkpoint_is_proven_again(ledger: Ledger, store: Owner) -> None:
    generation = await ledger.generation(store, settled=False)
    await advance_checkpoint(ledger.unit)
    await ledger.handle(RefundCredit(generation_id=generation))
    await ledger.tamper("UPDATE holds SET state = 'captured', captured = 1, refunded = 0 WHERE true")

    verdict = await ledger.verdict()

    assert [line for line in verdict.violations if f"generation {generation}: captured" in line]


async def test_corruption_of_what_is_new_is_found_by_every_call_and_stays_before_the_checkpoint(
    ledger: Ledger, store: Owner
) -> None:
    wrong, right = await ledger.generation(store), await ledger.generation(store)
    await ledger.tamper("UPDATE postings SET credits = 7 WHERE kind = 'capture' AND generation_id = $1", wrong)

    moved = await advance_checkpoint(ledger.unit)

    assert moved == 3
    for verdict in (await ledger.verdict(), await ledger.verdict()):
        assert [line for line in verdict.violations if f"generation {wrong}" in line]
        assert not [line for line in verdict.violations if f"generation {right}" in line]


async def test_a_charge_that_names_no_generation_is_found_by_every_call_and_holds_up_nothing_else(
    ledger: Ledger, store: Owner
) -> None:
    wrong, _right = await ledger.generation(store), await ledger.generation(store)
    await ledger.tamper("UPDATE postings SET generation_id = NULL WHERE generation_id = $1", wrong)

    moved = await advance_checkpoint(ledger.unit)

    assert moved == 3
    for verdict in (await ledger.verdict(), await ledger.verdict()):
        assert [line for line in verdict.violations if "(capture)" in line and "has no hold" in line]


async def test_a_hold_that_another_owner_paid_for_is_found(ledger: Ledger, store: Owner) -> None:
    generation, other = await ledger.generation(store), Owner(kind="store", id=uuid4())
    await ledger.handle(GrantCredit(grant_id=uuid4(), owner=other, credits=100, reason="test"))
    await ledger.tamper("UPDATE holds SET owner_id = $2 WHERE generation_id = $1", generation, other.id)

    verdict = await ledger.verdict()

    assert [line for line in verdict.violations if f"generation {generation}" in line and "2 of them" in line]


async def test_a_balance_that_no_posting_explains_is_found_however_old_the_account(
    ledger: Ledger, store: Owner
) -> None:
    await ledger.generation(store)
    await advance_checkpoint(ledger.unit)
    await ledger.tamper("UPDATE accounts SET available = available + 5, granted = granted - 5 WHERE true")

    verdict = await ledger.verdict()

    assert [line for line in verdict.violations if "account available: balance 104, postings say 99" in line]


async def test_a_posting_that_is_forged_past_the_triggers_does_not_move_the_checkpoint(
    ledger: Ledger, store: Owner
) -> None:
    await advance_checkpoint(ledger.unit)
    forged = "SELECT gen_random_uuid(), kind, owner_id, grant_id, debit, credit, credits FROM postings"
    await ledger.tamper(f"INSERT INTO postings (id, kind, owner_id, grant_id, debit, credit, credits) {forged}")

    proof = await ledger.proof()

    assert proof["state"] == "failed"
    assert [line for line in proof["violations"] if "the checkpoint covers 1 postings, 2 are there" in line]


@pytest.mark.parametrize(
    ("corruption", "named"),
    [
        ("UPDATE postings SET credits = 2 WHERE kind = 'capture'", "account captured: balance 1, postings say 2"),
        ("DELETE FROM postings WHERE kind = 'capture'", "the checkpoint covers 4 postings, 3 are there"),
        ("DELETE FROM holds", "has no hold"),
        ("UPDATE grants SET credits = 1000", "given 1000, left 99; postings say 100, 99"),
        ("UPDATE grants SET remaining = CASE priority WHEN 0 THEN 100 ELSE 6 END", "left 100; postings say 100, 99"),
        ("UPDATE holds SET owner_id = gen_random_uuid()", "2 of them of another owner"),
        ("UPDATE holds SET unit_credits = 2, captured = 2", "captured, held 2, captured 2, refunded 0; postings say 1"),
    ],
)
async def test_the_full_proof_finds_corruption_of_rows_that_were_proven_long_ago(
    ledger: Ledger, store: Owner, corruption: str, named: str
) -> None:
    await ledger.generation(store)
    more = GrantCredit(grant_id=uuid4(), owner=store, credits=7, priority=1, reason="test")
    await ledger.handle(more)
    await advance_checkpoint(ledger.unit)
    assert (await ledger.proof())["state"] == "passed"
    await ledger.tamper(corruption)

    proof = await ledger.proof()

    assert proof["state"] == "failed"
    assert [line for line in proof["violations"] if named in line], proof["violations"]


@pytest.mark.parametrize(
    "change",
    ["UPDATE holds SET captured = 0, refunded = 1, state = 'refunded'", "DELETE FROM holds"],
)
async def test_a_settled_hold_cannot_be_changed_and_none_can_be_removed(
    ledger: Ledger, store: Owner, change: str
) -> None:
    await ledger.generation(store)

    with pytest.raises(asyncpg.PostgresError, match=r"a settled hold is final|permission denied"):
        await ledger.unit.pool.execute(change)


async def test_a_full_proof_goes_in_slices_and_shows_how_far_it_is(
    ledger: Ledger, store: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_proof, "SLICE_ROWS", 2)
    for _ in range(3):
        await ledger.generation(store)
    started = await full_proof.start(ledger.unit.pool)

    seen = []
    while await full_proof._slice(ledger.unit.pool):
        proof = await full_proof.find(ledger.unit.pool, started["id"])
        assert proof is not None
        seen.append((proof["state"], proof["checked"], proof["total"]))
    done = await full_proof.latest(ledger.unit.pool)

    assert done is not None
    assert {state for state, _, _ in seen} == {"running"}
    assert [checked for _, checked, _ in seen] == sorted({checked for _, checked, _ in seen})
    assert (done["state"], done["checked"], done["total"], done["entries"]) == ("passed", 17, 17, 7)


async def test_a_second_order_answers_the_proof_that_is_running(ledger: Ledger) -> None:
    first = await full_proof.start(ledger.unit.pool)
    again = await full_proof.start(ledger.unit.pool)
    await full_proof.continue_proof(ledger.unit.pool)
    next_one = await full_proof.start(ledger.unit.pool)

    assert first["id"] == again["id"] != next_one["id"]


async def test_verify_reads_by_what_is_new_and_not_by_what_is_there(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_bench, "SINCE_CHECKPOINT", 10)
    monkeypatch.setattr(ledger_bench, "OWNERS", 50)
    async with testing.migrated_database(postgres, MIGRATIONS) as url:
        costs = await ledger_bench.measure(postgres, url, [4_000, 20_000])
        pool = await database.connect(url)
        plan = json.loads(await pool.fetchval(f"EXPLAIN (FORMAT JSON) {checks.BALANCES_SINCE_CHECKPOINT}"))
        await pool.close()

    assert [cost.ok for cost in costs] == [True, True]
    assert {node for node, table in _scans(plan[0]["Plan"]) if table == "postings"} == {"Index Scan"}


def _scans(plan: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    yield plan["Node Type"], plan.get("Relation Name")
    for part in plan.get("Plans", ()):
        yield from _scans(part)

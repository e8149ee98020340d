"""A statement's promises: all postings of a period and nothing else, balances that they lead between, every receipt."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_billing import statement_store
from atelier_billing.proof.signing_keys import SigningKeys
from atelier_billing.statement_api import statement_router
from atelier_billing.statements import StatementContradicted, StatementWriter
from atelier_billing.usage import Period
from atelier_contracts import Owner

from .receipts import new_keys
from .statements import (
    ALWAYS,
    fetch_closed_lines,
    lines_of,
    owner_with,
    raise_balances,
    sign_again,
    use,
    verify,
    writer_on,
)
from .test_proofs import Ledger, ledger_on

pytestmark = pytest.mark.stack
GENERATIONS = 12


@pytest.fixture
async def ledger(postgres: str) -> AsyncIterator[Ledger]:
    async with ledger_on(postgres) as opened:
        yield opened


@pytest.fixture
def keys() -> SigningKeys:
    return new_keys()


@pytest.fixture
def writer(ledger: Ledger, keys: SigningKeys) -> StatementWriter:
    return writer_on(ledger, keys)


async def test_a_statement_has_every_posting_and_receipt_and_is_genuine(
    ledger: Ledger, writer: StatementWriter, keys: SigningKeys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_store, "PAGE_ROWS", 5)
    owner, other = await owner_with(ledger), await owner_with(ledger)
    for number in range(GENERATIONS):
        await use(ledger, owner, number)
    await use(ledger, other, 3)

    lines = await fetch_closed_lines(ledger, writer, owner)
    status, output = verify(tmp_path, keys, lines)

    assert status == 0, output
    values = [json.loads(line) for line in lines]
    posted = await ledger.unit.pool.fetch("SELECT id FROM postings WHERE owner_id = $1 ORDER BY id", owner.id)
    assert [v["id"] for v in values if v.get("type") == "atelier.posting.v1"] == [str(row["id"]) for row in posted]
    ended = await ledger.unit.pool.fetch(
        "SELECT generation_id FROM holds WHERE owner_id = $1 AND state <> 'open'", owner.id
    )
    receipts = [value["receipt"] for value in values if "receipt" in value]
    assert {receipt["generation_id"] for receipt in receipts} == {str(row["generation_id"]) for row in ended}
    assert len(receipts) == len(ended)
    balance = await ledger.unit.pool.fetchrow("SELECT * FROM accounts WHERE owner_id = $1", owner.id)
    assert balance is not None
    closing = values[-1]["statement"]["closing"]
    assert {name: closing[name] for name in ("available", "held", "captured")} == {
        name: balance[name] for name in ("available", "held", "captured")
    }
    assert values[0]["opening"] == dict.fromkeys(closing, 0)
    assert f"{len(ended)} genuine receipts" in output


async def test_a_month_begins_where_the_one_before_ends(
    ledger: Ledger, writer: StatementWriter, keys: SigningKeys, tmp_path: Path
) -> None:
    owner = await owner_with(ledger)
    for number in range(GENERATIONS):
        await use(ledger, owner, number)
    moments = await ledger.unit.pool.fetch("SELECT posted_at FROM postings WHERE owner_id = $1 ORDER BY 1", owner.id)
    at = [row["posted_at"] for row in moments]
    cut = at[len(at) // 2]
    await fetch_closed_lines(ledger, writer, owner)  # nothing more is posted before now

    first = await lines_of(writer, owner, Period(at[0] - timedelta(days=1), cut))
    second = await lines_of(writer, owner, Period(cut, at[-1] + timedelta(microseconds=1)))
    status, output = verify(tmp_path, keys, first, second)
    head = json.loads(second[0])
    forged = sign_again(keys, raise_balances(second))
    other_status, other_output = verify(tmp_path, keys, first, forged)

    assert status == 0, output
    assert json.loads(first[-1])["statement"]["closing"] == head["opening"]
    assert (json.loads(first[0])["complete"], head["complete"]) == (True, True)
    assert other_status == 1
    assert "does not begin where the one before ends" in other_output


async def test_what_is_under_way_is_not_in_the_statement_and_not_missing_from_it(
    ledger: Ledger, writer: StatementWriter
) -> None:
    owner = await owner_with(ledger)
    pool = ledger.unit.pool
    async with pool.acquire() as connection, connection.transaction():
        began = await connection.fetchval("SELECT now()")
        for _ in range(100):
            opened = await writer.open(owner, ALWAYS)
            if opened is not None and opened.period.until == began:
                break
            await asyncio.sleep(0.05)

        assert opened is not None
        assert (opened.period.until, opened.is_over) == (began, False)


async def test_books_whose_postings_do_not_lead_to_the_balance_are_not_signed(
    ledger: Ledger, writer: StatementWriter
) -> None:
    owner = await owner_with(ledger)
    await use(ledger, owner, 3)
    await fetch_closed_lines(ledger, writer, owner)
    opened = await writer.open(owner, ALWAYS)
    assert opened is not None
    await ledger.tamper("UPDATE postings SET credits = credits + 1 WHERE kind = 'capture'")

    with pytest.raises(StatementContradicted):
        _ = [chunk async for chunk in writer.write(opened)]


async def test_an_account_without_postings_has_an_empty_statement_and_the_future_none(
    writer: StatementWriter, keys: SigningKeys, tmp_path: Path
) -> None:
    nobody = Owner(kind="user", id=uuid4())
    future = Period(datetime(2099, 1, 1, tzinfo=UTC), datetime(2099, 2, 1, tzinfo=UTC))

    status, output = verify(tmp_path, keys, await lines_of(writer, nobody))

    assert status == 0, output
    assert "0 genuine receipts" in output
    assert await writer.open(nobody, future) is None


async def test_the_internal_route_sends_lines_to_who_has_the_token(ledger: Ledger, writer: StatementWriter) -> None:
    owner, app = await owner_with(ledger), FastAPI()
    app.include_router(statement_router(writer, SecretStr("token")))
    path = f"/internal/accounts/store/{owner.id}/statement"
    past = {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z"}
    future = {"since": "2099-11-01T00:00:00Z", "until": "2099-12-01T00:00:00Z"}
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://billing") as http:
        answer = await http.get(path, params=past, headers=headers)

        assert answer.headers["content-type"] == "application/jsonl"
        assert [json.loads(line).get("type") for line in answer.text.splitlines()] == ["atelier.statement.v1", None]
        assert (await http.get(path, params=past)).status_code == 401
        assert (await http.get(path, params=future, headers=headers)).status_code == 404


async def test_a_reader_keeps_no_connection_while_its_client_is_slow(ledger: Ledger, writer: StatementWriter) -> None:
    owner = await owner_with(ledger)
    pool = ledger.unit.pool
    opened = await writer.open(owner, ALWAYS)
    assert opened is not None
    chunks = writer.write(opened)
    await anext(chunks)

    assert pool.get_idle_size() == pool.get_size()

"""Usage equals the postings to the credit: however it is grouped, whatever is done to a charge, and while it runs."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import chain, combinations, pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.usage import AMOUNTS, DIMENSIONS, Period, UsageReader
from atelier_billing.usage_api import usage_router
from atelier_contracts import (
    CaptureCredit,
    GenerationEnd,
    GrantCredit,
    Kind,
    Owner,
    RefundCredit,
    ReserveCredit,
    ReturnCredit,
    Spender,
    Work,
    wrap,
)
from atelier_messaging import Delivery

from .test_proofs import Ledger, ledger_on

pytestmark = pytest.mark.stack

KINDS: tuple[Kind, ...] = ("try_on", "on_model", "product_shot")
MODELS = ("gpt-image-2", "gemini-3-pro-image", None)
KEYS = (UUID(int=7), UUID(int=8), None)
CUSTOMERS, STEPS, DAYS = 6, 12, 40
ALWAYS = Period(datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
POSTED = {"reserved": "reserve", "captured": "capture", "refunded": "refund", "returned": "return"}


@pytest.fixture
async def ledger(postgres: str) -> AsyncIterator[Ledger]:
    async with ledger_on(postgres) as opened:
        yield opened


@pytest.fixture
def reader(ledger: Ledger) -> UsageReader:
    return UsageReader(ledger.unit.pool)


async def owner_with(ledger: Ledger, credits: int = 1_000) -> Owner:
    owner = Owner(kind="store", id=uuid4())
    for share in (credits // 2, credits - credits // 2):  # two grants: holds are taken from both
        await ledger.handle(GrantCredit(grant_id=uuid4(), owner=owner, credits=share, reason="test"))
    return owner


def end_of(owner: Owner, kind: Kind, model: str | None, *, good: bool) -> GenerationEnd:
    outcome: Any = "succeeded" if good else "failed"
    return GenerationEnd(owner=owner, kind=kind, outcome=outcome, provider="p" if model else None, model=model)


async def use(ledger: Ledger, owner: Owner, chance: random.Random) -> None:
    """One generation: left open, refunded, captured in full or in part, and perhaps returned, in one or two parts."""
    id_, n, kind, model = uuid4(), chance.randint(1, 4), chance.choice(KINDS), chance.choice(MODELS)
    spenders = tuple(Spender(kind="key", id=key) for key in (chance.choice(KEYS),) if key)
    await ledger.handle(ReserveCredit(generation_id=id_, owner=owner, work=Work(kind=kind, n=n), spenders=spenders))
    match chance.randrange(6):
        case 0:
            return
        case 1:
            await ledger.handle(RefundCredit(generation_id=id_, end=end_of(owner, kind, model, good=False)))
            return
    delivered = chance.randint(1, n)
    done = CaptureCredit(generation_id=id_, delivered=delivered, end=end_of(owner, kind, model, good=True))
    await ledger.handle(done, done)
    if chance.randrange(3) == 0:
        parts = [1, None] if delivered > 1 else [None]
        for part in parts:
            await give_back(ledger, id_, part)


async def give_back(ledger: Ledger, generation: UUID, credits: int | None) -> None:
    command = ReturnCredit(correction_id=uuid4(), generation_id=generation, credits=credits, reason="broken")
    delivery = Delivery(wrap(command, source="test"))
    async with ledger.unit.once("billing.corrections", [delivery], dispatch=False) as tx:
        await handle_corrections(tx)


async def postings_of(ledger: Ledger, owner: Owner | None) -> list[dict[str, Any]]:
    sql = "SELECT kind, credits, generation_id, posted_at FROM postings WHERE generation_id IS NOT NULL"
    rows = await ledger.unit.pool.fetch(f"{sql} AND ($1::uuid IS NULL OR owner_id = $1)", owner and owner.id)
    return [dict(row) for row in rows]


def posted(postings: Sequence[dict[str, Any]]) -> Counter[str]:
    """What the postings come to, as usage names it."""
    sums = Counter({name: sum(p["credits"] for p in postings if p["kind"] == kind) for name, kind in POSTED.items()})
    sums["generations"] = len({p["generation_id"] for p in postings if p["kind"] == "reserve"})
    return sums


def total(rows: Sequence[dict[str, Any]]) -> Counter[str]:
    return Counter({name: sum(row[name] for row in rows) for name in AMOUNTS})


async def spread(ledger: Ledger, chance: random.Random) -> None:
    """Moves the postings over many days, as if time had passed between them."""
    rows = await ledger.unit.pool.fetch("SELECT id, posted_at FROM postings WHERE generation_id IS NOT NULL")
    moments = [row["posted_at"] - timedelta(seconds=chance.randrange(DAYS * 86_400)) for row in rows]
    ids = [UUID(int=int(at.timestamp() * 1_000) << 80 | 7 << 76 | 2 << 62 | chance.getrandbits(60)) for at in moments]
    await ledger.tamper(
        "UPDATE postings p SET id = m.moved, posted_at = m.at "
        "FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS m(id, moved, at) WHERE p.id = m.id",
        *([row["id"] for row in rows], ids, moments),
    )


@pytest.mark.parametrize("seed", range(3))
async def test_sums_equal_the_postings_however_they_are_grouped_and_parted(
    ledger: Ledger, reader: UsageReader, seed: int
) -> None:
    owners = [await owner_with(ledger) for _ in range(2)]
    chances = [random.Random(f"{seed} {number}") for number in range(CUSTOMERS)]

    async def customer(number: int) -> None:
        for _ in range(STEPS):
            await use(ledger, owners[number % 2], chances[number])

    working = asyncio.gather(*(customer(number) for number in range(CUSTOMERS)))
    seen = Counter[str]()
    while not working.done():
        now = total(await reader.sums(ALWAYS, DIMENSIONS, owner=owners[0]))
        assert all(now[name] >= seen[name] for name in AMOUNTS)
        seen = now
    await working
    await spread(ledger, chances[0])

    for owner in (*owners, None):
        postings = await postings_of(ledger, owner)
        for by in chain.from_iterable(combinations(DIMENSIONS, size) for size in range(len(DIMENSIONS) + 1)):
            assert total(await reader.sums(ALWAYS, by, owner=owner)) == posted(postings), by
        cuts = sorted(chance_of(postings, chances[1]))
        edges = [ALWAYS.since, *cuts, ALWAYS.until]
        for since, until in pairwise(edges):
            inside = [p for p in postings if since <= p["posted_at"] < until]
            assert total(await reader.sums(Period(since, until), (), owner=owner)) == posted(inside)


def chance_of(postings: Sequence[dict[str, Any]], chance: random.Random) -> list[datetime]:
    """Moments at which a period is cut: right at some postings, and at a midnight."""
    at = [p["posted_at"] for p in chance.sample(list(postings), 3)]
    return [*at, at[0].astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)]


async def test_each_key_has_the_sum_of_its_own_postings_and_what_no_key_created_is_told_apart(
    ledger: Ledger, reader: UsageReader
) -> None:
    owner, chance = await owner_with(ledger), random.Random("keys")
    for _ in range(STEPS * 2):
        await use(ledger, owner, chance)
    keys = await ledger.unit.pool.fetch("SELECT generation_id, key_id FROM holds")
    key_of = {row["generation_id"]: row["key_id"] for row in keys}
    postings = await postings_of(ledger, owner)

    rows = await reader.sums(ALWAYS, ("key",), owner=owner)

    assert [row["key"] for row in rows] == [None, *KEYS[:2]]
    for row in rows:
        assert total([row]) == posted([p for p in postings if key_of[p["generation_id"]] == row["key"]])


async def test_a_member_of_a_workspace_is_no_key_and_a_hold_from_before_has_an_unknown_one(
    ledger: Ledger, reader: UsageReader
) -> None:
    owner = await owner_with(ledger)
    member, key = Spender(kind="user", id=uuid4()), Spender(kind="key", id=uuid4())
    for spender in (member, key):
        reserve = ReserveCredit(generation_id=uuid4(), owner=owner, work=Work(kind="try_on", n=1), spenders=(spender,))
        await ledger.handle(reserve)
    known = await reader.sums(ALWAYS, ("key",), owner=owner)
    await ledger.tamper("UPDATE holds SET key_id = NULL")

    (unknown,) = await reader.sums(ALWAYS, ("key",), owner=owner)

    assert [(row["key"], row["generations"]) for row in known] == [(None, 1), (key.id, 1)]
    assert (unknown["key"], unknown["generations"]) == (None, 2)


async def test_days_are_of_utc_and_of_the_posting(ledger: Ledger, reader: UsageReader) -> None:
    owner, id_ = await owner_with(ledger), uuid4()
    await ledger.handle(ReserveCredit(generation_id=id_, owner=owner, work=Work(kind="try_on", n=2)))
    await ledger.handle(CaptureCredit(generation_id=id_, delivered=1, end=end_of(owner, "try_on", "m", good=True)))
    await give_back(ledger, id_, None)
    moments = {
        "reserve": "2026-11-29 23:59:59.9+00",
        "capture": "2026-11-30 00:00:00+00",
        "refund": "2026-11-30 00:00:00+00",
    }
    for kind, at in moments.items():
        moment = datetime.fromisoformat(at)
        await ledger.tamper("UPDATE postings SET posted_at = $2 WHERE kind = $1", kind, moment)
    await ledger.tamper("UPDATE postings SET posted_at = '2026-12-01 00:30:00+02' WHERE kind = 'return'")
    noon = f"{int(datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp() * 1_000):012x}"
    prefix = f"{noon[:8]}-{noon[8:]}"
    await ledger.tamper(
        "UPDATE postings SET id = ($1 || right(id::text, 23))::uuid WHERE generation_id IS NOT NULL", prefix
    )
    november = Period(datetime(2026, 11, 28, tzinfo=UTC), datetime(2026, 12, 2, tzinfo=UTC))

    rows = await reader.sums(november, ("day", "kind", "model"), owner=owner)

    assert [(row["day"], *(row[name] for name in AMOUNTS)) for row in rows] == [
        (date(2026, 11, 29), 1, 2, 0, 0, 0),
        (date(2026, 11, 30), 0, 0, 1, 1, 1),
    ]
    assert {(row["kind"], row["model"]) for row in rows} == {("try_on", "m")}


async def test_a_hold_from_before_is_told_by_its_receipt(ledger: Ledger, reader: UsageReader) -> None:
    owner, id_ = await owner_with(ledger), uuid4()
    await ledger.handle(ReserveCredit(generation_id=id_, owner=owner, work=Work(kind="try_on", n=1)))
    await ledger.handle(CaptureCredit(generation_id=id_, delivered=1))
    await ledger.tamper("UPDATE holds SET kind = NULL, provider = NULL, model = NULL")
    body = '{"kind":"try_on","provider":"openai","model":"gpt-image-2"}'
    await ledger.tamper(
        "INSERT INTO receipts (id, generation_id, number, body, key_id, signature) VALUES ($1, $2, 1, $3, 'k', '')",
        uuid4(),
        id_,
        body,
    )

    (row,) = await reader.sums(ALWAYS, ("kind", "provider", "model"), owner=owner)

    assert (row["kind"], row["provider"], row["model"]) == ("try_on", "openai", "gpt-image-2")


async def test_one_owner_never_sees_another(ledger: Ledger, reader: UsageReader) -> None:
    one, other = await owner_with(ledger), await owner_with(ledger)
    await ledger.generation(one)

    assert total(await reader.sums(ALWAYS, ("day",), owner=other)) == Counter()
    assert await reader.sums(ALWAYS, ("day",), owner=Owner(kind="user", id=one.id)) == []


@pytest.fixture
async def internal(reader: UsageReader) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(usage_router(reader, SecretStr("token")))
    transport, headers = httpx.ASGITransport(app=app), {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://billing", headers=headers) as http:
        yield http


async def test_charges_are_what_is_left_after_returns(ledger: Ledger, internal: httpx.AsyncClient) -> None:
    owner = await owner_with(ledger)
    charged, returned, unsettled = (
        await ledger.generation(owner),
        await ledger.generation(owner),
        await ledger.generation(owner, settled=False),
    )
    await give_back(ledger, returned, None)
    ids = [str(id_) for id_ in (charged, returned, unsettled, uuid4())]

    found = (await internal.post("/internal/charges", json={"ids": ids})).json()["charges"]

    assert {(row["generation_id"], row["state"], row["charged"]) for row in found} == {
        (ids[0], "captured", 1),
        (ids[1], "captured", 0),
        (ids[2], "open", 0),
    }


@pytest.mark.parametrize("by", ["day,owner", "generation_id", "day;kind"])
async def test_what_cannot_be_grouped_by_is_refused(internal: httpx.AsyncClient, by: str) -> None:
    period = {"since": "2026-11-01T00:00:00Z", "until": "2026-12-01T00:00:00Z"}

    assert (await internal.get("/internal/usage", params=period | {"by": by})).status_code == 422
    assert (await internal.get("/internal/usage", params=period | {"by": "day,kind"})).json() == {"sums": []}

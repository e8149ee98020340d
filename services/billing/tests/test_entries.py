"""The statement of an account, as billing answers it to the gateway."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_billing.handlers import handle_commands
from atelier_billing.internal_api import ENTRIES_MAX, internal_router
from atelier_contracts import CaptureCredit, GrantCredit, Message, Owner, ReserveCredit, wrap
from atelier_contracts import Work as Wanted
from atelier_messaging import Delivery, UnitOfWork
from atelier_telemetry.operations import is_nothing_there

pytestmark = pytest.mark.stack


@pytest.fixture
async def internal(unit: UnitOfWork) -> AsyncIterator[httpx.AsyncClient]:
    """Billing's internal HTTP."""
    app = FastAPI()
    app.include_router(internal_router(unit.pool, SecretStr("token")))
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://b", headers=headers) as client:
        yield client


async def hear(unit: UnitOfWork, *messages: Message) -> None:
    for message in messages:
        async with unit.once("billing.commands", [Delivery(wrap(message, source="test"))]) as tx:
            await handle_commands(tx)


async def charge_one(unit: UnitOfWork) -> tuple[Owner, UUID]:
    """An owner who was given 50 credits, of which one generation took 3."""
    owner, generation = Owner(kind="store", id=uuid4()), uuid4()
    await hear(
        unit,
        GrantCredit(grant_id=uuid4(), owner=owner, credits=50, reason="test"),
        ReserveCredit(generation_id=generation, owner=owner, work=Wanted(kind="image", size="256x256")),
        CaptureCredit(generation_id=generation, delivered=1),
    )
    return owner, generation


async def test_the_newest_posting_comes_first_and_names_its_generation(
    unit: UnitOfWork, internal: httpx.AsyncClient
) -> None:
    owner, generation = await charge_one(unit)

    told = (await internal.get(f"/internal/accounts/store/{owner.id}/entries?limit=10")).json()["entries"]

    assert [(entry["kind"], entry["credits"]) for entry in told] == [("capture", 3), ("reserve", 3), ("grant", 50)]
    assert [entry["generation_id"] for entry in told] == [str(generation), str(generation), None]


async def test_a_page_goes_on_where_the_last_one_ended(unit: UnitOfWork, internal: httpx.AsyncClient) -> None:
    owner, _ = await charge_one(unit)
    path = f"/internal/accounts/store/{owner.id}/entries?limit=2"

    first = (await internal.get(path)).json()["entries"]
    second = (await internal.get(f"{path}&before={first[-1]['id']}")).json()["entries"]

    assert [entry["kind"] for entry in [*first, *second]] == ["capture", "reserve", "grant"]


async def test_an_account_is_shown_only_under_its_own_kind(unit: UnitOfWork, internal: httpx.AsyncClient) -> None:
    owner, _ = await charge_one(unit)

    assert (await internal.get(f"/internal/accounts/user/{owner.id}/entries?limit=2")).json() == {"entries": []}
    for limit in (0, ENTRIES_MAX + 1):
        assert (await internal.get(f"/internal/accounts/store/{owner.id}/entries?limit={limit}")).status_code == 422


async def test_that_there_is_no_hold_is_said_by_billing_itself_and_not_only_by_the_status(
    internal: httpx.AsyncClient,
) -> None:
    absent = await internal.get(f"/internal/holds/{uuid4()}")
    elsewhere = await internal.get(f"/internal/hold/{uuid4()}")

    assert (absent.status_code, is_nothing_there(absent.headers)) == (404, True)
    assert (elsewhere.status_code, is_nothing_there(elsewhere.headers)) == (404, False)

"""Orders about one cap that arrive late or twice: the latest counts, whatever comes after it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from atelier_billing import cap_store
from atelier_billing.cap_handlers import handle_caps
from atelier_contracts import CapSet, Owner, SetCap, Spender, cap_id_of, wrap
from atelier_messaging import Delivery

from .test_caps_on_postgres import KEY, store_with
from .test_proofs import Ledger, ledger_on

pytestmark = pytest.mark.stack
AT = datetime(2026, 1, 1, tzinfo=UTC)
LATER = AT + timedelta(microseconds=1)


@pytest.fixture
async def ledger(postgres: str) -> AsyncIterator[Ledger]:
    async with ledger_on(postgres) as opened:
        yield opened


@pytest.fixture
async def store(ledger: Ledger) -> Owner:
    return await store_with(ledger, 1_000)


async def order(
    ledger: Ledger, owner: Owner, credits: int | None, ordered_at: datetime | None, spender: Spender = KEY
) -> CapSet:
    """Hands it to billing; the reply."""
    id_ = cap_id_of(owner, spender, "day")
    command = SetCap(cap_id=id_, owner=owner, spender=spender, period="day", credits=credits, ordered_at=ordered_at)
    async with ledger.unit.once("billing.caps", [Delivery(wrap(command, source="test"))], dispatch=False) as tx:
        await handle_caps(tx)
    (reply,) = (envelope.message for envelope in tx.emitted)
    assert isinstance(reply, CapSet)
    return reply


async def limits(ledger: Ledger, owner: Owner) -> list[int]:
    return [cap.credits for cap in await cap_store.list_for_owner(ledger.unit.pool, owner, after=None, limit=9)]


@pytest.mark.parametrize("latest", [200, None], ids=["set", "removed"])
async def test_an_order_that_arrives_after_a_later_one_changes_nothing_and_is_answered_with_the_cap_as_it_is(
    ledger: Ledger, store: Owner, latest: int | None
) -> None:
    await order(ledger, store, latest, LATER)

    late = await order(ledger, store, 100, AT)

    assert (late.cap and late.cap.credits, late.ordered_at) == (latest, LATER)
    assert await limits(ledger, store) == ([latest] if latest else [])


async def test_an_order_that_arrives_twice_sets_the_same_and_is_answered_again(ledger: Ledger, store: Owner) -> None:
    replies = [await order(ledger, store, 100, AT) for _ in range(2)]

    assert replies[0] == replies[1]
    assert await limits(ledger, store) == [100]


async def test_an_order_of_the_version_before_which_has_no_time_is_carried_out(ledger: Ledger, store: Owner) -> None:
    await order(ledger, store, 200, LATER)

    reply = await order(ledger, store, 100, None)

    assert (await limits(ledger, store), reply.ordered_at) == ([100], None)

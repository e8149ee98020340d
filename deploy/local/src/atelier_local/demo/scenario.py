"""What the demo shows, in three acts: one honest charge, a failure that costs nothing, and no credits, no work.

Each act checks what it shows; the first thing that is not as promised ends the demo with a ``Broken``.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from atelier_local import formatting
from atelier_local.api_client.api_models import Balance, Store
from atelier_local.api_client.client import AdminClient, AtelierError, Client, Refused, new_traceparent
from atelier_local.connection import Access
from atelier_local.demo import try_on_flow
from atelier_local.demo.pictures import Picture
from atelier_local.demo.try_on_flow import Broken, Inputs

GRANTED = 10
PRICE = 1
FAILURE = "outcome=fail, delay_ms=700"
"""Slow enough that the hold can be seen before it goes back."""


@dataclass(frozen=True, slots=True)
class Shop:
    """A store on the stage: who it is, how it speaks, what it uploaded."""

    store: Store
    client: Client
    admin: AdminClient
    inputs: Inputs

    async def balance(self) -> Balance:
        """Its account now."""
        return await self.admin.balance("store", self.store.id)


@dataclass(frozen=True, slots=True)
class Shown:
    """What the demo leaves behind: the generation and the trace to look at."""

    generation: str
    trace_id: str


async def perform(to: Access, photos: tuple[Picture, Picture], folder: Path, console: Console) -> Shown:
    """All three acts and the books. Raises AtelierError at the first broken promise."""
    async with AdminClient(to.operations_url, to.admin_token) as admin:
        store = await admin.create_store("Demo boutique")
        async with Client(to.url, store.api_key) as client:
            await admin.grant("store", store.id, GRANTED, reason="the demo")
            inputs = await try_on_flow.upload(client, *photos)
            console.print(formatting.labelled("store", f"{store.name} {store.id}"))
            console.print(formatting.labelled("person", str(photos[0])))
            console.print(formatting.labelled("garment", str(photos[1])))
            shop = Shop(store, client, admin, inputs)
            shown = await _one_honest_charge(shop, folder, console)
            await _a_failure_costs_nothing(shop, console)
        await _no_credits_no_work(to, admin, photos, console)
        await _books(admin, console)
    return shown


async def _one_honest_charge(shop: Shop, folder: Path, console: Console) -> Shown:
    _act(console, "A shopper of the store requests a virtual try-on")
    before = await shop.balance()
    console.print(formatting.labelled("before", formatting.balance(before)))
    trace_id, traceparent = new_traceparent()
    *_, done = [state async for state in try_on_flow.try_on(shop.client, shop.inputs, console, traceparent=traceparent)]
    generation, path, picture = await try_on_flow.fetch(shop.client, done, folder)
    after = await shop.balance()
    console.print(formatting.labelled("after", formatting.balance(after)))
    console.print(formatting.labelled("receipt", f"for {generation.id}"))
    console.print(formatting.receipt(await shop.client.receipt(generation.id)))
    console.print(formatting.labelled("picture", f"{_short(path)}", "bold"))
    console.print(formatting.labelled("", f"{picture.facts}, with the checksum on record"))
    expected = before.model_copy(update={"available": before.available - PRICE, "captured": before.captured + PRICE})
    _promised(after == expected, f"The try-on should have cost {formatting.credits(PRICE)}", after, generation.id)
    return Shown(generation.id, trace_id)


async def _a_failure_costs_nothing(shop: Shop, console: Console) -> None:
    _act(console, "The promise: a render that fails costs nothing")
    before = await shop.balance()
    console.print(formatting.labelled("before", formatting.balance(before)))
    async for state in try_on_flow.try_on(shop.client, shop.inputs, console, simulate=FAILURE):
        if state.status == "queued":
            console.print(formatting.labelled("meanwhile", formatting.balance(await shop.balance())))
    after = await shop.balance()
    console.print(formatting.labelled("after", formatting.balance(after)))
    if state.status != "failed":
        raise Broken(f"The render was told to fail, but the try-on ended as {state.status}.", state.session_id)
    _promised(after == before, "The failed try-on should have cost nothing", after, state.session_id)


async def _no_credits_no_work(
    to: Access, admin: AdminClient, photos: tuple[Picture, Picture], console: Console
) -> None:
    _act(console, "No credits, no work")
    store = await admin.create_store("Empty boutique")
    async with Client(to.url, store.api_key) as client:
        inputs = await try_on_flow.upload(client, *photos)
        try:
            created = await client.try_on([inputs.person, inputs.garment])
        except Refused as refused:
            if refused.status != 402:
                raise
            console.print(formatting.labelled("refused", f"{refused.status} {refused.code}: {refused.detail}"))
        else:
            raise Broken("A store without credits was served.", created.session_id)
    account = await admin.balance("store", store.id)
    console.print(formatting.labelled("balance", formatting.balance(account)))
    if any(account.model_dump().values()):
        raise AtelierError(f"The refused request moved credits of the store {store.id}.")


async def _books(admin: AdminClient, console: Console) -> None:
    _act(console, "The books")
    verdict = await admin.verify_ledger()
    console.print(formatting.books(verdict))
    if not verdict.ok:
        raise AtelierError("The ledger does not balance.")


def _promised(kept: bool, what: str, found: Balance, generation: str) -> None:
    if not kept:
        raise Broken(f"{what}, but the balance is {formatting.balance(found)}.", generation)


def _act(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", "bold"))


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

"""What the demo shows: a charge, a failure that costs nothing, and a refusal without credits.

Each step checks what it shows; the first broken promise ends the demo with a ``BrokenPromise``.
"""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from atelier_local import terminal_text
from atelier_local.api_client.api_models import Balance, Store
from atelier_local.api_client.client import AdminClient, Client, RequestRefused, new_traceparent
from atelier_local.connection import Connection
from atelier_local.demo import try_on_flow
from atelier_local.demo.pictures import Picture
from atelier_local.demo.try_on_flow import Inputs
from atelier_local.errors import AtelierError, BrokenPromise

GRANTED = 10
PRICE = 1
FAILURE = "outcome=fail, delay_ms=700"
"""Slow enough that the hold can be seen before it goes back."""


@dataclass(frozen=True, slots=True)
class DemoStore:
    """A demo store: its record, its clients, its uploads."""

    store: Store
    client: Client
    admin: AdminClient
    inputs: Inputs

    async def balance(self) -> Balance:
        """Its account now."""
        return await self.admin.balance("store", self.store.id)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo leaves behind: the generation and the trace to look at, and the key of the store."""

    generation: str
    trace_id: str
    api_key: str


async def run_scenario(to: Connection, photos: tuple[Picture, Picture], folder: Path, console: Console) -> DemoResult:
    """Runs all three steps and verifies the ledger. Raises AtelierError at the first broken promise."""
    async with AdminClient(to.operations_url, to.admin_token) as admin:
        store = await admin.create_store("Demo boutique")
        async with Client(to.url, store.api_key) as client:
            await admin.grant("store", store.id, GRANTED, reason="the demo")
            inputs = await try_on_flow.upload(client, *photos)
            console.print(terminal_text.field_line("store", f"{store.name} {store.id}"))
            console.print(terminal_text.field_line("person", str(photos[0])))
            console.print(terminal_text.field_line("garment", str(photos[1])))
            boutique = DemoStore(store, client, admin, inputs)
            shown = await _show_charge(boutique, folder, console)
            await _show_free_failure(boutique, console)
        await _show_refusal(to, admin, photos, console)
        await _show_ledger(admin, console)
    return shown


async def _show_charge(boutique: DemoStore, folder: Path, console: Console) -> DemoResult:
    _print_heading(console, "A shopper of the store requests a virtual try-on")
    before = await boutique.balance()
    console.print(terminal_text.field_line("before", terminal_text.balance(before)))
    trace_id, traceparent = new_traceparent()
    *_, done = [
        state async for state in try_on_flow.try_on(boutique.client, boutique.inputs, console, traceparent=traceparent)
    ]
    generation, path, picture = await try_on_flow.fetch(boutique.client, done, folder)
    after = await boutique.balance()
    console.print(terminal_text.field_line("after", terminal_text.balance(after)))
    console.print(terminal_text.field_line("receipt", f"for {generation.id}"))
    console.print(terminal_text.receipt(await boutique.client.receipt(generation.id)))
    console.print(terminal_text.field_line("picture", f"{short(path)}", "bold"))
    console.print(terminal_text.field_line("", f"{picture.facts}, with the checksum on record"))
    expected = before.model_copy(update={"available": before.available - PRICE, "captured": before.captured + PRICE})
    _check_balance(
        after == expected, f"The try-on should have cost {terminal_text.credits(PRICE)}", after, generation.id
    )
    return DemoResult(generation.id, trace_id, boutique.store.api_key)


async def _show_free_failure(boutique: DemoStore, console: Console) -> None:
    _print_heading(console, "The promise: a render that fails costs nothing")
    before = await boutique.balance()
    console.print(terminal_text.field_line("before", terminal_text.balance(before)))
    async for state in try_on_flow.try_on(boutique.client, boutique.inputs, console, simulate=FAILURE):
        if state.status == "queued":
            console.print(terminal_text.field_line("between", terminal_text.balance(await boutique.balance())))
    after = await boutique.balance()
    console.print(terminal_text.field_line("after", terminal_text.balance(after)))
    if state.status != "failed":
        raise BrokenPromise(f"The render should have failed, but the try-on ended as {state.status}.", state.session_id)
    _check_balance(after == before, "The failed try-on should have cost nothing", after, state.session_id)


async def _show_refusal(to: Connection, admin: AdminClient, photos: tuple[Picture, Picture], console: Console) -> None:
    _print_heading(console, "No credits, no work")
    store = await admin.create_store("Empty boutique")
    async with Client(to.url, store.api_key) as client:
        inputs = await try_on_flow.upload(client, *photos)
        try:
            created = await client.try_on([inputs.person, inputs.garment])
        except RequestRefused as error:
            if error.status != 402:
                raise
            console.print(terminal_text.field_line("refused", f"{error.status} {error.code}: {error.detail}"))
        else:
            raise BrokenPromise("A store without credits was served.", created.session_id)
    account = await admin.balance("store", store.id)
    console.print(terminal_text.field_line("balance", terminal_text.balance(account)))
    if any(account.model_dump().values()):
        raise AtelierError(f"The refused request moved credits of the store {store.id}.")


async def _show_ledger(admin: AdminClient, console: Console) -> None:
    _print_heading(console, "The books")
    verdict = await admin.verify_ledger()
    console.print(terminal_text.ledger_line(verdict))
    if not verdict.ok:
        raise AtelierError("The ledger does not balance.")


def _check_balance(kept: bool, what: str, found: Balance, generation: str) -> None:
    if not kept:
        raise BrokenPromise(f"{what}, but the balance is {terminal_text.balance(found)}.", generation)


def _print_heading(console: Console, title: str) -> None:
    console.print(Text(f"\n{title}", "bold"))


def short(path: Path) -> str:
    """As a person in this folder would write it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)

"""A backup under load, the loss of everything, and a restore into a new stack: what was accepted before the cut has
ended once, the books, the log and the records agree, and no end lacks its webhook.

No fault of the deck, whose invariants hold across the whole run: a restored installation has forgotten what it promised
after the cut. So this has a load and questions of its own.
"""

import asyncio
import json
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner, Result

from atelier_billing.full_proof import prove
from atelier_local.backup.installation import find_installation
from atelier_local.backup.manifest import Manifest
from atelier_local.backup.sealed_keys import Sealing
from atelier_local.backup.writer import draft_of, write_backup
from atelier_local.cli import app
from atelier_local.launcher.profile import SERVICES
from atelier_local.launcher.stack import Stack
from chaos import delivery, proof, reconciliation
from chaos.evidence import Evidence
from chaos.load import Account, Load, id_of, open_accounts
from chaos.run import find_moving
from whole_system.subscriber import rebuild_balances
from whole_system.waits import NotYet, eventually
from whole_system.webhook_receiver import Receiver, open_receiver
from whole_system.world import World

PASSPHRASE = "four databases, one cut"
SETTLED = 60
"""Requests that are answered before the cut."""
PILE_S = 1.0
"""How long render, and then billing, is frozen just before the cut: it falls among sagas that wait for them, and their
queues hold messages that are lost with the broker."""
REST_S_MAX = 120.0
WEBHOOKS_S_MAX = 30.0
ENDS = {"succeeded", "failed", "cancelled", "expired", "rejected"}
WEBHOOK_ENDS = {f"generation.{end}" for end in ENDS}

Say = Callable[[str], None]


@dataclass(frozen=True)
class Saved:
    """What is known of the first installation when it is gone."""

    folder: Path
    manifest: Manifest
    accepted: frozenset[str]
    """Generations that clients had been promised before the backup began."""
    receipts: dict[str, dict[str, Any]]
    """Of some of them, as their owner read them, by generation."""
    checkpoint: Path
    """The last checkpoint outside, as it was when everything was lost."""


async def run(world: World, say: Say, *, seed: int = 7, clients: int = 8, workers: int = 8) -> list[str]:
    """Does it all on the stack of this world, which is killed, and on a new one; answers what is wrong."""
    name = f"{world.stack.name}-restored"
    folder = Path(tempfile.mkdtemp(prefix="atelier-backup-"))
    restored = Stack(name, root=world.stack.root, only=world.stack.plan.only, env=world.stack.plan.extra)
    try:
        async with open_receiver() as receiver:
            load = Load(world, seed, await open_accounts(world, clients), slow=False)
            await _watch_ends(world, load.accounts[0], receiver)
            saved = await _save_under_load(world, load, folder, workers, say)
            await asyncio.to_thread(_lose, world.stack)
            await _restore(saved, name, say)
            await asyncio.to_thread(restored.up)
            async with World.of(restored) as second:
                load.world = second
                states = await _states_at_the_cut(second, saved.manifest)
                say(f"at the cut: {states}")
                wrong = [] if states.keys() - ENDS else ["nothing was under way at the cut"]
                return wrong + [line async for line in _find_wrong(second, load, saved, receiver, say)]
    finally:
        await asyncio.to_thread(restored.clean)
        shutil.rmtree(folder, ignore_errors=True)


async def run_command(*words: str) -> Result:
    """``atelier`` with these words and the passphrase of these backups."""
    environment = {"ATELIER_BACKUP_PASSPHRASE": PASSPHRASE, "PROFILE": None, "COLUMNS": "400"}
    return await asyncio.to_thread(CliRunner().invoke, app, [*words], env=environment)


async def _watch_ends(world: World, account: Account, receiver: Receiver) -> None:
    async with httpx.AsyncClient(base_url=world.url, headers=account.headers, trust_env=False) as http:
        made = await http.post("/v1/webhooks", json={"url": f"{receiver.url}/ends"})
        made.raise_for_status()


async def _save_under_load(world: World, load: Load, folder: Path, workers: int, say: Say) -> Saved:
    stop, began = asyncio.Event(), time.monotonic()
    clients = asyncio.create_task(load.run(workers, stop))
    try:

        async def enough() -> bool | NotYet:
            settled = sum(request.is_settled for request in load.requests)
            return True if settled >= SETTLED else NotYet(f"{settled} requests settled")

        await eventually(enough, within_s=REST_S_MAX)
        receipts = await _read_receipts(world, load)
        installation = await asyncio.to_thread(find_installation, world.stack.name)
        for service in ("render", "billing"):
            accepted = frozenset(_promised(load))
            world.stack.kill(service, signal.SIGSTOP)
            await asyncio.sleep(PILE_S)
            world.stack.kill(service, signal.SIGCONT)
        with draft_of(folder / "saved") as draft:
            manifest = await write_backup(installation, draft, Sealing(PASSPHRASE), {}, copy_objects=True)
    finally:
        clients.cancel()  # in mid-request: what they were sent is known by their replies
        with suppress(asyncio.CancelledError):
            await clients
    checkpoint = folder / "checkpoint.txt"
    shutil.copy(world.stack.home / "checkpoint.txt", checkpoint)
    say(
        f"{len(load.requests)} requests in {time.monotonic() - began:.0f} s, {len(accepted)} accepted before the "
        f"backup and {len(set(_promised(load)) - accepted)} later; commits held back for {manifest.pause_ms} ms"
    )
    return Saved(folder / "saved", manifest, accepted, receipts, checkpoint)


def _promised(load: Load) -> Iterator[str]:
    for request in load.requests:
        if request.acceptances:
            yield id_of(request, request.acceptances[0])


async def _read_receipts(world: World, load: Load, count: int = 5) -> dict[str, dict[str, Any]]:
    """Of some that have ended, by generation."""
    receipts: dict[str, dict[str, Any]] = {}
    async with httpx.AsyncClient(base_url=world.url, trust_env=False, timeout=30) as http:
        for request in load.requests:
            if request.acceptances and len(receipts) < count:
                id_ = id_of(request, request.acceptances[0])
                answer = await http.get(f"/v1/generations/{id_}/receipt", headers=load.accounts[request.client].headers)
                if answer.is_success and "signed" in answer.json():
                    receipts[id_] = answer.json()["signed"]
    return receipts


def _lose(stack: Stack) -> None:
    """Everything, at once: no process ends in order, no file stays."""
    for part in (*SERVICES, "rabbitmq", "postgres", "objectstore"):
        stack.kill(part, signal.SIGKILL)
    stack.clean()


async def _restore(saved: Saved, name: str, say: Say) -> None:
    """First as an operator would try, who is refused where the log would fork; then under another name of the log."""
    words = ["restore", str(saved.folder), "--checkpoint", str(saved.checkpoint), "--profile", name]
    result = await run_command(*words)
    size = int(saved.checkpoint.read_text().split("\n")[1])
    if size > saved.manifest.log.size:
        assert result.exit_code == 1, result.output
        assert f"log rolled back to size {saved.manifest.log.size}; " in result.output, result.output
        result = await run_command(*words, "--log-origin", f"{saved.manifest.log.origin}/2")
    assert result.exit_code == 0, result.output
    say(next(line for line in result.output.splitlines() if line.split()[0] == "log").strip())
    result = await run_command(*words)
    assert (result.exit_code, "exists already" in result.output) == (1, True), result.output


_AT_THE_CUT = """
SELECT state_to, count(*) FROM (
    SELECT DISTINCT ON (generation_id) state_to FROM saga_log WHERE at <= $1 ORDER BY generation_id, id DESC
) AS last GROUP BY 1
"""


async def _states_at_the_cut(world: World, manifest: Manifest) -> dict[str, int]:
    rows = await world.databases["session"].fetch(_AT_THE_CUT, datetime.fromisoformat(manifest.cut_at))
    return dict(Counter({row["state_to"]: row["count"] for row in rows}).most_common())


async def _find_wrong(world: World, load: Load, saved: Saved, receiver: Receiver, say: Say) -> Any:
    began, moving = time.monotonic(), [""]
    while moving and time.monotonic() - began < REST_S_MAX:
        await asyncio.sleep(0.5)
        moving = await find_moving(load)
    say(f"at rest {time.monotonic() - began:.0f} s after the start" if not moving else "never at rest")
    for line in moving:
        yield f"at rest: {line}"
    known = await Evidence.gather(world, load)
    for line in (*_accepted(known, saved), *await _receipts(world, load, saved)):
        yield line
    async with world.databases["billing"].acquire() as connection:
        for line in (await prove(connection)).violations:
            yield f"the books: {line}"
    for name, checked, lines in (
        await proof.verify_log(world),
        # What was withdrawn between the cut and the copy of its object is missing until it is withdrawn again.
        await reconciliation.reconcile(world, known.sagas, resolved=False),
        await _events(world),
    ):
        say(f"{name}: {checked}")
        for line in lines:
            yield f"{name}: {line}"
    for queue, letters in (await delivery.read_dead_letters(world)).items():
        for letter in letters:
            yield f"{queue}: {letter.name} about {letter.subject} is dead: {letter.reason}"
    for line in await _webhooks(known, load.accounts[0], receiver, say):
        yield line


def _accepted(known: Evidence, saved: Saved) -> Iterator[str]:
    """Each has ended, once, and is charged if it succeeded and refunded if not."""
    for id_ in sorted(saved.accepted):
        saga, shown, hold = known.sagas.get(id_), known.projected.get(id_), known.holds.get(id_)
        if shown is None:
            yield f"{id_} was accepted before the cut and its owner is shown nothing"
        elif saga is None:
            if shown["state"] not in ENDS - {"succeeded"}:
                yield f"{id_} was accepted before the cut, no saga knows it, and it is shown as {shown['state']}"
        elif saga["state"] not in ENDS or shown["state"] != saga["state"]:
            yield f"{id_} was accepted before the cut, is {saga['state']} and shown as {shown['state']}"
        elif (saga["state"] == "succeeded") != bool(hold and hold["captured"]):
            yield f"{id_} is {saga['state']} and its hold {dict(hold) if hold else None}"


async def _receipts(world: World, load: Load, saved: Saved) -> list[str]:
    """Those of before the cut are the same, and genuine by the keys that are published now."""
    owners = {id_of(request, reply): request for request in load.requests for reply in request.acceptances}
    lines = [] if saved.receipts else ["no receipt was read before the cut"]
    async with httpx.AsyncClient(base_url=world.url, trust_env=False, timeout=30) as http:
        for id_, signed in saved.receipts.items():
            headers = load.accounts[owners[id_].client].headers
            answer = await http.get(f"/v1/generations/{id_}/receipt", headers=headers)
            if not answer.is_success or answer.json()["signed"] != signed:
                lines.append(f"the receipt of {id_} is not the one of before the cut: {answer.text[:200]}")
        keys = (await http.get("/.well-known/jwks.json")).text
    said = await asyncio.to_thread(proof.run_script, keys, [json.dumps(each) for each in saved.receipts.values()])
    if said.splitlines()[-1:] != [f"{len(saved.receipts)} of {len(saved.receipts)} receipts are genuine"]:
        lines.append(f"receipts of before the cut: {said[-300:]}")
    return lines


async def _events(world: World) -> tuple[str, str, list[str]]:
    accounts, wrong = await rebuild_balances(world)
    return "public events rebuild every balance", f"{accounts.events} events", wrong


async def _webhooks(known: Evidence, account: Account, receiver: Receiver, say: Say) -> Sequence[str]:
    """Each end of the account that has an endpoint came there."""
    ended = {
        id_ for id_, shown in known.projected.items() if id_ in known.sagas and known.sagas[id_]["owner"] == account.id
    }

    def lacking() -> set[str]:
        bodies = [json.loads(body) for _, _, body in receiver.got]
        return ended - {body["data"]["id"] for body in bodies if body["type"] in WEBHOOK_ENDS}

    async def all_received() -> bool | NotYet:
        return True if not lacking() else NotYet(sorted(lacking()))

    with suppress(TimeoutError):
        await eventually(all_received, within_s=WEBHOOKS_S_MAX)
    say(f"webhooks: {len(ended)} ends of one account, {len(receiver.got)} received")
    return [f"{id_} has ended as {known.projected[id_]['state']} and no webhook said so" for id_ in sorted(lacking())]

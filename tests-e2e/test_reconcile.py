"""Reconciliation on a running system: each drift is injected with full rights on a database or on the store, and
found by its name; repairs go by the services' own commands. Its system is its own: here books are broken."""

import io
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from atelier_local.api_client.operations_client import OperationsClient
from atelier_local.launcher.stack import Stack
from whole_system.own_stack import own_stack
from whole_system.reconcile_site import Site, Tamper, cut_object, in_database, remove_object, run_command
from whole_system.waits import eventually
from whole_system.world import World

SETTINGS = {
    # Runs start when a test says so, and look at what changed a moment ago.
    **{f"ATELIER_RECONCILE_{name}EVERY_S": "0" for name in ("", "FULL_", "BYTES_")},
    "ATELIER_RECONCILE_SETTLE_S": "0.2",
    "ATELIER_TRACE_RATIO": "0.01",
    "RATE_LIMIT_ENABLED": "false",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A system of this file's own."""
    with own_stack("reconcile", SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    """It, as a test sees it."""
    async with World.of(stack) as opened:
        yield opened


@pytest.fixture(autouse=True)
async def books_balance() -> None:
    """Here they do not."""


@pytest.fixture(scope="module")
async def site(world: World) -> AsyncIterator[Site]:
    made = await world.admin.create_store("Picture boutique")
    await world.admin.grant("store", made.id, 10_000, reason="test")
    known = world.stack.environment()
    async with (
        httpx.AsyncClient(
            base_url=world.url, headers={"X-API-Key": made.api_key}, timeout=60, trust_env=False
        ) as shopper,
        OperationsClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as admin,
    ):
        yield Site(world, shopper, admin)


HELD_AGAIN = """
UPDATE holds SET state = 'open', captured = 0, refunded = 0, settled_at = NULL WHERE generation_id = $1
"""
UNSETTLED = "DELETE FROM postings WHERE generation_id = $1 AND kind IN ('capture', 'refund')"
COPIED = """
INSERT INTO postings (id, kind, owner_id, grant_id, generation_id, debit, credit, credits)
SELECT gen_random_uuid(), kind, owner_id, grant_id, generation_id, debit, credit, credits
FROM postings WHERE generation_id = $1 AND kind = 'capture'
"""
USAGE = """
INSERT INTO submissions (id, generation_id, attempt, provider, key, state, outcome, ended_at)
VALUES (gen_random_uuid(), $1, 1, 'openai', 'key', 'ended', 'succeeded', now())
"""
METERED = """INSERT INTO submissions (id, generation_id, attempt, provider, key, state, outcome, ended_at, model, usage)
VALUES (gen_random_uuid(), $1, 1, 'openai', 'key', 'ended', 'succeeded', now(), 'gpt-image-2', {usage})"""
FEWER = """'{"calls": 1, "answers": 1, "reported": true}'"""
DRIFTS: dict[str, tuple[str, str, tuple[Tamper, ...], str]] = {
    "posting altered": (
        "posting_altered",
        "succeed",
        (in_database("billing", "UPDATE postings SET credits = 3 WHERE generation_id = $1 AND kind = 'capture'"),),
        "recent",
    ),
    "posting deleted": (
        "posting_deleted",
        "succeed",
        (in_database("billing", "DELETE FROM postings WHERE generation_id = $1 AND kind = 'capture'"),),
        "recent",
    ),
    "posting duplicated": ("posting_duplicated", "succeed", (in_database("billing", COPIED),), "recent"),
    "hold left open": (
        "hold_left_open",
        "fail",
        (in_database("billing", HELD_AGAIN), in_database("billing", UNSETTLED)),
        "recent",
    ),
    "captured without artefact": (
        "captured_without_artefact",
        "succeed",
        (in_database("render", "DELETE FROM artefacts WHERE generation_id = $1"),),
        "recent",
    ),
    "artefact missing": ("artefact_missing", "succeed", (remove_object,), "recent"),
    "artefact altered": ("artefact_altered", "succeed", (cut_object,), "recent"),
    "artefact missing in the listing": ("artefact_missing", "succeed", (remove_object,), "full"),
    "artefact altered in the listing": ("artefact_altered", "succeed", (cut_object,), "full"),
    "artefact altered, not in size": (
        "artefact_altered",
        "succeed",
        (in_database("render", f"UPDATE artefacts SET sha256 = '{'0' * 64}' WHERE generation_id = $1"),),
        "bytes",
    ),
    "saga ended otherwise": (
        "saga_differs_from_ledger",
        "succeed",
        (in_database("session", "UPDATE sagas SET state = 'failed' WHERE generation_id = $1"),),
        "recent",
    ),
    "saga without hold": (
        "saga_without_hold",
        "fail",
        (in_database("billing", "DELETE FROM holds WHERE generation_id = $1"),),
        "recent",
    ),
    "hold without saga": (
        "hold_without_saga",
        "fail",
        (in_database("session", "DELETE FROM sagas WHERE generation_id = $1"),),
        "recent",
    ),
    "charge without saga": (
        "charge_without_saga",
        "succeed",
        (in_database("session", "DELETE FROM sagas WHERE generation_id = $1"),),
        "recent",
    ),
    "job without saga": (
        "job_without_saga",
        "succeed",
        (in_database("session", "DELETE FROM sagas WHERE generation_id = $1"),),
        "recent",
    ),
    "saga without job": (
        "saga_without_job",
        "succeed",
        (in_database("render", "DELETE FROM jobs WHERE generation_id = $1"),),
        "recent",
    ),
    "job ended otherwise": (
        "saga_differs_from_job",
        "succeed",
        (in_database("render", "UPDATE jobs SET delivered = 1 WHERE generation_id = $1"),),
        "recent",
    ),
    "projection differs": (
        "projection_differs",
        "succeed",
        (in_database("gateway", "UPDATE generations SET state = 'failed' WHERE id = $1"),),
        "recent",
    ),
    "job left open": (
        "job_left_open",
        "fail",
        (
            in_database(
                "render",
                "UPDATE jobs SET state = 'running', code = NULL, deadline_at = now() - interval '1 h',"
                " lease_owner = 'a worker that is gone', lease_until = now() + interval '1 h'"
                " WHERE generation_id = $1",
            ),
        ),
        "recent",
    ),
    "usage missing": ("usage_differs", "succeed", (in_database("render", METERED.format(usage="NULL")),), "recent"),
    "fewer outputs": ("usage_differs", "succeed", (in_database("render", METERED.format(usage=FEWER)),), "recent"),
    "usage without job": (
        "usage_without_job",
        "succeed",
        (in_database("render", USAGE), in_database("render", "DELETE FROM jobs WHERE generation_id = $1")),
        "recent",
    ),
}


HELD_IN_ACCOUNT = """
WITH taken AS (
    SELECT owner_id, grant_id, credits FROM postings WHERE generation_id = $1 AND kind = 'reserve'
), left_in_grant AS (
    UPDATE grants g SET remaining = remaining - t.credits FROM taken t WHERE g.id = t.grant_id
)
UPDATE accounts a SET available = available - t.credits, held = held + t.credits FROM taken t
WHERE a.owner_id = t.owner_id
"""


async def test_a_system_at_rest_has_no_findings(site: Site) -> None:
    right = [await site.generate(), await site.generate("fail")]

    for scope in ("recent", "full", "bytes"):
        assert await site.findings_of(*right, scope=scope) == [set(), set()]


async def test_a_hold_that_was_left_open_is_refunded_by_command_and_its_finding_closed(site: Site) -> None:
    wrong = await site.generate("fail")
    for statement in (HELD_AGAIN, HELD_IN_ACCOUNT, UNSETTLED):
        await site.tamper("billing", statement, wrong["id"])
    assert await site.findings_of(wrong) == [{"hold_left_open"}]

    applied = await run_command(site.world, "reconcile", "--scope", "recent", "--apply", "--json")

    assert applied.exit_code == 1
    assert [line for line in json.loads(applied.output)["sent"] if wrong["id"] in line and "refund_credit" in line]

    async def is_closed() -> bool | None:
        return await site.findings_of(wrong) == [set()] or None

    await eventually(is_closed)
    (closed,) = await site.resolved_findings(wrong)
    assert closed["resolved_by"].startswith("billing.refund_credit")


async def test_a_charge_without_an_artefact_is_returned_by_posting_and_shown_to_its_owner(site: Site) -> None:
    wrong = await site.generate()
    await site.tamper("render", "DELETE FROM artefacts WHERE generation_id = $1", wrong["id"])
    assert await site.findings_of(wrong) == [{"captured_without_artefact"}]

    applied = await run_command(site.world, "reconcile", "--scope", "recent", "--apply", "--json")

    async def is_closed() -> bool | None:
        return await site.findings_of(wrong) == [set()] or None

    await eventually(is_closed)
    charged = wrong["credits"]["captured"]
    assert [line for line in json.loads(applied.output)["sent"] if wrong["id"] in line and "return_credit" in line]
    shown = (await site.shopper.get(f"/v1/generations/{wrong['id']}")).json()["credits"]
    assert shown == wrong["credits"] | {"returned": charged}


async def test_an_operator_returns_a_part_and_takes_back_what_is_available(site: Site) -> None:
    made = await site.generate()
    store = await site.world.admin.create_store("Mistaken boutique")
    await site.world.admin.grant("store", store.id, 30, reason="test")

    answers = [
        await run_command(site.world, "credits", "return", made["id"], "3", "--reason", "one picture is broken"),
        await run_command(site.world, "credits", "return", made["id"], "3", "--reason", "one picture is broken"),
        await run_command(site.world, "credits", "take-back", "store", store.id, "50", "--reason", "granted twice"),
    ]

    assert [answer.exit_code for answer in answers] == [0, 0, 0], [answer.output for answer in answers]
    assert "3 returned" in answers[0].output and "3 returned" in answers[1].output
    assert "30 taken back" in answers[2].output
    receipt = (await site.shopper.get(f"/v1/generations/{made['id']}/receipt")).json()
    assert receipt["credits"] == made["credits"] | {"returned": 3}
    assert (await site.world.admin.balance("store", store.id)).available == 0
    assert await site.findings_of(made) == [set()]


@pytest.mark.parametrize("drift", DRIFTS)
async def test_an_injected_drift_is_found_and_named_with_its_generation(site: Site, drift: str) -> None:
    kind, outcome, tampers, scope = DRIFTS[drift]
    wrong, right = await site.generate(outcome), await site.generate()

    for tamper in tampers:
        await tamper(site, wrong)

    of_wrong, of_right = await site.findings_of(wrong, right, scope=scope)
    assert kind in of_wrong
    assert of_right == set()


async def test_a_missing_object_stays_a_finding_until_a_run_sees_it_again(site: Site) -> None:
    made = await site.generate()
    (client, bucket), key = site.bucket(), made["outputs"][0]["key"]
    data = client.get_object(bucket, key).read()
    client.remove_object(bucket, key)

    assert await site.findings_of(made, scope="full") == [{"artefact_missing"}]
    assert await site.findings_of(made, scope="full") == [{"artefact_missing"}]
    client.put_object(bucket, key, io.BytesIO(data), len(data))

    assert await site.findings_of(made, scope="full") == [set()]
    (finding,) = await site.resolved_findings(made)
    assert (finding["kind"], finding["resolved_by"]) == ("artefact_missing", "in order again")


async def test_the_command_lists_what_disagrees_and_ends_with_1(site: Site) -> None:
    wrong = await site.generate()
    await remove_object(site, wrong)

    found = await run_command(site.world, "reconcile", "--scope", "recent")

    assert found.exit_code == 1
    assert "artefact_missing" in found.output and wrong["id"] in found.output

"""``python -m atelier_local.bench.reconcile_cost``: what a comparison of all records costs.

On a stack of its own whose tables are filled at once, as if a million generations had ended yesterday; some have
artefacts, each with a thumbnail and an input beside it in the object store. A full run compares the objects first, with
a listing of the store, and all records then; it makes no pauses here, as it would beside work.
"""

import argparse
import asyncio
import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
from pydantic import AnyHttpUrl, SecretStr

from atelier_local.bench.idle import resident_bytes
from atelier_local.bench.processor_time import processor_time
from atelier_local.launcher.postgres import admin_url
from atelier_local.launcher.profile import SERVICES
from atelier_local.launcher.stack import Stack
from atelier_messaging import UnitOfWork, database
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher
from atelier_session.reconcile import store
from atelier_session.reconcile.feeds import Feeds
from atelier_session.reconcile.reconciler import Reconciler, Schedule
from atelier_storage.keys import artefact_key, input_key, thumbnail_key
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings

PROFILE = "bench-reconcile"
SETTINGS = dict.fromkeys(("ATELIER_RECONCILE_EVERY_S", "ATELIER_RECONCILE_FULL_EVERY_S"), "0")
SETTINGS |= {"ATELIER_RECONCILE_BYTES_EVERY_S": "0", "ATELIER_LOG_VERIFY_EVERY_S": "0"}
OWNERS = 1_000
SETTLE_S = 15.0
FILL_S_MAX = 3_600.0
DAY_S = 86_400
_ID = "overlay(lpad(to_hex(i), 32, '0') placing '019b' from 1)::uuid"
_OWNER = f"md5('owner' || i % {OWNERS})::uuid"
_SERIES = "FROM generate_series(0, $1::bigint - 1) AS i"
_THEN = "now() - interval '1 day'"
FILL: Mapping[str, tuple[str, ...]] = {
    "billing": (
        f"INSERT INTO accounts (owner_id, owner_kind) SELECT {_OWNER}, 'store' FROM generate_series(0, {OWNERS - 1}) i",
        f"""INSERT INTO grants (id, owner_id, credits, remaining, reason)
            SELECT owner_id, owner_id, n.credits, 0, 'bench' FROM accounts,
                   LATERAL (SELECT (($1::bigint - 1) / {OWNERS} + 1) AS credits) n""",
        f"""INSERT INTO holds (generation_id, owner_id, unit_credits, units, price_book, state, captured, refunded,
                               created_at, settled_at)
            SELECT {_ID}, {_OWNER}, 1, 1, 'v2', 'captured', 1, 0, {_THEN}, {_THEN} {_SERIES}""",
        f"""INSERT INTO postings (id, kind, owner_id, grant_id, generation_id, debit, credit, credits, posted_at)
            SELECT overlay(lpad(to_hex(i), 32, '0') placing m.step from 1)::uuid, m.kind, {_OWNER}, {_OWNER}, {_ID},
                   m.debit, m.credit, 1, {_THEN}
            {_SERIES}, (VALUES ('019b1', 'reserve', 'available', 'held'),
                               ('019b2', 'capture', 'held', 'captured')) AS m(step, kind, debit, credit)""",
        """INSERT INTO postings (id, kind, owner_id, grant_id, debit, credit, credits)
           SELECT gen_random_uuid(), 'grant', owner_id, id, 'granted', 'available', credits FROM grants
           WHERE $1::bigint > 0""",
        """UPDATE accounts a SET granted = -g.credits, captured = c.captured, available = g.credits - c.captured
           FROM grants g, (SELECT owner_id, count(*) AS captured FROM holds WHERE $1::bigint > 0 GROUP BY 1) c
           WHERE g.owner_id = a.owner_id AND c.owner_id = a.owner_id""",
        """UPDATE grants g SET remaining = a.available FROM accounts a
           WHERE a.owner_id = g.owner_id AND $1::bigint > 0""",
        """INSERT INTO proven_accounts (owner_id, granted, available, held, captured, expired, entries)
           SELECT owner_id, granted, available, held, captured, expired,
                  (SELECT count(*) FROM postings p WHERE p.owner_id = a.owner_id) FROM accounts a
           WHERE $1::bigint > 0""",
    ),
    "session": (
        f"INSERT INTO admissions (generation_id, verdict, created_at) SELECT {_ID}, 'admitted', {_THEN} {_SERIES}",
        f"""INSERT INTO sagas (generation_id, channel, owner_kind, owner_id, state, credits, result, settlement,
                               deadline_at, created_at, updated_at, look_at, request)
            SELECT {_ID}, 'b2b', 'store', {_OWNER}, 'succeeded', 1, '{{"delivered": 1, "outputs": []}}',
                   '{{"captured": 1, "refunded": 0}}', {_THEN}, {_THEN}, {_THEN}, NULL, '{{}}' {_SERIES}""",
    ),
    "render": (
        f"""INSERT INTO jobs (generation_id, state, owner_kind, owner_id, spec, deadline_at, attempt, provider,
                              delivered, created_at, started_at, finished_at)
            SELECT {_ID}, 'done', 'store', {_OWNER}, '{{}}', {_THEN}, 1, 'local', 1, {_THEN}, {_THEN}, {_THEN}
            {_SERIES}""",
    ),
    "gateway": (
        f"""INSERT INTO generations (id, channel, owner_kind, owner_id, kind, surface, state, rank, progress, request,
                                     price, credits_reserved, credits_captured, created_at, updated_at, ended_at)
            SELECT {_ID}, 'b2b', 'store', {_OWNER}, 'image', 'native', 'succeeded', 9, 100, '{{}}', 1, 1, 1,
                   {_THEN}, {_THEN}, {_THEN} {_SERIES}""",
    ),
}
"""By service; ``$1`` is the number of generations."""
_ARTEFACT = """
INSERT INTO artefacts (key, generation_id, content_type, size, sha256) VALUES ($1, $2, 'image/png', $3, $4)
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What comparing so many generations or artefacts took; ``processor_s`` by component, this process as
    ``session``."""

    compared: int
    wall_s: float
    findings: Mapping[str, int]
    processor_s: Mapping[str, float]
    memory_mb: Mapping[str, float]

    @property
    def total_s(self) -> float:
        """Processor seconds of all components."""
        return sum(self.processor_s.values())


async def measure(stack: Stack, generations: int, artefacts: int) -> list[Cost]:
    """Fills the tables of a running stack and compares: first the artefacts' objects, then all records."""
    known = stack.environment()
    for service in SERVICES:
        await _fill(stack, known, service, generations)
    await _store_objects(stack, known, artefacts)
    url = known["ATELIER_SESSION_DATABASE_URL"]
    pool = await database.connect(url)
    unit = UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "session")), "atelier/session")
    billing, render, operations = (
        AnyHttpUrl(known[f"ATELIER_{name}_URL"]) for name in ("BILLING", "RENDER", "OPERATIONS")
    )
    feeds = Feeds(billing, render, operations, SecretStr(known["ATELIER_SERVICE_TOKEN"]))
    reconciler = Reconciler(unit, feeds, Schedule(0, 0, 0, 0, SETTLE_S, share=1))
    run = await reconciler.start("full")
    costs = []
    for is_over in (_has_compared_objects, _has_ended):
        began, before, first = time.monotonic(), _used(stack, known), await _find(pool, run.id)
        while not is_over(current := await _find(pool, run.id)):
            # False also while the session service compares a page of the same run.
            if not await reconciler._compare_page("full"):
                await asyncio.sleep(0.01)
        wall_s, after = time.monotonic() - began, _used(stack, known)
        used = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
        compared = current.checked - first.checked + current.objects - first.objects
        costs.append(Cost(compared, wall_s, await store.count_findings(pool), used, _memory(known)))
    await feeds.close()
    await pool.close()
    return costs


async def _find(pool: database.Pool, run: UUID) -> store.Run:
    found = await store.find_run(pool, run)
    assert found is not None, "nobody removes it"
    return found


def _has_compared_objects(run: store.Run) -> bool:
    return run.objects_after is None


def _has_ended(run: store.Run) -> bool:
    return run.state == "ended"


async def _fill(stack: Stack, known: Mapping[str, str], service: str, generations: int) -> None:
    at = urlsplit(known[f"ATELIER_{service.upper()}_DATABASE_URL"])
    connection = await asyncpg.connect(urlsplit(admin_url(stack.profile))._replace(path=at.path).geturl())
    await connection.execute("SET session_replication_role = replica")
    for statement in FILL[service]:
        arguments = [generations] if "$1" in statement else []
        await connection.execute(statement, *arguments, timeout=FILL_S_MAX)
    await connection.execute("RESET session_replication_role")
    await connection.execute("VACUUM ANALYZE", timeout=FILL_S_MAX)
    await connection.close()


async def _store_objects(stack: Stack, known: Mapping[str, str], artefacts: int) -> None:
    """An artefact with its row for generations of as few owners as can be, each with its thumbnail and its input: an
    owner has then as many as if all generations had one."""
    names = ("endpoint", "access_key", "secret_key", "bucket")
    objects = ObjectStore(StorageSettings.model_validate({n: known[f"ATELIER_S3_{n.upper()}"] for n in names}))
    at = urlsplit(known["ATELIER_RENDER_DATABASE_URL"])
    connection = await asyncpg.connect(urlsplit(admin_url(stack.profile))._replace(path=at.path).geturl())
    rows = await connection.fetch(
        "SELECT generation_id, owner_id FROM jobs ORDER BY owner_id, generation_id LIMIT $1", artefacts
    )
    for row in rows:
        key = artefact_key("store", row["owner_id"], row["generation_id"], 0, "png")
        put = await objects.put(key, row["generation_id"].bytes, "image/png")
        await objects.put(thumbnail_key(key), b"small", "image/webp")
        await objects.put(input_key("store", row["owner_id"], row["generation_id"], put.sha256), b"input", "image/png")
        await connection.execute(_ARTEFACT, key, row["generation_id"], put.size, put.sha256)
    await connection.close()
    objects.close()


def _used(stack: Stack, known: Mapping[str, str]) -> dict[str, float]:
    """Processor seconds so far; what this process used counts as the session's."""
    pids = {int(known[f"ATELIER_{service.upper()}_PID"]): service for service in SERVICES}
    seconds = processor_time(stack.profile.home, pids)
    own = resource.getrusage(resource.RUSAGE_SELF)
    seconds["session"] = seconds.get("session", 0.0) + own.ru_utime + own.ru_stime
    return seconds


def _memory(known: Mapping[str, str]) -> dict[str, float]:
    """Resident megabytes of each service now, and the most that this process had."""
    found = {name: resident_bytes(int(known[f"ATELIER_{name.upper()}_PID"])) / 1e6 for name in SERVICES}
    return found | {"comparison": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6}


def main() -> None:
    """Prints what both parts cost, and what that comes to."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--generations", type=int, default=1_000_000)
    arguments.add_argument(
        "--artefacts", type=int, default=5_000, help="in the object store, of as few owners as can be"
    )
    given = arguments.parse_args()
    stack = Stack(PROFILE, env=SETTINGS)
    try:
        stack.up()
        objects, records = asyncio.run(measure(stack, given.generations, given.artefacts))
    finally:
        stack.clean()
    for cost, what in ((objects, "artefacts' objects"), (records, "generations' records")):
        each = ", ".join(f"{name} {s:.1f} s" for name, s in sorted(cost.processor_s.items()) if s >= 0.05)
        sys.stdout.write(
            f"{cost.compared} {what}: {cost.wall_s:.1f} s, {cost.total_s:.1f} s of processor time ({each}),"
            f" findings: {dict(cost.findings) or 'none'}\n"
        )
    daily_s = records.total_s + objects.total_s / objects.compared * records.compared
    memory = ", ".join(f"{name} {mb:.0f} MB" for name, mb in records.memory_mb.items())
    sys.stdout.write(f"memory: {memory}\n")
    sys.stdout.write(
        f"once a day, an artefact each: {daily_s:.0f} s of processor time, {daily_s / DAY_S:.2%} of a core\n"
    )


if __name__ == "__main__":
    main()

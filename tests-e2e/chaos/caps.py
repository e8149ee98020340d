"""Twenty nested caps under 200 clients at once: ``python -m chaos.caps [creates]``. Nothing is overspent, and no create
is refused while there is room.

The clients spend through two keys of a store and three members of a workspace; store, keys, workspace and members have
caps a day, a month and in total, of which different ones are the tightest. A fifth of the renders fails, so that room
comes back all the time.
"""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import aiohttp
import asyncpg

from atelier_local.launcher.stack import Stack
from chaos.cap_checks import WORKS, Answer, Report, Site, Spender, check_counts, check_last_room, check_refusals
from chaos.run import SETTINGS
from whole_system.waits import NotYet, eventually
from whole_system.world import World

PROFILE = "caps-chaos"
CREATES = 100_000
CLIENTS = 200
SHARES: Mapping[str, Mapping[str, float]] = {
    "store": {"day": 0.28, "month": 0.29, "total": 0.27},
    "key 1": {"day": 0.12, "month": 0.18, "total": 0.20},
    "key 2": {"day": 0.20, "month": 0.19, "total": 0.18},
    "workspace": {"day": 0.31, "month": 0.30},
    "member 1": {"day": 0.08, "month": 0.10, "total": 0.12},
    "member 2": {"day": 0.14, "month": 0.12, "total": 0.13},
    "member 3": {"day": 0.20, "month": 0.22, "total": 0.21},
}
"""Twenty caps, each as a share of what would be charged without any."""
MEAN_CHARGE = 4.0
"""Credits that a create comes to on average where it is admitted."""
OUTCOMES = ("succeed", "succeed", "succeed", "succeed", "fail")
LOOK_EVERY_S = 0.1
Say = Callable[[str], object]
REST_S_MAX = 600.0
PEAKS = """
CREATE TABLE cap_peaks (id uuid PRIMARY KEY, used bigint NOT NULL);
CREATE FUNCTION note_cap_peak() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO cap_peaks AS p VALUES (NEW.id, NEW.held + NEW.captured)
    ON CONFLICT (id) DO UPDATE SET used = greatest(p.used, excluded.used);
    RETURN NEW;
END $$;
CREATE TRIGGER caps_peak AFTER UPDATE ON caps FOR EACH ROW EXECUTE FUNCTION note_cap_peak();
"""
"""Notes the most that each cap ever counted, in the transaction that counted it."""


async def run(
    world: World,
    creates: int,
    *,
    clients: int = CLIENTS,
    peaks: asyncpg.Connection | None = None,
    say: Say = lambda _: None,
) -> Report:
    """So many creates by these clients at once, then the questions. ``peaks`` is a superuser's connection to billing's
    database, on which every commit is watched; without one the counts are looked at ten times a second."""
    site = await _open_site(world, creates)
    if peaks is not None:
        await peaks.execute(PEAKS)
    report = Report()
    async with _watch(world, report):
        await _load(world, site, creates, clients, report, say)
        await _wait_for_rest(world, site)
    await check_counts(world, site, report, peaks)
    check_refusals(report)
    await check_last_room(world, site, report)
    verdict = await world.admin.verify_ledger()
    report.wrong += [f"the books: {line}" for line in verdict.violations]
    statuses = Counter(answer.status for answer in report.answers)
    pace = f"{report.took_s:.0f} s ({creates / report.took_s:.0f}/s)"
    report.lines.insert(0, f"{creates} creates by {clients} clients in {pace}: {dict(statuses)}")
    unexpected = [answer.body for answer in report.answers if answer.status not in (201, 402)]
    report.wrong += [f"answered neither 201 nor 402: {body}" for body in unexpected[:5]]
    return report


async def _open_site(world: World, creates: int) -> Site:
    made = await world.admin.create_store("Capped store")
    second = await world.admin.ask("make a key", "POST", f"/v1/admin/stores/{made.id}/keys", {"name": "second"})
    users = [await world.admin.create_user(f"member-{made.id}-{n}@shop.net") for n in (1, 2, 3)]
    workspace = await world.admin.create_workspace("Capped workspace", users)
    for kind, id_ in (("store", made.id), ("workspace", workspace)):
        await world.admin.grant(kind, id_, 100 * creates, reason="caps")  # type: ignore[arg-type]  # kinds of owners
    spenders = [
        Spender({"X-API-Key": key}, ("store", f"key {n}"))
        for n, key in enumerate((made.api_key, second["api_key"]), start=1)
    ]
    for n, user in enumerate(users, start=1):
        bearer = {"Authorization": f"Bearer {await world.admin.issue_token(user)}", "X-Workspace-Id": workspace}
        spenders.append(Spender(bearer, ("workspace", f"member {n}")))
    ids = [made.id, made.key_id, second["id"], workspace, *users]
    names = dict(zip(ids, SHARES, strict=True))
    for id_, name in names.items():
        owner = f"store/{made.id}" if name == "store" or name.startswith("key") else f"workspace/{workspace}"
        kind = {"store": "store", "key": "key", "workspace": "workspace", "member": "user"}[name.split()[0]]
        for period, share in SHARES[name].items():
            limit = {"credits": int(creates * MEAN_CHARGE * share)}
            await world.admin.ask("set a cap", "PUT", f"/v1/admin/caps/{owner}/{kind}/{id_}/{period}", limit)
    return Site(made.id, workspace, spenders, names)


async def _load(world: World, site: Site, creates: int, clients: int, report: Report, say: Say) -> None:
    numbers = iter(range(creates))

    async def client(session: aiohttp.ClientSession, seat: int) -> None:
        rng = random.Random(seat)
        for number in numbers:
            if number and number % max(1, creates // 20) == 0:
                say(f"{number} creates after {time.monotonic() - began:.0f} s")
            spender = (seat + rng.randrange(2)) % len(site.spenders)
            report.answers.append(await _create(session, world.url, site.spenders[spender], spender, rng))

    began = time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=clients)) as session:
        await asyncio.gather(*(client(session, seat) for seat in range(clients)))
    report.took_s = time.monotonic() - began


async def _create(
    session: aiohttp.ClientSession, url: str, spender: Spender, number: int, rng: random.Random
) -> Answer:
    work, price = rng.choice(WORKS)
    body = {"kind": "image", "prompt": "a red bicycle", **work}
    headers = {**spender.headers, "X-Atelier-Simulate": f"outcome={rng.choice(OUTCOMES)}, picture=none"}
    began = time.monotonic()
    async with session.post(f"{url}/v1/generations", json=body, headers=headers) as reply:
        answer = await reply.json(content_type=None)
    shown = answer if reply.status != 201 else {}
    return Answer(number, price, began, time.monotonic(), reply.status, shown)


@asynccontextmanager
async def _watch(world: World, report: Report) -> AsyncIterator[None]:
    """Looks at the counts again and again until the load is over."""
    looks = 0

    async def look() -> None:
        nonlocal looks
        while True:
            rows = await world.databases["billing"].fetch("SELECT id, credits, held + captured AS used FROM caps")
            looks += 1
            report.wrong += [
                f"cap {row['id']}: {row['used']} of {row['credits']}" for row in rows if row["used"] > row["credits"]
            ]
            await asyncio.sleep(LOOK_EVERY_S)

    watching = asyncio.create_task(look())
    try:
        yield
    finally:
        watching.cancel()
        report.lines.append(f"{looks} looks at all counts while it ran")


async def _wait_for_rest(world: World, site: Site) -> None:
    async def look() -> bool | NotYet:
        query = "SELECT sum(held) FROM accounts WHERE owner_id = ANY($1::uuid[])"
        held = await world.databases["billing"].fetchval(query, [site.store, site.workspace])
        return NotYet(f"{held} credits held") if held else True

    await eventually(look, within_s=REST_S_MAX)


def superuser_url(stack: Stack) -> str:
    """Of billing's database."""
    profile = stack.profile
    password, port = profile.secrets["postgres_password"], profile.ports["postgres"]
    return f"postgresql://postgres:{password}@127.0.0.1:{port}/billing"


async def _main(creates: int) -> int:
    stack = Stack(PROFILE, env={**SETTINGS, "ATELIER_TENANT_PENDING_MAX": "100000"})
    try:
        await asyncio.to_thread(stack.up)
        async with World.of(stack) as world:
            peaks = await asyncpg.connect(superuser_url(stack))
            try:
                report = await run(world, creates, peaks=peaks, say=lambda line: sys.stdout.write(f"{line}\n"))
            finally:
                await peaks.close()
    finally:
        await asyncio.to_thread(stack.clean)
    sys.stdout.write("\n".join([*report.lines, *(f"WRONG: {line}" for line in report.wrong[:20])]) + "\n")
    sys.stdout.write("nothing overspent, no refusal while there was room\n" if not report.wrong else "VIOLATED\n")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else CREATES)))

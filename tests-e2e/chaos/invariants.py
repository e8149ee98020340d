"""I1 to I14, asked of a system that has come to rest, and of every answer its clients got."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg

from atelier_billing.full_proof import prove
from atelier_local.errors import StackError
from chaos import delivery
from chaos.asks import Ask
from chaos.evidence import Evidence
from chaos.findings import Findings
from chaos.load import Load, id_of
from chaos.site import Site
from chaos.tap import Tap
from whole_system.world import World

if TYPE_CHECKING:
    from chaos.run import Watch

STORIES_MAX = 5
ENDS = {"rejected", "succeeded", "failed", "cancelled", "expired"}
REFUNDED = {"failed", "cancelled", "expired"}


async def examine(
    findings: Findings, world: World, tap: Tap, site: Site, watch: "Watch", moving: list[str], *, orphans_s: float
) -> None:
    """Asks every question and adds the answers to the findings."""
    known = await _collected(world, findings.load, orphans_s)
    asks = findings.load.asks
    findings.add("rest", f"nothing moves any more, of {len(known.sagas)} generations", moving)
    await _books(findings, world, watch)
    findings.add(
        "I4 one end, never left",
        f"{watch.looks} looks at {len(watch.ends)} ends, {len(known.sagas)} sagas against what clients see",
        [*(line for line in watch.broken if line.startswith("I4")), *_ends(known, findings)],
    )
    findings.add("I5 I6 charged is delivered", f"{len(known.sagas)} generations", _charges(known, asks))
    findings.add("I7 no hold outlives its generation", f"{len(known.holds)} holds", _holds(known))
    findings.add(*await delivery.once(world, known))
    graves = await delivery.graves(world)
    findings.add(*await delivery.arrived(world, tap, graves))
    findings.add("I10 one key, one answer", _asked_keys(asks), _keys(known, asks))
    findings.add(*await delivery.dead(world, site, graves, known))
    objects = f"{len(known.artefacts)} artefacts, {len(known.checksums)} objects, {len(known.orphans())} orphans"
    findings.add("I12 artefacts", objects, _artefacts(known, collected=orphans_s > 0))
    attempts = sum(map(len, known.attempts.values()))
    findings.add(
        "I13 attempts", f"{attempts} attempts at {len(known.attempts)} jobs, no two under one number", _attempts(known)
    )
    findings.add("I14 no is no", f"{sum(_refused(ask) for ask in asks)} refused requests", _refusals(known, asks))
    findings.add("yes is yes", f"{sum(len(ask.accepted) for ask in asks)} acceptances", _promises(known, asks))
    answered = sum(len(ask.replies) for ask in asks)
    findings.add("no surprise", f"{answered} answers, none of them a 500", _surprises(asks))
    await _tell_stories(findings, world, known)


async def _collected(world: World, load: Load, orphans_s: float) -> Evidence:
    """The evidence, once objects that nobody owns have been collected, or ``orphans_s`` seconds have passed."""
    until = time.monotonic() + orphans_s
    while True:
        known = await Evidence.gather(world, load)
        if not known.orphans() or time.monotonic() >= until:
            return known
        await asyncio.sleep(2)


async def _books(findings: Findings, world: World, watch: "Watch") -> None:
    async with world.databases["billing"].acquire() as connection:
        verdict = await prove(connection)
    always = [line for line in watch.broken if not line.startswith("I4")]
    findings.add(
        "I1 I2 I3 the books",
        f"{verdict.accounts} accounts, {verdict.entries} postings, and {watch.looks} times while at work",
        [*always, *verdict.violations, *[line async for line in _forgeries(world)]],
    )


async def _forgeries(world: World) -> AsyncIterator[str]:
    for forgery in ("UPDATE postings SET credits = credits + 1", "DELETE FROM postings"):
        with suppress(asyncpg.PostgresError):
            await world.databases["billing"].execute(forgery)
            yield f"the ledger let itself be changed: {forgery}"


def _ends(known: Evidence, findings: Findings) -> Iterator[str]:
    for id_, saga in known.sagas.items():
        if saga["state"] not in ENDS:
            yield f"{id_} has not ended: {saga['state']}"
        projected = known.projected.get(id_)
        if projected is None:
            if saga["state"] != "rejected":  # a declined request leaves no row behind it
                yield f"{id_} {saga['state']}, and its owner cannot see it"
        elif projected["state"] != saga["state"]:
            yield f"{id_} {saga['state']}, but its owner is shown {projected['state']}"
    for id_, row in known.projected.items():
        if id_ not in known.sagas and row["state"] not in ENDS:
            yield f"{id_} is shown as {row['state']} for ever: no saga knows it"
    for id_, told in findings.load.seen.items():
        ended, hold = known.sagas.get(id_), known.holds.get(id_)
        withdrawn = known.projected[id_]["state"] if id_ in known.projected else "cancelled"
        truth = (ended["state"] if ended else withdrawn, hold["captured"] if hold else 0)
        if told != {truth}:
            yield f"{id_} ended {truth}, clients read {sorted(told)}"


def _charges(known: Evidence, asks: list[Ask]) -> Iterator[str]:
    by_marker = {ask.marker: ask for ask in asks}
    for id_, saga in known.sagas.items():
        ask = by_marker[json.loads(saga["request"])["spec"]["prompt"]]
        hold = known.holds.get(id_)
        captured = hold["captured"] if hold else 0
        if saga["state"] == "succeeded":
            delivered = json.loads(saga["result"])["delivered"]
            if captured != ask.unit_credits * delivered or hold is None or hold["state"] != "captured":
                yield f"{id_} delivered {delivered} for {ask.unit_credits} each, charged {captured}"
            if delivered != ask.delivered:
                yield f"{id_} was told to deliver {ask.delivered} ({ask.outcome}) and delivered {delivered}"
        elif captured:
            yield f"{id_} {saga['state']} and charged {captured}"
        elif saga["state"] == "rejected" and hold is not None and hold["state"] != "refunded":
            yield f"{id_} rejected, and a hold was placed"
        elif saga["state"] in REFUNDED and (hold is None or hold["state"] != "refunded"):
            yield f"{id_} {saga['state']}, its hold is {hold['state'] if hold else 'absent'}"
        yield from _excuse(id_, saga["state"], ask, known)


def _excuse(id_: str, state: str, ask: Ask, known: Evidence) -> Iterator[str]:
    """Who ordered a success and got none must have cancelled, or the render was lost too often or too late."""
    if state not in REFUNDED or not ask.delivered or ask.outcome in ("late", "lost_response"):
        return
    lost = [attempt for attempt in known.attempts.get(id_, ()) if attempt["outcome"] == "lease_lost"]
    if state == "cancelled" and not ask.cancel_sent:
        yield f"{id_} cancelled, and nobody asked for that"
    if state != "cancelled" and not lost:
        yield f"{id_} {state} without need: {dict(known.jobs.get(id_, {}))}"


def _holds(known: Evidence) -> Iterator[str]:
    for id_, hold in known.holds.items():
        if hold["state"] == "open":
            saga = known.sagas.get(id_)
            yield f"{id_} {saga['state'] if saga else 'unknown to the session'}, {hold['credits']} credits held"


def _asked_keys(asks: list[Ask]) -> str:
    keyed = [ask for ask in asks if ask.key]
    return f"{len(keyed)} keys, {sum(len(ask.replies) + ask.unanswered for ask in keyed)} requests with them"


def _keys(known: Evidence, asks: list[Ask]) -> Iterator[str]:
    for ask in asks:
        final = {(reply.status, reply.body) for reply in ask.replies if reply.status in (200, 201, 402)}
        alive = [id_ for id_ in known.by_marker[ask.marker] if id_ in known.sagas]
        if ask.key and len(final) > 1:
            yield f"{ask.key} has {len(final)} answers: {sorted(final)}"
        if ask.key and len(alive) > 1:
            yield f"{ask.key} has {len(alive)} generations: {', '.join(alive)}"
        if ask.key and not ask.settled:
            yield f"{ask.key} never got an answer: {Counter(reply.status for reply in ask.replies)}"


def _artefacts(known: Evidence, *, collected: bool) -> Iterator[str]:
    for id_, saga in known.sagas.items():
        if saga["state"] != "succeeded":
            continue
        for output in json.loads(saga["result"])["outputs"]:
            if known.checksums.get(output["key"]) != output["sha256"]:
                yield f"{id_} has no sound artefact {output['key']}"
    for row in known.artefacts.values():
        if row["thumbnail"] is not None and row["thumbnail"] not in known.checksums:
            yield f"{row['id']} has lost the thumbnail {row['thumbnail']}"
    if collected:
        yield from (f"{key.split('/')[3]} left an object that nobody collects: {key}" for key in known.orphans())


def _attempts(known: Evidence) -> Iterator[str]:
    for id_, attempts in known.attempts.items():
        numbers = [attempt["attempt"] for attempt in attempts]
        won = [attempt for attempt in attempts if attempt["outcome"] == "done"]
        if len(set(numbers)) < len(numbers) or len(won) > 1:
            yield f"{id_} has attempts {[dict(attempt) for attempt in attempts]}"


def _refused(ask: Ask) -> bool:
    """Whether its client knows for certain that it was refused: each POST was answered, and none in doubt."""
    return bool(ask.replies) and not ask.unanswered and not ask.accepted and not any(map(_in_doubt, ask.replies))


def _in_doubt(reply: object) -> bool:
    body = getattr(reply, "body", b"")
    return b"outcome_unknown" in body or b"request_in_progress" in body


def _refusals(known: Evidence, asks: list[Ask]) -> Iterator[str]:
    for ask in filter(_refused, asks):
        told = Counter(reply.status for reply in ask.replies)
        for id_ in known.by_marker[ask.marker]:
            saga, hold = known.sagas.get(id_), known.holds.get(id_)
            if saga is not None and saga["state"] != "rejected":
                yield f"{id_} was refused ({told}) and yet is {saga['state']}"
            if hold is not None and hold["credits"]:
                yield f"{id_} was refused ({told}) and yet {hold['credits']} credits were held"
            if id_ in known.projected:
                shown = known.projected[id_]["state"]
                yield f"{id_} was refused ({ask.manner}, {told}), and its owner is shown it as {shown}"


def _promises(known: Evidence, asks: list[Ask]) -> Iterator[str]:
    for ask in asks:
        ids = {id_of(ask, reply) for reply in ask.accepted}
        if len(ids) > (1 if ask.key else len(ask.accepted)):
            yield f"{ask.key} was promised {len(ids)} generations"
        for id_ in ids:
            saga = known.sagas.get(id_)
            shown = known.projected.get(id_)
            if saga is None and (shown is None or shown["state"] != "cancelled"):
                yield f"{id_} was accepted, and no saga knows it; its owner is shown {shown and shown['state']}"


def _surprises(asks: list[Ask]) -> Iterator[str]:
    """Whatever breaks, somebody has thought of it."""
    for ask in asks:
        yield from (f"{ask.marker}: {reply.body.decode()}" for reply in ask.replies if reply.status == 500)


async def _tell_stories(findings: Findings, world: World, known: Evidence) -> None:
    """What the operators' console says of the generations that violations name."""
    for line in findings.violations:
        for word in line.replace(",", " ").split():
            if len(findings.stories) >= STORIES_MAX or word in findings.stories or not _is_id(word):
                continue
            with suppress(StackError):
                story = await world.admin.explain(word)
                steps = [f"    {step['at']}  {step['service']}: {step['what']}" for step in story["steps"]]
                findings.stories[word] = "\n".join([f"  {word}: {story['summary']}", *steps])


def _is_id(word: str) -> bool:
    with suppress(ValueError):
        return str(UUID(word)) == word
    return False

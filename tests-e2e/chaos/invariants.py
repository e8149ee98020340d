"""I1 to I14, checked on a system that has come to rest, and of every answer its clients got."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import asyncpg

from atelier_billing.full_proof import prove
from chaos import deliveries, delivery, proof, timelines
from chaos.evidence import Evidence
from chaos.findings import Findings
from chaos.load import Load, id_of
from chaos.message_recorder import MessageRecorder
from chaos.reconciliation import reconcile
from chaos.site import Site
from chaos.workload import ClientRequest
from whole_system.world import World

if TYPE_CHECKING:
    from chaos.run import Watch

TOLD_EACH = 3
"""Of how many violations of each invariant the timeline is told."""
ENDS = {"rejected", "succeeded", "failed", "cancelled", "expired"}
REJECTED = {"state": "rejected"}
REFUNDED = {"failed", "cancelled", "expired"}


async def examine(
    findings: Findings,
    world: World,
    recorder: MessageRecorder,
    site: Site,
    watch: "Watch",
    moving: list[str],
    *,
    orphans_s: float,
) -> None:
    """Asks every question and adds the answers to the findings."""
    known = await _gather_evidence(world, findings.load, orphans_s)
    requests = findings.load.requests
    findings.add("rest", f"nothing moves any more, of {len(known.sagas)} generations", moving)
    await _books(findings, world, watch)
    findings.add(
        "I4 one end, never left",
        f"{watch.looks} looks at {len(watch.ends)} ends, {len(known.sagas)} sagas against what clients see",
        [*(line for line in watch.broken if line.startswith("I4")), *_ends(known, findings)],
    )
    findings.add("I5 I6 charged is delivered", f"{len(known.sagas)} generations", _charges(known, requests))
    taken = deliveries.describe([request.delivery for request in requests])
    findings.add("charged on delivery is delivered", taken, _deliveries(known, requests, findings.faults))
    findings.add("I7 no hold outlives its generation", f"{len(known.holds)} holds", _holds(known))
    findings.add(*await delivery.check_single_handling(world, known))
    dead_letters = await delivery.read_dead_letters(world)
    findings.add(*await delivery.check_arrival(world, recorder, dead_letters))
    findings.add("I10 one key, one answer", _describe_keys(requests), _keys(known, requests))
    findings.add(*await delivery.check_dead_letters(world, site, dead_letters, known))
    objects = f"{len(known.artefacts)} artefacts, {len(known.checksums)} objects, {len(known.orphans())} orphans"
    findings.add("I12 artefacts", objects, _artefacts(known, collected=orphans_s > 0))
    findings.add("marked as synthetic", f"{len(known.made)} objects made, read by C2PA's reader", _marks(known))
    attempts = sum(map(len, known.attempts.values()))
    findings.add(
        "I13 attempts", f"{attempts} attempts at {len(known.attempts)} jobs, no two under one number", _attempts(known)
    )
    findings.add(
        "I14 no is no",
        f"{sum(_is_refused(request) for request in requests)} refused requests",
        _refusals(known, requests),
    )
    findings.add(
        "yes is yes", f"{sum(len(request.acceptances) for request in requests)} acceptances", _promises(known, requests)
    )
    answered = sum(len(request.replies) for request in requests)
    findings.add("no surprise", f"{answered} answers, none of them a 500", _surprises(requests))
    findings.add(*await reconcile(world, known.sagas.keys() | known.projected.keys() | known.holds.keys()))
    findings.add(*await proof.verify_log(world))
    told = [line for result in findings.results for line in result.violations[:TOLD_EACH]]
    findings.stories |= await timelines.tell(world, told)


async def _gather_evidence(world: World, load: Load, orphans_s: float) -> Evidence:
    """The evidence, once objects without an owner have been collected, or ``orphans_s`` seconds have passed."""
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
    for id_, seen in findings.load.seen.items():
        ended, hold = known.sagas.get(id_), known.holds.get(id_)
        withdrawn = known.projected[id_]["state"] if id_ in known.projected else "cancelled"
        truth = (ended["state"] if ended else withdrawn, hold["captured"] if hold else 0)
        if seen != {truth}:
            yield f"{id_} ended {truth}, clients read {sorted(seen)}"


def _charges(known: Evidence, requests: list[ClientRequest]) -> Iterator[str]:
    by_marker = {request.marker: request for request in requests}
    for id_, saga in known.sagas.items():
        request = by_marker[json.loads(saga["request"])["spec"]["prompt"]]
        hold = known.holds.get(id_)
        captured = hold["captured"] if hold else 0
        if saga["state"] == "succeeded":
            delivered = json.loads(saga["result"])["delivered"]
            if captured != request.unit_credits * delivered or hold is None or hold["state"] != "captured":
                yield f"{id_} delivered {delivered} for {request.unit_credits} each, charged {captured}"
            if delivered != request.delivered and request.delivery is None:
                yield f"{id_} had orders to deliver {request.delivered} ({request.outcome}) and delivered {delivered}"
        elif captured:
            yield f"{id_} {saga['state']} and charged {captured}"
        elif saga["state"] == "rejected" and hold is not None and hold["state"] != "refunded":
            yield f"{id_} rejected, and a hold was placed"
        elif saga["state"] in REFUNDED and (hold is None or hold["state"] != "refunded"):
            yield f"{id_} {saga['state']}, its hold is {hold['state'] if hold else 'absent'}"
        if not saga["delivery"]:
            yield from _excuse(id_, saga["state"], request, known)


def _deliveries(known: Evidence, requests: list[ClientRequest], faults: Sequence[str]) -> Iterator[str]:
    by_marker = {request.marker: request for request in requests}
    for id_, saga in known.sagas.items():
        request = by_marker[json.loads(saga["request"])["spec"]["prompt"]]
        if request.delivery is not None:
            captured = known.holds[id_]["captured"] if id_ in known.holds else 0
            yield from deliveries.violations(id_, saga, captured, request.unit_credits, request.delivery, faults)


def _excuse(id_: str, state: str, request: ClientRequest, known: Evidence) -> Iterator[str]:
    """Who ordered a success and got none must have cancelled, or the render was lost too often or too late."""
    if state not in REFUNDED or not request.delivered or request.outcome in ("late", "lost_response"):
        return
    lost = [attempt for attempt in known.attempts.get(id_, ()) if attempt["outcome"] == "lease_lost"]
    if state == "cancelled" and not request.cancel_sent:
        yield f"{id_} cancelled without a cancel request"
    if state != "cancelled" and not lost:
        yield f"{id_} {state} without need: {dict(known.jobs.get(id_, {}))}"


def _holds(known: Evidence) -> Iterator[str]:
    for id_, hold in known.holds.items():
        if hold["state"] == "open":
            saga = known.sagas.get(id_)
            yield f"{id_} {saga['state'] if saga else 'unknown to the session'}, {hold['credits']} credits held"


def _describe_keys(requests: list[ClientRequest]) -> str:
    keyed = [request for request in requests if request.key]
    return (
        f"{len(keyed)} keys, {sum(len(request.replies) + request.unanswered for request in keyed)} requests with them"
    )


def _keys(known: Evidence, requests: list[ClientRequest]) -> Iterator[str]:
    for request in requests:
        final = {(reply.status, reply.body) for reply in request.replies if reply.status in (200, 201, 402)}
        # One that was rejected has held nothing; where its reason could not be read, the key was given back with a 503.
        ids = sorted(known.by_marker[request.marker])
        alive = [id_ for id_ in ids if known.sagas.get(id_, REJECTED)["state"] != "rejected"]
        if request.key and len(final) > 1:
            yield f"{request.key} has {len(final)} answers: {sorted(final)}"
        if request.key and len(alive) > 1:
            states = ", ".join(f"{id_} {known.sagas[id_]['state']}" for id_ in alive)
            yield f"{request.key} has {len(alive)} generations: {states}"
        if request.key and not request.is_settled:
            yield f"{request.key} never got an answer: {Counter(reply.status for reply in request.replies)}"


def _artefacts(known: Evidence, *, collected: bool) -> Iterator[str]:
    for id_, saga in known.sagas.items():
        if saga["state"] != "succeeded":
            continue
        for output in json.loads(saga["result"])["outputs"]:
            if known.checksums.get(output["key"]) != output["sha256"]:
                yield f"{id_} has no sound artefact {output['key']}"
    for id_, saga in known.sagas.items():
        kept = {output["key"] for output in json.loads(saga["result"] or "{}").get("outputs", ())}
        kept = kept if saga["state"] == "succeeded" else set()
        made = {row["key"] for row in known.artefacts.values() if row["id"] == id_}
        if (saga["delivery"] or saga["state"] in REFUNDED) and not made <= kept:
            yield f"{id_} {saga['state']}: {', '.join(sorted(made - kept))} was not delivered and is not withdrawn"
    for row in known.artefacts.values():
        if row["thumbnail"] is not None and row["thumbnail"] not in known.checksums:
            yield f"{row['id']} has lost the thumbnail {row['thumbnail']}"
    if collected:
        yield from (f"{key.split('/')[3]} left an object that is not collected: {key}" for key in known.orphans())


def _marks(known: Evidence) -> Iterator[str]:
    for key, wrong in known.unmarked.items():
        yield f"{key.split('/')[3]} was made without a valid manifest: {key}: {wrong}"
    if not known.made and known.artefacts:
        yield f"none of {len(known.artefacts)} artefacts could be looked at"


def _attempts(known: Evidence) -> Iterator[str]:
    for id_, attempts in known.attempts.items():
        numbers = [attempt["attempt"] for attempt in attempts]
        won = [attempt for attempt in attempts if attempt["outcome"] == "done"]
        if len(set(numbers)) < len(numbers) or len(won) > 1:
            yield f"{id_} has attempts {[dict(attempt) for attempt in attempts]}"


def _is_refused(request: ClientRequest) -> bool:
    """Whether its client knows for certain that it was refused: each POST was answered, and none in doubt."""
    return (
        bool(request.replies)
        and not request.unanswered
        and not request.acceptances
        and not any(map(_in_doubt, request.replies))
    )


def _in_doubt(reply: object) -> bool:
    body = getattr(reply, "body", b"")
    return b"outcome_unknown" in body or b"request_in_progress" in body


def _refusals(known: Evidence, requests: list[ClientRequest]) -> Iterator[str]:
    for request in filter(_is_refused, requests):
        statuses = Counter(reply.status for reply in request.replies)
        for id_ in known.by_marker[request.marker]:
            saga, hold = known.sagas.get(id_), known.holds.get(id_)
            if saga is not None and saga["state"] != "rejected":
                yield f"{id_} was refused ({statuses}) and yet is {saga['state']}"
            if hold is not None and hold["credits"]:
                yield f"{id_} was refused ({statuses}) and yet {hold['credits']} credits were held"
            if id_ in known.projected:
                shown = known.projected[id_]["state"]
                yield f"{id_} was refused ({request.manner}, {statuses}), and its owner is shown it as {shown}"


def _promises(known: Evidence, requests: list[ClientRequest]) -> Iterator[str]:
    for request in requests:
        ids = {id_of(request, reply) for reply in request.acceptances}
        if len(ids) > (1 if request.key else len(request.acceptances)):
            yield f"{request.key} was promised {len(ids)} generations"
        for id_ in ids:
            saga = known.sagas.get(id_)
            shown = known.projected.get(id_)
            if saga is None and (shown is None or shown["state"] != "cancelled"):
                yield f"{id_} was accepted, and no saga knows it; its owner is shown {shown and shown['state']}"


def _surprises(requests: list[ClientRequest]) -> Iterator[str]:
    """No answer is an unexpected error."""
    for request in requests:
        yield from (f"{request.marker}: {reply.body.decode()}" for reply in request.replies if reply.status == 500)

"""The timeline of one generation from the records of four services. Pure.

Each service stamps its steps with its own database's clock; with one database server, or synchronised ones, that is one
order.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from atelier_gateway.projection.store import Generation
from atelier_gateway.webhooks.delivery_store import WebhookDelivery
from atelier_gateway.webhooks.receiver_urls import host_of

Record = Mapping[str, Any]
STATE_DESCRIPTIONS: Mapping[str, str] = {
    "accepted": "is written down but the saga has not heard of it: its message is still in the gateway's outbox",
    "withdrawn": "was withdrawn before it began",
    "reserving": "waits for billing to hold its credits",
    "queued": "waits for a render worker",
    "rendering": "is being rendered",
    "stopping": "is being stopped: render has been asked to give up and has not answered",
    "delivering": "is rendered and waits to be fetched or acknowledged by its client, who is charged then",
    "capturing": "is rendered and waits for billing to charge it",
    "refunding": "came to nothing and waits for billing to return its credits",
    "rejected": "was declined before anything was made",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "was cancelled",
    "expired": "ran out of time",
}
"""What each state of the saga means, to be read after "This try_on"."""

REMOVED: Mapping[str, str] = {
    "requested": "their owner deleted the generation",
    "retention": "they were kept as long as outputs are kept, or as their request said",
    "undelivered": "they were not delivered within their window",
    "delivered": "they were delivered, and their request has nothing stored",
    "late": "they came after their credits had been returned",
}
"""Why outputs go."""


def operator_timeline(
    id_: object,
    generation: Generation | None,
    saga: Record | None,
    hold: Record | None,
    job: Record | None,
    told: Sequence[WebhookDelivery] = (),
    *,
    missing: Sequence[Record] = (),
    now: datetime | None = None,
) -> dict[str, Any]:
    """``{id, summary, state, steps: [{at, service, what, …}], missing: [{service, reason, lacks}], owner, trace_id,
    request_id, deadline_at, next_timer_at, in_state_s}``, the steps in order of time. ``missing`` names the services
    that did not answer: what they did is not among the steps."""
    state = str(saga["state"]) if saga else generation.snapshot.state if generation else "unknown"
    silent = {gap["service"] for gap in missing}
    steps = [
        *_acceptance_steps(generation),
        *_saga_steps(saga),
        *({**step, "service": "gateway"} for step in delivery_steps(generation)),
        *_postings(hold),
        *_job_steps(job),
        *_webhook_steps(told),
    ]
    return {
        "id": str(id_),
        "summary": summary(state, generation, hold, silent),
        "state": state,
        "steps": sorted(steps, key=lambda step: _moment(step["at"])),
        "missing": [dict(gap) for gap in missing],
        **_origin(generation, saga),
        **_clocks(saga, now),
    }


def _origin(generation: Generation | None, saga: Record | None) -> dict[str, Any]:
    owner = None
    if generation is not None:
        owner = {"kind": generation.owner.kind, "id": str(generation.owner.id)}
    elif saga is not None and "owner_kind" in saga:
        owner = {"kind": saga["owner_kind"], "id": str(saga["owner_id"])}
    return {
        "owner": owner,
        "trace_id": generation.trace_id if generation else None,
        "request_id": generation.request_id if generation else None,
    }


def _clocks(saga: Record | None, now: datetime | None) -> dict[str, Any]:
    """Seconds in its present state, its deadline, and when the saga acts next by itself without news."""
    known = saga or {}
    since = known.get("updated_at")
    return {
        "in_state_s": round((now - _moment(since)).total_seconds(), 3) if now and since else None,
        "deadline_at": known.get("deadline_at"),
        "next_timer_at": known.get("timer_at"),
    }


def summary(state: str, generation: Generation | None, hold: Record | None, silent: Collection[str] = ()) -> str:
    """One sentence for a tired operator: where it stands, and where the money is."""
    what = f"This {generation.kind}" if generation else "This generation"
    error = (generation.snapshot.error if generation else None) or {}
    why = f" ({error['code']}{': ' + error['message'] if error.get('message') else ''})" if error.get("code") else ""
    gaps = f" Missing: {' and '.join(sorted(silent))} did not answer." if silent else ""
    money = "where its credits are is not known" if "billing" in silent else _money(hold)
    return f"{what} {STATE_DESCRIPTIONS.get(state, state)}{why}; {money}.{gaps}"


def with_article(kind: str) -> str:
    """``a try_on``, ``an image``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def in_credits(amount: int) -> str:
    """``1 credit``, ``2 credits``."""
    return f"{amount} credit" if amount == 1 else f"{amount} credits"


def _money(hold: Record | None) -> str:
    if hold is None or not hold.get("credits"):
        return "no credits were held"
    if hold["state"] == "open":
        return f"credits held: {hold['credits']}"
    again = " for an earlier result that was delivered again" if hold.get("reused") else ""
    return (
        f"credits held {hold['credits']}, charged {hold['captured']}{again}, returned {hold['refunded']}{_later(hold)}"
    )


def _later(hold: Record) -> str:
    returned = hold.get("returned", 0)
    return f", and of the charge {returned} by correction" if returned else ""


def _acceptance_steps(generation: Generation | None) -> Iterable[dict[str, Any]]:
    if generation is not None:
        what = f"accepted {with_article(generation.kind)} over the {generation.surface} surface"
        at = generation.created_at.isoformat()
        yield {"at": at, "service": "gateway", "what": what, "price": generation.price}


DELIVERED: Mapping[str, str] = {
    "fetched": "was fetched whole",
    "acknowledged": "was acknowledged",
    "webhook": "was taken by the request's webhook",
}


def delivery_steps(generation: Generation | None) -> Iterable[dict[str, Any]]:
    """What was delivered of a generation that is charged on delivery: ``{at, what}`` an output."""
    handover = generation.snapshot.handover if generation else None
    for delivery in handover.delivered if handover else ():
        yield {"at": delivery.at.isoformat(), "what": f"output {delivery.output} {DELIVERED[delivery.how]}"}


def _saga_steps(saga: Record | None) -> Iterable[dict[str, Any]]:
    for entry in (saga or {}).get("log", ()):
        sent = list(entry.get("sent") or ())
        what = f"{entry['state_from'] or 'new'}: heard {entry['message']}, became {entry['state_to']}"
        yield {
            "at": entry["at"],
            "service": "session",
            "what": f"{what}, sent {', '.join(sent)}" if sent else what,
            "message": entry["message"],
            "message_id": entry.get("message_id"),
            "outcome": entry.get("outcome"),
            "sent": sent,
        }


def _postings(hold: Record | None) -> Iterable[dict[str, Any]]:
    for posting in (hold or {}).get("postings", ()):
        what = f"{posting['kind']}: {in_credits(posting['credits'])} from {posting['debit']} to {posting['credit']}"
        yield {"at": posting["at"], "service": "billing", "what": what, "posting": dict(posting)}


def _job_steps(job: Record | None) -> Iterable[dict[str, Any]]:
    if job is None:
        return
    yield {"at": job["created_at"], "service": "render", "what": "wrote the job down"}
    for attempt in job.get("attempts", ()):
        number, worker = attempt["attempt"], attempt["worker"]
        yield {"at": attempt["started_at"], "service": "render", "what": f"attempt {number} began on {worker}"}
        if attempt["ended_at"]:
            why = f": {attempt['reason']}" if attempt["reason"] else ""
            maker = f", by {attempt['provider']}" if attempt["provider"] else ""
            what = f"attempt {number} ended: {attempt['outcome']}{maker}{why}"
            yield {"at": attempt["ended_at"], "service": "render", "what": what, "provider": attempt["provider"]}
    yield from _submissions(job.get("submissions", ()))
    for removal in job.get("removals", ()):
        what = f"outputs deleted ({removal['outputs']}): {REMOVED[removal['reason']]}"
        yield {"at": removal["removed_at"], "service": "render", "what": what}


def _submissions(submissions: Sequence[Record]) -> Iterable[dict[str, Any]]:
    """The submissions to remote providers in their order, each with its outcome."""
    before = None
    for submission in submissions:
        provider, why = submission["provider"], f": {submission['reason']}" if submission["reason"] else ""
        step = {"service": "render", "provider": provider, "key": submission["key"]}
        if submission["outcome"] == "not_sent":
            yield step | {"at": submission["sent_at"], "what": f"{provider} was passed over{why}"}
        else:
            instead = f", in place of {before}" if before not in (None, provider) else ""
            yield step | {"at": submission["sent_at"], "what": f"asked {provider}, try {submission['try']}{instead}"}
            if submission["lost_at"]:
                what = f"the answer of {provider} was lost: it is asked what became of it"
                yield step | {"at": submission["lost_at"], "what": what}
            if submission["ended_at"]:
                what = f"try {submission['try']} at {provider} ended: {submission['outcome']}{why}"
                yield step | {"at": submission["ended_at"], "what": what, "outcome": submission["outcome"]}
        before = provider


def _webhook_steps(told: Sequence[WebhookDelivery]) -> Iterable[dict[str, Any]]:
    """Of a receiver only the host: the rest of its URL is a secret."""
    for delivery in told:
        for attempt in delivery.attempts:
            answered = attempt["error"] or attempt["status"]
            what = f"webhook {delivery.type} to {host_of(delivery.url)}, try {attempt['number']}: {answered}"
            yield {"at": attempt["at"], "service": "gateway", "what": what, "webhook": str(delivery.id)}


def _moment(at: datetime | str) -> datetime:
    return datetime.fromisoformat(at) if isinstance(at, str) else at

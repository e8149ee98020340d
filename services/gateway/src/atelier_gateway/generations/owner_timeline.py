"""The timeline of a generation for its owner: what happened, when, and where the credits went. Pure.

Operators read ``operator_timeline.py``; workers, providers, messages and attempts that were repeated are theirs alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from atelier_gateway.generations.operator_timeline import STATE_DESCRIPTIONS, delivery_steps, in_credits, with_article
from atelier_gateway.projection.store import Generation
from atelier_gateway.webhooks.delivery_store import WebhookDelivery
from atelier_gateway.webhooks.receiver_urls import host_of

Record = Mapping[str, Any]
BECAME: Mapping[str, str] = {
    "queued": "admitted: it waits for its turn",
    "rendering": "its rendering began",
    "stopping": "it is being stopped",
    "delivering": "it is rendered: its outputs can be taken, and each is charged then",
    "capturing": "it is rendered",
    "refunding": "nothing was delivered; its credits are on their way back",
    "succeeded": "it succeeded",
    "failed": "it failed",
    "cancelled": "it was cancelled",
    "expired": "it ran out of time",
}
"""What each step of the saga means to its owner; a step that is not named means nothing to them."""
POSTED: Mapping[str, str] = {"reserve": "held", "capture": "charged", "refund": "returned"}


def tell(
    generation: Generation, saga: Record | None, hold: Record | None, told: Sequence[WebhookDelivery] = ()
) -> dict[str, Any]:
    """``{id, summary, steps: [{at, what}]}``, the steps in order of time."""
    steps = [
        _request_step(generation),
        *_steps(saga),
        *delivery_steps(generation),
        *_money(hold),
        *_webhook_steps(told),
    ]
    return {
        "id": str(generation.id),
        "summary": _summary(generation),
        "steps": sorted(steps, key=lambda step: datetime.fromisoformat(step["at"])),
    }


def _summary(generation: Generation) -> str:
    now = generation.snapshot
    standing = "is being admitted" if now.state == "accepted" else STATE_DESCRIPTIONS[now.state]
    why = f" ({now.error['message']})" if now.error and now.error.get("message") else ""
    again = " with an earlier result that was delivered again" if now.reused else ""
    money = f"credits held {now.credits_reserved}, charged {now.credits_captured}, returned {now.credits_refunded}"
    return f"This {generation.kind} {standing}{again}{why}; {money}."


def _request_step(generation: Generation) -> dict[str, str]:
    return {"at": generation.created_at.isoformat(), "what": f"{with_article(generation.kind)} was requested"}


def _steps(saga: Record | None) -> Iterable[dict[str, str]]:
    for entry in (saga or {}).get("log", ()):
        if (
            entry["outcome"] == "transition"
            and entry["state_to"] != entry["state_from"]
            and entry["state_to"] in BECAME
        ):
            yield {"at": entry["at"], "what": BECAME[entry["state_to"]]}


def _money(hold: Record | None) -> Iterable[dict[str, str]]:
    for posting in (hold or {}).get("postings", ()):
        if posting["kind"] in POSTED:
            was = "was" if posting["credits"] == 1 else "were"
            yield {"at": posting["at"], "what": f"{in_credits(posting['credits'])} {was} {POSTED[posting['kind']]}"}


def _webhook_steps(told: Sequence[WebhookDelivery]) -> Iterable[dict[str, str]]:
    for delivery in told:
        if delivery.attempts and delivery.state != "pending":
            how = "was taken" if delivery.state == "delivered" else "was not taken"
            host = host_of(delivery.url)
            what = f"the webhook {delivery.type} {how} by {host}"
            yield {"at": delivery.attempts[-1]["at"], "what": what}

"""How the native surface renders generations and receipts. Pure but for the signing of URLs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from starlette.responses import Response

from atelier_gateway.generations.delivery import ON_DELIVERY
from atelier_gateway.generations.model_notices import maker_view
from atelier_gateway.generations.request_record import without_signatures
from atelier_gateway.identity.client_tokens import CLIENT, end_user_of
from atelier_gateway.projection.handover import Handover
from atelier_gateway.projection.snapshot import Snapshot, State
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.web.json_bodies import json_response
from atelier_storage.objects import PRESIGN_S_MAX

NO_QUEUE_POSITION: Mapping[str, Any] = {"queue_position": None, "eta_s": None, "eta_p90_s": None}
"""The queue position, where none is known."""
STATUSES: Mapping[str, tuple[State, ...]] = {
    "queued": ("accepted", "queued"),
    "rendering": ("rendering",),
    "delivering": ("delivering",),
    "succeeded": ("succeeded",),
    "failed": ("failed",),
    "cancelled": ("cancelled",),
    "expired": ("expired",),
    "rejected": ("rejected",),
}
"""The status words of this surface, and what they stand for."""
AS_MADE = ("size", "format", "n", "seed", "language")
"""The fields shown as they are rendered: filled in where the request left them open."""
AS_ASKED = ("prompt", "style", "quality")
_WORDS = {state: word for word, states in STATUSES.items() for state in states}


class UrlSigner(Protocol):
    """Signs URLs of objects: the object store, or a signer that defers it."""

    def presign_get(self, key: str, expires_s: int) -> str:
        """A URL to read it by."""
        ...


def render_accepted(generation: NewGeneration, public_url: str) -> Response:
    """The 201 of a create: the generation as it was at that moment, also when it is replayed later."""
    at_first = Snapshot(state="queued", credits_reserved=generation.price)
    return json_response(_fields(generation, at_first, [], public_url), 201)


def generation_view(
    generation: Generation, objects: UrlSigner, public_url: str, place: Mapping[str, Any] = NO_QUEUE_POSITION
) -> dict[str, Any]:
    """The generation as it is now; output URLs are signed as they are read, for 15 minutes. What is charged on delivery
    has URLs of the gateway until then, which notices that they are read; a thumbnail would be a part of it for nothing.
    """
    handover = generation.snapshot.handover
    outputs = [
        _output(
            output,
            objects.presign_get(output["key"], PRESIGN_S_MAX),
            objects.presign_get(small, PRESIGN_S_MAX) if (small := output.get("thumbnail")) else None,
        )
        for output in generation.snapshot.outputs
    ]
    if generation.snapshot.state == "delivering" and handover is not None and not handover.is_closed:
        here = f"{public_url}/v1/generations/{generation.id}/outputs"
        outputs = [_output(output, f"{here}/{number}", None) for number, output in enumerate(handover.outputs)]
    return {**_fields(generation, generation.snapshot, outputs, public_url), **place}


def _output(output: Mapping[str, Any], url: str, thumbnail: str | None) -> dict[str, Any]:
    return {
        "url": url,
        "key": output["key"],
        "content_type": output["content_type"],
        "width": output.get("width"),
        "height": output.get("height"),
        "checksum": f"sha256:{output['sha256']}",
        "thumbnail": thumbnail,
        "colours": list(output.get("colours", ())),
        "tags": list(output.get("tags", ())),
    }


def delivery_view(generation: NewGeneration, snapshot: Snapshot) -> dict[str, Any] | None:
    """Until when its outputs are to be taken, and which were, how and when; None where it is charged on completion."""
    if generation.request.get("charge") != ON_DELIVERY:
        return None
    handover = snapshot.handover or Handover()
    return {
        "deliver_to": without_signatures(generation.request).get("deliver_to"),
        "window_s": generation.request.get("delivery_window_s"),
        "deliver_by": _moment(handover.deliver_by),
        "delivered": [
            {"output": each.output, "how": each.how, "at": each.at.isoformat()} for each in handover.delivered
        ],
    }


def receipt(
    generation: Generation, hold: Mapping[str, Any] | None, made_of: Sequence[tuple[str, str]] = ()
) -> dict[str, Any]:
    """The itemised charge, from billing's own postings; all zeros where no hold was ever placed. ``made_of``: category
    and SHA-256 of the stored inputs, which are what was priced."""
    hold = hold or {}
    return {
        "generation_id": str(generation.id),
        "test": generation.owner.is_test,
        "kind": generation.kind,
        "status": status_of(generation.snapshot.state),
        "model": generation.request.get("model"),
        "successor": generation.request.get("successor"),
        "made_by": maker_view(generation.snapshot),
        "metadata": metadata_of(generation),
        "charge": _charge(generation),
        "delivery": delivery_view(generation, generation.snapshot),
        "price_book": hold.get("price_book"),
        "units": hold.get("units", 0),
        "inputs": [{"category": category, "checksum": f"sha256:{sha256}"} for category, sha256 in made_of],
        "reused": hold.get("reused", False),
        "credits": {
            "reserved": hold.get("credits", 0),
            "captured": hold.get("captured", 0),
            "refunded": hold.get("refunded", 0),
            "returned": hold.get("returned", 0),
        },
        "entries": [
            {name: posting.get(name) for name in ("at", "kind", "debit", "credit", "credits")}
            for posting in hold.get("postings", [])
        ],
    }


def status_of(state: State) -> str:
    """The word this surface has for it."""
    return _WORDS[state]


def _fields(
    generation: NewGeneration, snapshot: Snapshot, outputs: list[dict[str, Any]], public_url: str
) -> dict[str, Any]:
    here = f"{public_url}/v1/generations/{generation.id}"
    return {
        "id": str(generation.id),
        "test": generation.owner.is_test,
        "kind": generation.kind,
        "status": status_of(snapshot.state),
        "progress": snapshot.progress,
        **NO_QUEUE_POSITION,
        "provider": snapshot.maker or generation.request.get("provider"),
        "asked_provider": generation.request.get("asked_provider") or generation.request.get("provider"),
        "model": generation.request.get("model"),
        "successor": generation.request.get("successor"),
        "made_by": maker_view(snapshot),
        **_request(generation),
        "charge": _charge(generation),
        "delivery": delivery_view(generation, snapshot),
        "reused": snapshot.reused,
        "credits": {
            "reserved": snapshot.credits_reserved,
            "captured": snapshot.credits_captured,
            "refunded": snapshot.credits_refunded,
            "returned": snapshot.credits_returned,
        },
        "outputs": outputs,
        "error": _error(generation, snapshot),
        "created_at": generation.created_at.isoformat(),
        "started_at": _moment(snapshot.started_at),
        "ended_at": _moment(snapshot.ended_at),
        "links": {"self": here} | {name: f"{here}/{name}" for name in _links(generation)},
    }


def _error(generation: NewGeneration, snapshot: Snapshot) -> dict[str, Any] | None:
    """Without the balance where a client token made it: that is for the store to know."""
    if snapshot.error is None or CLIENT not in generation.request:
        return snapshot.error
    return {name: value for name, value in snapshot.error.items() if name != "available"}


def _links(generation: NewGeneration) -> tuple[str, ...]:
    links = ("cancel", "events", "explain", "receipt")
    return (*links, "delivery") if generation.request.get("charge") == ON_DELIVERY else links


def metadata_of(generation: NewGeneration) -> dict[str, str]:
    """What the client wrote on the request for its own use."""
    return dict(generation.request.get("metadata") or {})


def _request(generation: NewGeneration) -> dict[str, Any]:
    """The request, from any surface, in the words of this one; fields without effect on the kind are null."""
    request = generation.request
    spec: Mapping[str, Any] = request.get("spec", {})
    is_narration = generation.kind == "narration"
    shown = {name: spec.get(name) for name in AS_MADE}
    shown |= {name: request.get(name) or spec.get(name) for name in AS_ASKED}
    return shown | {
        "format": None if is_narration else shown["format"],
        "audio_format": spec.get("audio_format") if is_narration else None,
        "inputs": [{name: given.get(name) for name in ("role", "key", "url")} for given in spec.get("inputs", ())],
        "reuse": bool(spec.get("reuse")),
        "priority": spec.get("priority", "normal"),
        "end_user": end_user_of(request),
        "deadline_s": request.get("deadline_s"),
        "providers": request.get("providers"),
        "exclude_providers": request.get("exclude_providers"),
        "start_within_s": request.get("start_within_s"),
        "retry": request.get("retry"),
        "store": request.get("store"),
        "webhook_url": request.get("webhook_url"),
        "metadata": metadata_of(generation),
    }


def _charge(generation: NewGeneration) -> str:
    return str(generation.request.get("charge", "on_completion"))


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None

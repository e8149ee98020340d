"""Image requests and the wait for their outcome: what the images and the OpenAI surface have in common."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from atelier_contracts import InputRef, OpenAIOptions, Owner, RenderSpec, Simulation, Work
from atelier_contracts.image_models import RECOMMENDED_MODELS
from atelier_contracts.value_objects import ImageFormat
from atelier_gateway.container import Container
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.image_models import (
    DEFAULT_PROVIDER,
    ResolvedModel,
    UnsupportedModelOption,
    default_model,
    resolve,
)
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER, fingerprint, validate_key
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import not_found
from atelier_gateway.web.simulate_header import SIMULATE_HEADER, parse_simulation


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """Requested images. ``body`` is what the client sent; ``fingerprint_parts`` are what makes two requests equal."""

    choice: ResolvedModel
    prompt: str | None
    n: int
    asked: Mapping[str, Any]
    same: tuple[str, ...]
    inputs: tuple[InputRef, ...] = ()
    format: ImageFormat = "png"
    model: str | None = None
    """As the client named it: a name is an order, and no other model stands in for it."""
    reuse: bool = False
    openai: OpenAIOptions | None = None
    previews: int = 0
    transparent: bool = False
    compression: int | None = None


def choose_model(
    container: Container,
    *,
    provider: str | None = None,
    model: str | None = None,
    size: str | None = None,
    quality: str | None = None,
    style: str | None = None,
    usual: str | None = None,
) -> ResolvedModel | UnsupportedModelOption:
    """Resolves the words of a request. Without a model: ``usual``, else what the provider recommends, else the first
    that the provider lists here."""
    if model is None:
        for known in RECOMMENDED_MODELS:
            if known == (provider or DEFAULT_PROVIDER):
                model = container.catalogue.default_model(known, usual or default_model(known, size))
    today = container.today()
    return resolve(provider=provider, model=model, size=size, quality=quality, style=style, today=today)


def key_and_fingerprint(request: Request, same: Iterable[str]) -> tuple[str | None, bytes]:
    """The Idempotency-Key, and the fingerprint of the request. Raises Problem 400."""
    return validate_key(request.headers.get(IDEMPOTENCY_KEY_HEADER)), fingerprint(
        *same, request.headers.get(SIMULATE_HEADER) or ""
    )


def build_draft(container: Container, request: Request, order: ImageRequest, *, owner: Owner, deadline_s: int) -> Draft:
    """The request as a draft. Raises Problem 400."""
    key, same = key_and_fingerprint(request, order.same)
    simulation = parse_simulation(request.headers.get(SIMULATE_HEADER), allowed=container.simulates(owner))
    draft = build_unkeyed_draft(container, order, simulation, deadline_s=deadline_s)
    return replace(draft, key=key, fingerprint=same)


def build_unkeyed_draft(
    container: Container, order: ImageRequest, simulation: Simulation | None, *, deadline_s: int
) -> Draft:
    """The images as a draft, without an Idempotency-Key."""
    choice, maker = order.choice, container.catalogue.effective_provider(order.choice.provider)
    return Draft(
        work=Work(kind="image", quality=choice.quality, size=choice.priced_size, n=order.n),
        spec=RenderSpec(
            kind="image",
            prompt=order.prompt,
            inputs=order.inputs,
            size=choice.size,
            style=choice.style,
            quality=choice.quality,
            format=order.format,
            n=order.n,
            provider=maker,
            model=order.model,
            reuse=order.reuse,
            openai=order.openai,
            previews=order.previews,
            transparent=order.transparent,
            compression=order.compression,
            simulate=simulation,
        ),
        request={
            **order.asked,
            "provider": maker,
            "model": choice.model,
            "asked_provider": choice.provider,
            **({"successor": choice.successor} if choice.successor else {}),
        },
        deadline_s=deadline_s,
    )


async def wait_for_outcome(
    container: Container, owner: Owner, accepted: Response, timeout_s: float, caller: WaitingClient
) -> Generation | None:
    """The generation of an accepted create, once it has ended; None if it has not within that time.

    Raises Problem 404 for one that was deleted in the meantime, ClientDisconnect when the client has left.
    """
    id_ = caller.generation_id = generation_id_of(accepted)
    if await container.waiter.wait_until_ended(id_, timeout_s, caller) is None:
        return None
    generation = await projection_store.find_for_owner(container.pool, id_, owner)
    if generation is None:
        raise not_found("generation")
    return generation


def generation_id_of(accepted: Response) -> UUID:
    """The id of the generation in the response to a create, replayed or not."""
    return UUID(json.loads(bytes(accepted.body))["data"]["id"])

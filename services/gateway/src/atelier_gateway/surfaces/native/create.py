"""Parses and validates a create request of the native surface."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from starlette.requests import Request

from atelier_contracts import InputRef, RenderSpec, Simulation, Work
from atelier_gateway.container import Container
from atelier_gateway.generations import input_rules
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.delivery import ON_DELIVERY
from atelier_gateway.generations.image_models import (
    DEFAULT_SIZE,
    MODELS,
    ResolvedModel,
    UnsupportedModelOption,
    nearest_size,
)
from atelier_gateway.generations.provider_catalogue import ACCOUNTS, UnsupportedOption, option_problem
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.store import file_use_of
from atelier_gateway.surfaces import image_requests
from atelier_gateway.surfaces.create_headers import CreateHeaders
from atelier_gateway.surfaces.native.client_rules import check_client
from atelier_gateway.surfaces.native.narration_text import Text, resolve_text
from atelier_gateway.surfaces.native.requests import GenerationRequest
from atelier_gateway.web.json_bodies import parse_body
from atelier_gateway.web.problems import field_problem
from atelier_pricing import image_sizes


@dataclass(frozen=True, slots=True)
class ParsedCreate:
    """A create request, parsed and validated; nothing is admitted yet."""

    body: GenerationRequest
    choice: ResolvedModel | None
    """The image model, where the request names a provider's."""
    text: Text | None
    """The text of a narration."""
    simulated: Simulation | None
    key: str | None
    fingerprint: bytes
    size: str | None
    """As requested, or, for an image made from another, the nearest in shape."""

    @property
    def is_sized_by_image(self) -> bool:
        """Whether the size follows from an input image, since the request has none."""
        return self.body.kind == "image" and self.body.size is None and "image" in self.body.roles

    @property
    def work(self) -> Work:
        """What the price depends on."""
        body, choice = self.body, self.choice
        quality, size = (choice.quality, choice.priced_size) if choice else (body.quality, self.size)
        characters = len(self.text.content) if self.text else 0
        return Work(kind=body.kind, quality=quality, size=size, n=body.n, characters=characters)


async def parse_create(container: Container, request: Request, principal: Principal) -> ParsedCreate:
    """The request, parsed. Raises Problem 400, 413."""
    headers = CreateHeaders.read(request, allowed=container.simulates(principal.owner))
    return await check_create(container, principal, await parse_body(request, GenerationRequest), headers)


async def check_create(
    container: Container, principal: Principal, body: GenerationRequest, headers: CreateHeaders
) -> ParsedCreate:
    """The body, validated against what is offered here. Raises Problem 400."""
    await check_client(container, principal, body)
    input_rules.check_inputs(body.kind, body.roles, body.prompt)
    container.receiver_policy.request_fields(body.webhook_url, "webhook_url")
    for index, url in enumerate(body.deliver_to or ()):
        container.receiver_policy.check(url, f"deliver_to.{index}")
    _check_window(container, body)
    _check_start(container, body)
    _check_providers(container, body)
    _check_model(container, body)
    choice = _choose_model(container, body)
    text = await resolve_text(container, principal, body)
    fingerprint = headers.fingerprint(body.canonical_json())
    return ParsedCreate(body, choice, text, headers.simulation, headers.key, fingerprint, body.size)


def fit_size(container: Container, create: ParsedCreate, shape: tuple[int, int] | None) -> ParsedCreate:
    """Without a size in the request: the priced size nearest to the shape (width and height) of its first input image;
    the square where the shape is unknown (foreign URLs)."""
    if not create.is_sized_by_image:
        return create
    sizes = MODELS[create.choice.model].sizes if create.choice else image_sizes(create.body.quality)
    size = nearest_size(sizes, *shape) if shape and sizes else DEFAULT_SIZE
    return replace(create, size=size, choice=_choose_model(container, create.body, size))


async def build_draft(
    container: Container, principal: Principal, create: ParsedCreate, body: GenerationRequest
) -> Draft:
    """The request as a draft; ``body`` is its body with inline inputs replaced by keys. Raises Problem."""
    requested = [input_.to_requested_input(index) for index, input_ in enumerate(body.inputs) if input_.role != "text"]
    references = await container.input_resolver.resolve(principal.owner, requested)
    if create.is_sized_by_image:
        first = next((ref.key for ref in references if ref.role == "image"), None)
        picture = await container.media_intake.find_picture(principal, first) if first else None
        create = fit_size(container, create, (picture.width, picture.height) if picture else None)
    spec = _spec(container, create, body, references)
    window_s = _delivery_window_s(container, body)
    return Draft(
        work=create.work,
        spec=spec,
        uses=[file_use_of(order, reference) for order, reference in enumerate(spec.inputs)],
        request=body.model_dump(mode="json", exclude_defaults=True)
        | ({"provider": spec.provider} if spec.provider else {})
        | ({"delivery_window_s": window_s} if window_s else {})
        | ({"successor": create.choice.successor} if create.choice and create.choice.successor else {}),
        deadline_s=body.deadline_s or container.settings.generation_deadline_s,
        key=create.key,
        fingerprint=create.fingerprint,
        max_credits=body.max_credits,
        start_within_s=body.start_within_s,
        delivery_window_s=window_s,
        quote=body.quote,
    )


def _check_window(container: Container, body: GenerationRequest) -> None:
    """Raises Problem 400 for a longer delivery window than this installation allows."""
    most = container.settings.delivery_window_s
    if body.delivery_window_s is not None and body.delivery_window_s > most:
        raise field_problem("delivery_window_s", f"at most {most} seconds are allowed here")


def _check_start(container: Container, body: GenerationRequest) -> None:
    """Raises Problem 400 for a start deadline that the deadline comes before."""
    deadline_s = body.deadline_s or container.settings.generation_deadline_s
    if body.start_within_s is not None and body.start_within_s >= deadline_s:
        raise field_problem("start_within_s", f"it is less than deadline_s, {deadline_s} seconds")


def _check_providers(container: Container, body: GenerationRequest) -> None:
    """Raises Problem 400 for a name that no provider has; for none while the catalogue is unknown."""
    known = dict.fromkeys((*(provider["name"] for provider in container.catalogue.providers), *ACCOUNTS))
    for field, names in (("providers", body.providers), ("exclude_providers", body.exclude_providers)):
        for name in names or () if container.catalogue.is_known else ():
            if name not in known:
                raise field_problem(field, f"there is no provider {name}; there are {', '.join(known)}")
    if excluded := [
        name for name in (body.provider, *(body.providers or ())) if name in (body.exclude_providers or ())
    ]:
        raise field_problem("exclude_providers", f"{excluded[0]} is asked for and excluded")


def _delivery_window_s(container: Container, body: GenerationRequest) -> int | None:
    """Seconds in which the outputs are to be taken; None where they are charged on completion."""
    if body.charge != ON_DELIVERY:
        return None
    return body.delivery_window_s or container.settings.delivery_window_s


def _check_model(container: Container, body: GenerationRequest) -> None:
    """Raises Problem 400 for a model that no provider lists for the kind; for none while the catalogue is unknown. A
    model of a provider without an account here passes: its error is another (503)."""
    listed, sold = container.catalogue.models(body.kind), list[str]()
    if body.kind == "image":
        sold = [name for name, model in MODELS.items() if container.catalogue.is_offered(name, model.provider)]
        listed += [name for name in MODELS if name not in listed]
    if body.model is None or body.model in listed or not container.catalogue.is_known:
        return
    there_are = ", ".join(dict.fromkeys((*sold, *container.catalogue.models(body.kind))))
    known = f"one of {there_are} is required" if there_are else f"nobody here names models of {body.kind}; leave it out"
    raise field_problem("model", f"there is no model {body.model}; {known}")


def _choose_model(container: Container, body: GenerationRequest, size: str | None = None) -> ResolvedModel | None:
    """The resolved image model of a provider; None without one, or for a model unknown here. Raises Problem 400."""
    if body.kind != "image" or not (body.provider in ACCOUNTS or (body.provider is None and body.model in MODELS)):
        return None
    choice = image_requests.choose_model(
        container,
        provider=body.provider,
        model=body.model,
        size=size or body.size,
        quality=body.quality,
        style=body.style,
    )
    if isinstance(choice, UnsupportedModelOption):
        raise option_problem(UnsupportedOption(choice.field, choice.message))
    return choice


def _spec(
    container: Container, create: ParsedCreate, body: GenerationRequest, references: Sequence[InputRef]
) -> RenderSpec:
    choice = create.choice
    return RenderSpec(
        kind=body.kind,
        prompt=body.prompt,
        inputs=(*_text_inputs(create.text, body), *references),
        size=choice.size if choice else create.size,
        style=choice.style if choice else body.style,
        quality=choice.quality if choice else body.quality,
        format=body.format,
        n=body.n,
        seed=body.seed,
        provider=container.catalogue.effective_provider(choice.provider) if choice else body.provider,
        model=body.model,
        language=body.language,
        audio_format=body.audio_format,
        reuse=body.reuse,
        priority=body.priority,
        simulate=create.simulated,
        providers=tuple(body.providers or ()),
        excluded_providers=tuple(body.exclude_providers or ()),
        retry=body.retry is None,
        keep_s=body.keep_s,
        keep_for_reuse=body.charge != ON_DELIVERY,
    )


def _text_inputs(text: Text | None, body: GenerationRequest) -> tuple[InputRef, ...]:
    """The stored object with exactly the characters that were counted; none where the prompt is the text."""
    if text is None:
        return ()
    stored = text.stored.key if text.stored else None
    keys = (stored or input_.key for input_ in body.inputs if input_.role == "text")
    return tuple(InputRef(role="text", key=key, sha256=text.sha256) for key in keys)

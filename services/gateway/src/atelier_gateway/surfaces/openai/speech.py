"""Speaks texts for OpenAI's clients: a narration, whose sound is the answer. A sound that is not made costs nothing."""

from collections.abc import Sequence
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts import InputRef, RenderSpec, SpeechOptions, Work
from atelier_contracts.value_objects import AudioFormat
from atelier_gateway.container import Container
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.failure_problems import FieldNames
from atelier_gateway.generations.model_notices import notice_headers
from atelier_gateway.generations.provider_catalogue import UnsupportedOption
from atelier_gateway.generations.rollback import rollback_unless_admitted
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.generations.undelivered_results import RequestIdentity
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.store import StoredText, file_use_of
from atelier_gateway.projection.store import Generation
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces import image_requests
from atelier_gateway.surfaces.openai import delivery, openapi
from atelier_gateway.surfaces.openai.create import MADE_S_MAX, PAID_BACK_S_MAX, PER_OWNER, deliver
from atelier_gateway.surfaces.openai.errors import render_problem
from atelier_gateway.surfaces.openai.responses import SURFACE, render_accepted
from atelier_gateway.surfaces.openai.sounds import PCM_RATE_HZ, sound_response
from atelier_gateway.surfaces.openai.speech_requests import OpenAISpeechRequest, SpeechFormat, choose_model
from atelier_gateway.web.json_bodies import parse_body
from atelier_gateway.web.problems import Problem, field_problem
from atelier_gateway.web.simulate_header import SIMULATE_HEADER, parse_simulation

PATH = "/v1/audio/speech"
ROUTE = f"POST {PATH}"
FIELDS = FieldNames("input", "input")


def router(container: Container) -> APIRouter:
    """The one route."""
    routes = APIRouter(tags=["Speech (OpenAI's shape)"])

    @routes.post(PATH, responses=openapi.SPOKEN, openapi_extra=openapi.speaking(OpenAISpeechRequest))
    async def create_speech(request: Request) -> Response:
        """Create speech from a text. The answer is the sound."""
        return await with_rate_limits(container.rate_limiter, lambda gate: _create(container, request, gate))

    return routes


async def _create(container: Container, request: Request, gate: RequestLimits) -> Response:
    """200 with the sound. Raises Problem."""
    principal = await container.authenticator.authenticate(request.headers)
    await gate.take(PER_OWNER, f"{principal.owner.kind}:{principal.owner.id}")
    body = await parse_body(request, OpenAISpeechRequest)
    model = choose_model(container, body)
    key, fingerprint = image_requests.key_and_fingerprint(request, (body.model_dump_json(),))
    same = RequestIdentity(principal.owner, ROUTE, fingerprint)
    async with container.disconnects.watch(request, key=key, same=same) as caller:
        undelivered = await delivery.find_undelivered(container, request, caller)
        if undelivered is not None:
            return await deliver(container, caller, _respond(container, undelivered, body, replayed=True))
        shape = SurfaceResponses(SURFACE, ROUTE, render_accepted, render_problem, _voice_problem)
        make = partial(_store_and_admit, container, request, principal, shape, body, model)
        accepted = await container.creator.replay_or_run(principal, shape, key, fingerprint, make)
        if accepted.status_code != 202:
            return accepted
        timeout_s = MADE_S_MAX + PAID_BACK_S_MAX
        generation = await delivery.wait_for_outputs(container, principal, accepted, caller, timeout_s, key, FIELDS)
        replayed = REPLAYED_HEADER in accepted.headers
        return await deliver(container, caller, _respond(container, generation, body, replayed=replayed))


async def _store_and_admit(
    container: Container,
    request: Request,
    principal: Principal,
    shape: SurfaceResponses,
    body: OpenAISpeechRequest,
    model: str | None,
) -> Response:
    """Stores the text and admits the narration; removes the text if it is not admitted."""
    stored: list[StoredText] = []
    async with rollback_unless_admitted(partial(_discard, container, principal, stored)) as attempt:
        stored.append(await container.media_intake.store_text(principal, body.input))
        draft = _draft(container, request, principal, body, model, stored[0])
        return attempt.resolve(await container.creator.create(principal, draft, shape))


async def _discard(container: Container, principal: Principal, stored: Sequence[StoredText]) -> None:
    for text in stored:
        await container.media_intake.discard(principal, text)


def _draft(
    container: Container,
    request: Request,
    principal: Principal,
    body: OpenAISpeechRequest,
    model: str | None,
    text: StoredText,
) -> Draft:
    """The request as a draft. Raises Problem 400."""
    key, same = image_requests.key_and_fingerprint(request, (body.model_dump_json(),))
    reference, is_pcm = InputRef(role="text", key=text.key, sha256=text.sha256), body.response_format == "pcm"
    return Draft(
        work=Work(kind="narration", characters=len(body.input)),
        spec=RenderSpec(
            kind="narration",
            inputs=(reference,),
            style=body.voice,
            model=model,
            audio_format=_stored_format(body.response_format),
            speech=SpeechOptions(
                speed=body.speed or 1.0,
                instructions=body.instructions or None,
                rate_hz=PCM_RATE_HZ if is_pcm else None,
            ),
            simulate=parse_simulation(
                request.headers.get(SIMULATE_HEADER), allowed=container.simulates(principal.owner)
            ),
        ),
        request=body.model_dump(mode="json", exclude_none=True, exclude={"input"}),
        deadline_s=min(MADE_S_MAX, container.settings.generation_deadline_s),
        key=key,
        fingerprint=same,
        uses=[file_use_of(0, reference)],
    )


def _stored_format(asked: SpeechFormat | None) -> AudioFormat:
    """Bare samples are those of a WAV."""
    return "wav" if asked == "pcm" else asked or "mp3"


async def _respond(
    container: Container, generation: Generation, body: OpenAISpeechRequest, *, replayed: bool
) -> Response:
    response = await sound_response(container, generation, body)
    response.headers["X-Generation-Id"] = str(generation.id)
    response.headers.update(notice_headers(body.model))
    if replayed:
        response.headers[REPLAYED_HEADER] = "true"
    return response


def _voice_problem(found: UnsupportedOption) -> Problem:
    code = "model_not_found" if found.field == "model" else "invalid_request"
    return field_problem("voice" if found.field == "style" else found.field, found.message, code)

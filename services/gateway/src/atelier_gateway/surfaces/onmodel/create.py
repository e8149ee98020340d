"""Creates a generation from product photos (seed 004): decodes, stores, admits, waits."""

import asyncio
import hashlib
import json
from dataclasses import replace
from functools import partial
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from atelier_contracts import RenderSpec, Work
from atelier_gateway.container import Container
from atelier_gateway.generations import failure_problems, input_rules
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.creation import Draft
from atelier_gateway.generations.rollback import rollback_unless_admitted
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.idempotency.keys import REPLAYED_HEADER
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media import data_uris
from atelier_gateway.media.input_references import input_ref_of
from atelier_gateway.media.intake import ImageRefused, StoredPicture
from atelier_gateway.media.store import CATEGORIES, FileUse
from atelier_gateway.projection import store as projection_store
from atelier_gateway.surfaces.create_headers import CreateHeaders
from atelier_gateway.surfaces.onmodel.requests import (
    PHOTO_BYTES_MAX,
    REQUEST_BYTES_MAX,
    FlatLayRequest,
    check_catalogue,
    feature_of,
    invalid_field,
    mannequin_of,
)
from atelier_gateway.surfaces.onmodel.responses import (
    CREATE_PATH,
    SURFACE,
    job_view,
    option_problem,
    render_accepted,
    render_problem,
)
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.prefer import prefers_waiting
from atelier_gateway.web.problems import Problem, not_found


async def create(container: Container, request: Request) -> Response:
    """200 with the picture, or 202 while it is rendered. Raises Problem."""
    principal = await container.authenticator.user_principal(request.headers)
    feature = feature_of(request.query_params.keys())
    headers = CreateHeaders.read(request, allowed=container.simulates())
    body = await parse_body(request, feature.body)
    check_catalogue(body)
    photos = await asyncio.to_thread(_decode_photos, body)
    draft = Draft(
        work=Work(kind=feature.kind, quality=body.options.quality),
        spec=RenderSpec(
            kind=feature.kind,
            quality=body.options.quality,
            format=body.options.format,
            mannequin=mannequin_of(body),
            background=body.backgroundId,
            simulate=headers.simulation,
        ),
        request=_request_record(body),
        deadline_s=container.settings.generation_deadline_s,
        key=headers.key,
        fingerprint=headers.fingerprint(json.dumps(_request_record(body)), *map(_sha256, photos)),
    )
    shape = SurfaceResponses(
        SURFACE, f"POST {CREATE_PATH}?{feature.name}", render_accepted, render_problem, option_problem
    )
    create = partial(_store_and_admit, container, principal, draft, photos, shape)
    if not prefers_waiting(request.headers):
        return await container.creator.replay_or_run(principal, shape, draft.key, draft.fingerprint, create)
    async with container.disconnects.watch(request, key=draft.key) as caller:
        response = await container.creator.replay_or_run(principal, shape, draft.key, draft.fingerprint, create)
        if response.status_code != 202:
            return response
        return container.disconnects.monitor_response(
            caller, await _wait_for_result(container, principal, response, caller)
        )


def _decode_photos(body: FlatLayRequest) -> list[bytes]:
    """Raises Problem 400, or 413 for a photo that is too large."""
    photos = []
    for index, photo in enumerate(body.photos):
        data = data_uris.read(photo.image, bytes_max=REQUEST_BYTES_MAX, types=data_uris.SEED_TYPES)
        if isinstance(data, data_uris.DataUriRefused):
            raise invalid_field(f"photos.{index}.image", data.message)
        if len(data) > PHOTO_BYTES_MAX:
            raise Problem("request_too_large", f"photos.{index}.image: a photo has at most {PHOTO_BYTES_MAX} bytes.")
        photos.append(data)
    return photos


async def _store_and_admit(
    container: Container, principal: Principal, draft: Draft, photos: list[bytes], shape: SurfaceResponses
) -> Response:
    """Stores the photos and admits the generation; removes the photos if it is not admitted."""
    await container.balance_check.require(principal.owner, input_rules.price_or_refuse(draft.work).credits)
    stored: list[StoredPicture] = []

    async def discard() -> None:
        for picture in stored:
            await container.media_intake.discard(principal, picture)

    async with rollback_unless_admitted(discard) as attempt:
        for index, data in enumerate(photos):
            stored.append(await _store_photo(container, principal, index, data))
        return attempt.resolve(await container.creator.create(principal, _with_photos(draft, stored), shape))


async def _store_photo(container: Container, principal: Principal, index: int, data: bytes) -> StoredPicture:
    picture = await container.media_intake.store_picture(principal, data, role="photo", filename=f"photo-{index + 1}")
    if isinstance(picture, ImageRefused):
        raise invalid_field(f"photos.{index}.image", picture.message)
    return picture


def _with_photos(draft: Draft, stored: list[StoredPicture]) -> Draft:
    inputs = tuple(input_ref_of("photo", picture) for picture in stored)
    uses = [
        FileUse(CATEGORIES["photo"], f"photo-{order + 1}", key=picture.key, is_primary=order == 0, image_order=order)
        for order, picture in enumerate(stored)
    ]
    return replace(draft, spec=draft.spec.model_copy(update={"inputs": inputs}), uses=uses)


async def _wait_for_result(
    container: Container, principal: Principal, started: Response, caller: WaitingClient
) -> Response:
    """200 with the picture, a problem if it has failed, or the 202 if it takes longer than the wait."""
    job = caller.generation_id = UUID(json.loads(bytes(started.body))["job_id"])
    if await container.waiter.wait_until_ended(job, container.settings.sync_wait_s, caller) is None:
        return started
    generation = await projection_store.find_for_owner(container.pool, job, principal.owner)
    if generation is None:
        raise not_found("job")
    if generation.snapshot.state != "succeeded":
        raise failure_problems.problem_of(generation, failure_problems.FieldNames(None, "photos"))
    response = json_response(job_view(generation, container.objects))
    if replayed := started.headers.get(REPLAYED_HEADER):
        response.headers[REPLAYED_HEADER] = replayed
    return response


def _request_record(body: FlatLayRequest) -> dict[str, object]:
    """The request without the bytes of the photos, which are in the object store."""
    return body.model_dump(mode="json", exclude={"photos"}) | {"photos": [photo.id for photo in body.photos]}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""The price of a create, without storing its inputs: a quote leaves nothing behind."""

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media import data_uris
from atelier_gateway.media import store as media_store
from atelier_gateway.media.data_uris import DataUriRefused
from atelier_gateway.media.input_references import INPUT_BYTES_MAX
from atelier_gateway.surfaces.native.create import ParsedCreate, fit_size
from atelier_gateway.surfaces.native.requests import PICTURE_BYTES_MAX, GenerationInput
from atelier_imaging import PhotoInfo
from atelier_storage.errors import ObjectMissing, ObjectTooLarge, StorageUnavailable
from atelier_storage.keys import belongs_to


async def fit_quote_size(container: Container, principal: Principal, create: ParsedCreate) -> ParsedCreate:
    """The request in the size that it would be rendered in."""
    if not create.is_sized_by_image:
        return create
    first = next(input_ for input_ in create.body.inputs if input_.role == "image")
    return fit_size(container, create, await _image_size(container, principal, first))


async def _image_size(container: Container, principal: Principal, given: GenerationInput) -> tuple[int, int] | None:
    """Width and height of the image; None if it is no image or cannot be read here: the create refuses it."""
    if given.data is not None:
        data = data_uris.read(given.data, bytes_max=PICTURE_BYTES_MAX)
        return None if isinstance(data, DataUriRefused) else await _measure(container, principal.owner, data)
    text, owner = given.key or given.url or "", principal.owner
    key = container.objects.key_of(text) if "://" in text else text
    if not key or not belongs_to(key, owner.kind, owner.id):
        return None
    known = (await media_store.find(container.pool, owner, [key])).get(key)
    if known is not None:
        return (known.width, known.height) if known.width and known.height else None
    try:
        return await _measure(container, owner, await container.objects.get(key, INPUT_BYTES_MAX))
    except (ObjectMissing, ObjectTooLarge, StorageUnavailable):
        return None


async def _measure(container: Container, owner: Owner, data: bytes) -> tuple[int, int] | None:
    found = await container.media_intake.measure(owner, data)
    return (found.width, found.height) if isinstance(found, PhotoInfo) else None

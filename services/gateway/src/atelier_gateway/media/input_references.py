"""Which pictures a request may name: keys and presigned URLs of its own uploads, and URLs out in the world.

Another tenant's key is refused exactly as an unknown one. A key stands for the bytes it had when it was first used.
A URL that leads to our own store is read as its key, never fetched as if it were foreign; one that is plainly internal
is refused at once (the render judges it again on fetching).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atelier_contracts import InputRef, Owner
from atelier_contracts.value_objects import Role
from atelier_gateway.media.intake import BYTES_MAX, MediaIntake
from atelier_gateway.media.store import StoredFile, StoredPicture
from atelier_gateway.web.problems import Problem, field_problem
from atelier_imaging import ImageRefused
from atelier_storage.errors import ObjectMissing
from atelier_storage.keys import belongs_to
from atelier_storage.objects import ObjectStore
from atelier_storage.url_policy import UrlRefusal, parse_url, refuse_url

INPUT_BYTES_MAX = BYTES_MAX


@dataclass(frozen=True, slots=True)
class RequestedInput:
    """One input as the client wrote it; ``field`` is where, for the error message."""

    field: str
    role: Role
    text: str


def input_reference(given: RequestedInput, owner: Owner, key_of: Callable[[str], str | None]) -> InputRef:
    """The input as a key of the owner's or a foreign URL. Raises Problem 400."""
    if "://" not in given.text:
        key: str | None = given.text
    elif isinstance(refused := parse_url(given.text), UrlRefusal):
        raise _input_problem(given, refused.message)
    else:
        key = key_of(given.text)
    if key is not None:
        if not belongs_to(key, owner.kind, owner.id):
            raise _missing_upload_problem(given)
        return InputRef(role=given.role, key=key)
    if (internal := refuse_url(given.text)) is not None:
        raise _input_problem(given, internal.message)
    return InputRef(role=given.role, url=given.text)


class InputResolver:
    """Resolves the inputs of requests against the object store."""

    def __init__(self, objects: ObjectStore, intake: MediaIntake) -> None:
        self._objects = objects
        self._intake = intake

    async def resolve(self, owner: Owner, given: Sequence[RequestedInput]) -> tuple[InputRef, ...]:
        """All of them; each key is verified to be a picture, and replaced by the immutable object of its
        digest. Raises Problem 400, or 503 when the store is unavailable."""
        references = [input_reference(requested, owner, self._objects.key_of) for requested in given]
        named = {ref.key: requested for requested, ref in zip(given, references, strict=True) if ref.key is not None}
        pictures = await self._load_pictures(owner, named) if named else {}
        for requested, ref in zip(given, references, strict=True):
            if requested.role == "mask" and ref.key is not None:
                await self._check_mask(owner, requested, pictures[ref.key])
        return tuple(ref if ref.key is None else input_ref_of(ref.role, pictures[ref.key]) for ref in references)

    async def _load_pictures(self, owner: Owner, named: Mapping[str, RequestedInput]) -> dict[str, StoredPicture]:
        known = await self._intake.find_known_pictures(owner, list(named))
        unknown = {key: given for key, given in named.items() if key not in known}
        return known | {key: await self._inspect(owner, key, given) for key, given in unknown.items()}

    async def _inspect(self, owner: Owner, key: str, given: RequestedInput) -> StoredPicture:
        try:
            looked = await self._intake.inspect(owner, key, given.role)
        except ObjectMissing:
            raise _missing_upload_problem(given) from None
        if isinstance(looked, ImageRefused):
            raise _input_problem(given, looked.message)
        return looked

    async def _check_mask(self, owner: Owner, given: RequestedInput, stored: StoredPicture) -> None:
        """A picture may have been stored for another role before."""
        try:
            refused = await self._intake.check_mask(owner, stored)
        except ObjectMissing:
            raise _missing_upload_problem(given) from None
        if refused is not None:
            raise _input_problem(given, refused.message)


def input_ref_of(role: Role, stored: StoredFile) -> InputRef:
    """What was checked, as render is to take it: by its key and its digest."""
    return InputRef(role=role, key=stored.key, sha256=stored.sha256)


def _missing_upload_problem(given: RequestedInput) -> Problem:
    return _input_problem(given, "There is no such upload.")


def _input_problem(given: RequestedInput, why: str) -> Problem:
    return field_problem(given.field, why)

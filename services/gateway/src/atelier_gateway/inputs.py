"""Which pictures a request may name: keys and presigned URLs of its own uploads, and URLs out in the world.

Another tenant's key is refused exactly as an unknown one. A URL that leads to our own store is read as its key, never
fetched as if it were foreign; one that is plainly internal is refused at once (the render judges it again on fetching).
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from atelier_contracts import InputRef, Owner
from atelier_contracts.vocabulary import Role
from atelier_gateway.intake import BYTES_MAX, Intake
from atelier_gateway.problems import Problem
from atelier_imaging import ImageRefused
from atelier_storage.errors import ObjectMissing
from atelier_storage.keys import belongs_to
from atelier_storage.objects import ObjectStore
from atelier_storage.targets import Refusal, parse_url, refuse_url

INPUT_BYTES_MAX = BYTES_MAX
KNOWN_KEYS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Given:
    """One input as the client wrote it; ``field`` is where, for the error message."""

    field: str
    role: Role
    text: str


def reference(given: Given, owner: Owner, key_of: Callable[[str], str | None]) -> InputRef:
    """The input as a key of the owner's or a foreign URL. Raises Problem 400."""
    if "://" not in given.text:
        key: str | None = given.text
    elif isinstance(refused := parse_url(given.text), Refusal):
        raise _refused(given, refused.message)
    else:
        key = key_of(given.text)
    if key is not None:
        if not belongs_to(key, owner.kind, owner.id):
            raise _unknown(given)
        return InputRef(role=given.role, key=key)
    if (internal := refuse_url(given.text)) is not None:
        raise _refused(given, internal.message)
    return InputRef(role=given.role, url=given.text)


class Inputs:
    """Resolves the inputs of requests against the object store."""

    def __init__(self, objects: ObjectStore, intake: Intake) -> None:
        self._objects = objects
        self._intake = intake
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def references(self, owner: Owner, given: Sequence[Given]) -> tuple[InputRef, ...]:
        """All of them, each key proven to be a picture. Raises Problem 400, or 503 when the store cannot be asked."""
        references = [reference(one, owner, self._objects.key_of) for one in given]
        unseen = {ref.key: one for one, ref in zip(given, references, strict=True) if ref.key not in self._seen}
        unproven = {key: one for key, one in unseen.items() if key is not None}
        if unproven:
            await self._prove(owner, unproven)
        return tuple(references)

    async def _prove(self, owner: Owner, unproven: Mapping[str, Given]) -> None:
        known = await self._intake.written_down(owner, list(unproven))
        for key, given in unproven.items():
            if key not in known:
                await self._look(owner, key, given)
            self._seen[key] = None
            if len(self._seen) > KNOWN_KEYS_MAX:
                self._seen.popitem(last=False)

    async def _look(self, owner: Owner, key: str, given: Given) -> None:
        try:
            looked = await self._intake.look(owner, key, given.role)
        except ObjectMissing:
            raise _unknown(given) from None
        if isinstance(looked, ImageRefused):
            raise _refused(given, looked.message)


def _unknown(given: Given) -> Problem:
    return _refused(given, "There is no such upload.")


def _refused(given: Given, why: str) -> Problem:
    error = {"field": given.field, "message": why}
    return Problem("invalid_request", f"{given.field}: {why}", details={"errors": [error]})

"""Which pictures a request may name: keys and presigned URLs of its own uploads, and URLs out in the world.

Another tenant's key is refused exactly as an unknown one. A URL that leads to our own store is read as its key, never
fetched as if it were foreign; one that is plainly internal is refused at once (the render judges it again on fetching).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atelier_contracts import InputRef, Owner
from atelier_contracts.vocabulary import Role
from atelier_gateway.problems import Problem
from atelier_storage.errors import ObjectMissing, StorageUnavailable
from atelier_storage.keys import belongs_to
from atelier_storage.objects import ObjectStore
from atelier_storage.targets import Refusal, parse_url, refuse_url

INPUT_BYTES_MAX = 25 * 1024 * 1024
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

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._seen: OrderedDict[str, None] = OrderedDict()

    async def references(self, owner: Owner, given: Sequence[Given]) -> tuple[InputRef, ...]:
        """All of them, each key proven to exist. Raises Problem 400, or 503 when the store cannot be asked."""
        references = [reference(one, owner, self._objects.key_of) for one in given]
        unproven = [
            (one, ref.key) for one, ref in zip(given, references, strict=True) if ref.key and ref.key not in self._seen
        ]
        if unproven:
            await asyncio.gather(*(self._prove(one, key) for one, key in unproven))
        return tuple(references)

    async def _prove(self, given: Given, key: str) -> None:
        try:
            info = await self._objects.stat(key)
        except ObjectMissing:
            raise _unknown(given) from None
        except StorageUnavailable:
            raise Problem("unavailable", "The object store does not answer; try again later.") from None
        if info.size > INPUT_BYTES_MAX:
            raise _refused(given, f"The picture has more than {INPUT_BYTES_MAX} bytes.")
        self._seen[key] = None
        if len(self._seen) > KNOWN_KEYS_MAX:
            self._seen.popitem(last=False)


def _unknown(given: Given) -> Problem:
    return _refused(given, "There is no such upload.")


def _refused(given: Given, why: str) -> Problem:
    error = {"field": given.field, "message": why}
    return Problem("invalid_request", f"{given.field}: {why}", details={"errors": [error]})

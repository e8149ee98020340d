"""Delivers an equal earlier result of the same owner again, where the client allows it, instead of rendering.

Equal means: everything the picture depends on is the same, the inputs by their bytes. A seed that was not given is 0,
so it needs no rule of its own. What is delivered are copies under the new generation's keys: each can be deleted alone.
"""

import asyncio
import hashlib
import json
import logging
from collections.abc import Sequence

from atelier_contracts import Artefact, RenderSpec
from atelier_imaging.pictures import COMPOSER_VERSION
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.jobs import Attempt, Completion
from atelier_render.outputs.artefact_writer import key_of
from atelier_render.providers.protocol import Input
from atelier_storage.errors import ObjectCorrupt, ObjectMissing, ObjectTooLarge, StorageUnavailable
from atelier_storage.keys import belongs_to, thumbnail_key
from atelier_storage.objects import PUT_BYTES_MAX, ObjectStore

logger = logging.getLogger(__name__)
GONE = (ObjectMissing, ObjectCorrupt, ObjectTooLarge, StorageUnavailable)


async def fingerprint_of(spec: RenderSpec, inputs: Sequence[Input]) -> bytes:
    """All that a result depends on, in 32 bytes. Inputs that the provider does not read count by their reference."""
    spent = {"reuse", "keep_for_reuse", "inputs", "priority", "openai", "previews"}
    spent |= {"providers", "retry", "keep_s"}
    asked = spec.model_dump(mode="json", exclude=spent) | {"composer": COMPOSER_VERSION}
    if spec.openai:
        asked["openai"] = spec.openai.model_dump(mode="json", exclude={"user", "safety_identifier"})
    given = await asyncio.to_thread(_digests, inputs) if inputs else _references(spec)
    return hashlib.sha256(json.dumps([asked, given], sort_keys=True).encode()).digest()


def is_made_by_requested_provider(spec: RenderSpec, provider: str) -> bool:
    """Whether the requested provider made it; what a stand-in made does not answer the next request."""
    first = spec.provider or next(iter(spec.providers), None)
    return first in (None, provider) or spec.simulate is not None


def _digests(inputs: Sequence[Input]) -> list[tuple[str, str]]:
    return [(given.role, hashlib.sha256(given.data).hexdigest()) for given in inputs]


def _references(spec: RenderSpec) -> list[tuple[str, str]]:
    return [(reference.role, reference.sha256 or reference.key or reference.url or "") for reference in spec.inputs]


class ResultCache:
    """Finds earlier results, not older than ``days_max`` days (0: however old)."""

    def __init__(self, objects: ObjectStore, pool: Pool, *, days_max: int) -> None:
        self._objects = objects
        self._pool = pool
        self._days_max = days_max

    async def deliver(self, attempt: Attempt, fingerprint: bytes) -> Completion | None:
        """The earlier result as this attempt's own; None where there is none, or none that is whole any more."""
        job = attempt.job
        earlier = await store.equal_result(self._pool, job.owner, fingerprint, days_max=self._days_max)
        if earlier is None or len(earlier.artefacts) != job.spec.n:
            return None
        try:
            copies = [await self._copy(attempt, index, artefact) for index, artefact in enumerate(earlier.artefacts)]
        except GONE as error:
            logger.warning("reading the earlier result for %s failed, rendering it anew: %r", job.generation_id, error)
            return None
        return Completion(
            job, earlier.provider, len(copies), tuple(copies), fingerprint, reused=True, model=earlier.model
        )

    async def _copy(self, attempt: Attempt, index: int, earlier: Artefact) -> Artefact:
        """Copied within the store; the copy is read back, for it is what will be delivered. Raises one of ``GONE``."""
        owner, key = attempt.job.owner, key_of(attempt, index, earlier.content_type)
        assert belongs_to(earlier.key, owner.kind, owner.id), "results are looked up by their owner"
        await self._copy_one(attempt, earlier.key, key)
        data = await self._objects.get(key, PUT_BYTES_MAX)
        if await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest()) != earlier.sha256:
            raise ObjectCorrupt(f"{earlier.key} is not what was made")
        small = thumbnail_key(key) if earlier.thumbnail else None
        if earlier.thumbnail and small:
            await self._copy_one(attempt, earlier.thumbnail, small)
        return earlier.model_copy(update={"key": key, "thumbnail": small})

    async def _copy_one(self, attempt: Attempt, source: str, key: str) -> None:
        attempt.stored.append(key)
        await self._objects.copy(source, key)

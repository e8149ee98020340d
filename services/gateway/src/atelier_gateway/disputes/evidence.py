"""Collects the evidence about disputed outputs: reads each as it is stored now and makes the checks of the rules."""

import asyncio
import hashlib
import re
from collections.abc import Sequence
from typing import Any

from atelier_gateway.disputes import sound
from atelier_gateway.disputes.rules import Check, CheckName, OutputEvidence
from atelier_gateway.media import input_store
from atelier_gateway.media.input_store import StoredInput
from atelier_gateway.media.intake import BYTES_MAX, MediaIntake
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem
from atelier_imaging import ImageRefused, Inspection
from atelier_messaging.database import Pool
from atelier_storage.errors import ObjectCorrupt, ObjectMissing, ObjectTooLarge, StorageUnavailable
from atelier_storage.objects import ObjectStore

BLANK_SPREAD_MAX = 8
"""A picture whose channels differ by no more (of 255) is of one colour: WebP makes a spread of 4 of a plain area."""
SILENT_PEAK_MAX = 0.001
"""Sound without a sample louder than this share of full scale (-60 dB) is silence."""
CHARACTERS_A_SECOND_MAX = 50
"""No voice reads faster: ordinary speech has about 15."""
BYTES_OF_CHARACTER_MAX = 4
INPUTS_COMPARED_MAX = 3
"""Inputs of the same sides whose pixels are compared; all are compared by their bytes."""
_SIDES = re.compile(r"([0-9]{1,5})x([0-9]{1,5})", re.ASCII)
_MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
}


class EvidenceCollector:
    """Examines outputs, for so many seconds at most: what is not examined by then is not known."""

    def __init__(
        self, pool: Pool, objects: ObjectStore, intake: MediaIntake, peers: PeerClient, *, timeout_s: float
    ) -> None:
        self._pool = pool
        self._peers = peers
        self._objects = objects
        self._intake = intake
        self._timeout_s = timeout_s

    async def collect(self, generation: Generation, outputs: Sequence[int]) -> tuple[OutputEvidence, ...]:
        """The evidence about these outputs. Raises Problem 503 while the object store is unavailable."""
        inputs = await input_store.list_pictures(self._pool, generation.id, generation.owner)
        work = [asyncio.ensure_future(self._examine(generation, output, inputs)) for output in outputs]
        try:
            done, _ = await asyncio.wait(work, timeout=self._timeout_s)
        finally:
            for task in work:
                task.cancel()
        late = Check("opens", "unknown", f"it was not examined within {self._timeout_s:g} s")
        found = [task.result() if task in done else [late] for task in work]
        return tuple(OutputEvidence(output, tuple(each)) for output, each in zip(outputs, found, strict=True))

    async def _examine(self, generation: Generation, output: int, inputs: Sequence[StoredInput]) -> list[Check]:
        recorded = generation.snapshot.outputs[output]
        try:
            data = await self._objects.get(recorded["key"], BYTES_MAX)
        except ObjectMissing:
            return [await self._missing(generation, recorded["key"])]
        except ObjectCorrupt:
            return [_right("stored"), Check("unaltered", "wrong", "its bytes are not those that were stored")]
        except ObjectTooLarge:
            return [_right("stored"), Check("opens", "unknown", f"it has more than {BYTES_MAX} bytes")]
        except StorageUnavailable:
            raise Problem("unavailable", "The object store does not answer; nothing was decided.") from None
        checks = [_right("stored"), _unaltered(data, recorded)]
        if checks[-1].result == "wrong":
            return checks
        if recorded["content_type"].startswith("audio/"):
            return checks + await self._check_sound(generation, data, recorded)
        return checks + await self._check_picture(generation, data, recorded, inputs)

    async def _missing(self, generation: Generation, key: str) -> Check:
        """Wrong only where render still has the output on record: what it removed, when its time was over for instance,
        was no longer to be there."""
        try:
            job = await self._peers.get_job(generation.id)
        except PeerUnavailable:
            return Check("stored", "unknown", "the store does not have it, and render does not answer")
        if job is None or job["removals"] or key not in {artefact["key"] for artefact in job["artefacts"]}:
            return Check("stored", "unknown", "the store does not have it, and render has it no longer on record")
        return Check("stored", "wrong", "the store does not have it")

    async def _check_picture(
        self, generation: Generation, data: bytes, recorded: dict[str, Any], inputs: Sequence[StoredInput]
    ) -> list[Check]:
        found = await self._intake.inspect_picture(generation.owner, data)
        if isinstance(found, ImageRefused):
            is_broken = found.code in ("broken", "unsupported_format")
            return [Check("opens", "wrong" if is_broken else "unknown", found.message)]
        spec = generation.request.get("spec", {})
        return [
            Check("opens", "right", f"a {found.format.upper()} of {found.width} x {found.height} pixels"),
            _format_as_asked(found.content_type, recorded, spec.get("format")),
            *_size_as_asked(found, spec.get("size")),
            _not_blank(found),
            await self._not_an_input(generation, data, found, inputs),
        ]

    async def _not_an_input(
        self, generation: Generation, data: bytes, found: Inspection, inputs: Sequence[StoredInput]
    ) -> Check:
        digest = hashlib.sha256(data).hexdigest()
        if any(each.sha256 == digest for each in inputs):
            return Check("not_an_input", "wrong", "it is, byte for byte, a picture that it was to be made of")
        alike = [each for each in inputs if (each.width, each.height) == (found.width, found.height)]
        for each in alike[:INPUTS_COMPARED_MAX]:
            try:
                of_input = await self._intake.inspect_picture(
                    generation.owner, await self._objects.get(each.key, BYTES_MAX)
                )
            except (ObjectMissing, ObjectCorrupt, ObjectTooLarge, StorageUnavailable):
                continue
            if isinstance(of_input, Inspection) and of_input.pixels_sha256 == found.pixels_sha256:
                return Check("not_an_input", "wrong", "it is, pixel for pixel, a picture that it was to be made of")
        return Check("not_an_input", "right", f"compared with {len(inputs)} stored inputs")

    async def _check_sound(self, generation: Generation, data: bytes, recorded: dict[str, Any]) -> list[Check]:
        try:
            found = await asyncio.to_thread(sound.measure, data)
        except sound.NotSound as error:
            return [Check("opens", "wrong", str(error))]
        except sound.NotMeasured as error:
            return [Check("opens", "unknown", str(error))]
        spec = generation.request.get("spec", {})
        characters = len(spec.get("prompt") or "")
        if not characters:
            size = await input_store.find_text_size(self._pool, generation.id, generation.owner)
            characters = (size or 0) // BYTES_OF_CHARACTER_MAX
        media_type = "audio/wav" if data[:4] == b"RIFF" else "audio/mpeg"
        checks = [
            Check("opens", "right", f"{found.seconds:.1f} s of sound"),
            _format_as_asked(media_type, recorded, spec.get("audio_format")),
            _long_enough(found.seconds, characters),
        ]
        if found.peak is not None:
            silent = found.peak <= SILENT_PEAK_MAX
            loudest = f"its loudest sample is at {100 * found.peak:.1f} % of full scale"
            checks.append(Check("not_blank", "wrong" if silent else "right", loudest))
        return checks


def _right(name: CheckName) -> Check:
    return Check(name, "right", "the store has it")


def _unaltered(data: bytes, recorded: dict[str, Any]) -> Check:
    digest = hashlib.sha256(data).hexdigest()
    if digest != recorded["sha256"]:
        return Check("unaltered", "wrong", f"its SHA-256 is {digest}, {recorded['sha256']} was delivered")
    return Check("unaltered", "right", f"its SHA-256 is that of the receipt, {digest}")


def _format_as_asked(media_type: str, recorded: dict[str, Any], asked: str | None) -> Check:
    wanted = _MEDIA_TYPES.get(asked or "", recorded["content_type"])
    is_right = media_type == wanted == recorded["content_type"]
    return Check("format_as_asked", "right" if is_right else "wrong", f"it is {media_type}, asked was {wanted}")


def _size_as_asked(found: Inspection, asked: str | None) -> list[Check]:
    """No check where the size was left open."""
    sides = _SIDES.fullmatch(asked or "")
    if sides is None:
        return []
    is_right = (found.width, found.height) == (int(sides[1]), int(sides[2]))
    says = f"it is {found.width} x {found.height}, asked was {sides[1]} x {sides[2]}"
    return [Check("size_as_asked", "right" if is_right else "wrong", says)]


def _not_blank(found: Inspection) -> Check:
    is_blank = found.spread <= BLANK_SPREAD_MAX
    says = f"the values of a colour channel differ by {found.spread} of 255"
    return Check("not_blank", "wrong" if is_blank else "right", says)


def _long_enough(seconds: float, characters: int) -> Check:
    least = characters / CHARACTERS_A_SECOND_MAX
    says = f"{seconds:.1f} s for {characters} characters; at least {least:.1f} s is expected"
    return Check("long_enough", "right" if seconds >= least else "wrong", says)

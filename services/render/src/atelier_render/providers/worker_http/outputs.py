"""What a worker says it made, as pictures that can be stored. Nothing it says of them is believed: bytes are decoded in
a bounded child process, and URLs are fetched like those of strangers, but for its own origin.
"""

from collections.abc import Awaitable, Callable

from atelier_contracts import RenderSpec
from atelier_imaging.pictures import BYTES_MAX, CONTENT_TYPES, ImageRefused, PhotoInfo
from atelier_imaging.workers import ImageQueueFull, ImageWorkerDied
from atelier_render.providers.protocol import Failed, Outcome, Partial, Picture, Succeeded, Unknown
from atelier_render.providers.verification import flaw
from atelier_render.providers.worker_http.contract import Made, Output
from atelier_storage.errors import FetchFailed
from atelier_storage.fetch import SafeFetcher
from atelier_storage.targets import Refusal

Probe = Callable[[bytes], Awaitable[PhotoInfo | ImageRefused]]
"""Whether bytes are a picture, and its measures: ``ImageWorkers.probe``."""
AUDIO_TYPES = {"mp3": "audio/mpeg", "wav": "audio/wav"}


class Outputs:
    """Judges the outputs of one worker."""

    def __init__(self, origin: str, probe: Probe) -> None:
        self._probe = probe
        self._fetcher = SafeFetcher(max_bytes=BYTES_MAX, allow_hosts=frozenset({origin}))

    async def outcome(self, spec: RenderSpec, made: Made) -> Outcome:
        """The sound ones of the outputs; Unknown where one cannot be had just now, for it may be asked for again."""
        sound: list[Picture] = []
        flaws: list[str] = []
        for output in made.outputs[: spec.n]:
            try:
                judged = await self._judged(spec, output)
            except (FetchFailed, ImageQueueFull):
                return Unknown()
            if isinstance(judged, Picture):
                sound.append(judged)
            else:
                flaws.append(judged)
        if not sound:
            return Failed("provider_failed", f"what the worker made is unusable: {flaws[0]}")
        return (Succeeded if len(sound) == spec.n else Partial)(tuple(sound), len(sound))

    def close(self) -> None:
        """Lets go of the fetcher's threads."""
        self._fetcher.close()

    async def _judged(self, spec: RenderSpec, output: Output) -> Picture | str:
        data = await self._bytes(output)
        if isinstance(data, str):
            return data
        if spec.kind == "narration":
            picture = Picture(data, AUDIO_TYPES[spec.audio_format], sha256=output.sha256)
        else:
            info = await self._measured(data)
            if isinstance(info, str):
                return info
            picture = Picture(data, CONTENT_TYPES[info.format], info.width, info.height, output.sha256)
        return flaw(picture) or picture

    async def _bytes(self, output: Output) -> bytes | str:
        if output.data is not None:
            return output.data if len(output.data) <= BYTES_MAX else f"an output has more than {BYTES_MAX} bytes"
        if output.url is None:
            return "an output has neither data nor a URL"
        fetched = await self._fetcher.fetch(output.url)
        return f"its URL is not fetched: {fetched.message}" if isinstance(fetched, Refusal) else fetched.body

    async def _measured(self, data: bytes) -> PhotoInfo | str:
        try:
            info = await self._probe(data)
        except ImageWorkerDied as died:
            return f"it cannot be decoded: {died}"
        return info.message if isinstance(info, ImageRefused) else info

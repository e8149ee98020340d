"""What a worker says it made, as outputs that may be delivered. Nothing it says of them is believed: type and size are
read from the bytes, and URLs are fetched like those of strangers, but for its own origin.
"""

import re
from hashlib import sha256

from atelier_contracts import RenderSpec
from atelier_render.providers.protocol import Failed, Partial, Picture, ProviderOutcome, Succeeded, Unknown
from atelier_render.providers.toolkit.file_checks import flaw, type_of
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser, TargetImage, Unusable
from atelier_render.providers.toolkit.image_size import sides
from atelier_render.providers.toolkit.narration_script import CONTENT_TYPES as SOUND_TYPES
from atelier_render.providers.toolkit.wave_files import with_true_lengths
from atelier_render.providers.worker_http.contract import Made, Output
from atelier_storage.errors import FetchFailed
from atelier_storage.safe_fetcher import SafeFetcher
from atelier_storage.url_policy import UrlRefusal

OUTPUT_BYTES_MAX = 25 * 1024 * 1024
PIXELS = re.compile(r"[1-9][0-9]{0,4}x[1-9][0-9]{0,4}")


class Outputs:
    """Has the outputs of one worker."""

    def __init__(self, origin: str, finishing: ImageNormaliser) -> None:
        self._finishing = finishing
        self._fetcher = SafeFetcher(max_bytes=OUTPUT_BYTES_MAX, allow_hosts=frozenset({origin}))

    async def outcome(self, spec: RenderSpec, size: str | None, made: Made) -> ProviderOutcome:
        """The sound ones of the outputs, in the requested size; Unknown where one cannot be fetched just now, for it
        may be recalled."""
        sound: list[Picture] = []
        flaws: list[str] = []
        for output in made.outputs[: spec.n]:
            try:
                judged = await self._check_output(spec, size, output)
            except FetchFailed:
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

    async def _check_output(self, spec: RenderSpec, size: str | None, output: Output) -> Picture | str:
        data = await self._bytes(output)
        if isinstance(data, str):
            return data
        if output.sha256 is not None and sha256(data).hexdigest() != output.sha256:
            return "its bytes do not match the worker's own checksum"
        if spec.kind == "narration":
            return _sound(data, SOUND_TYPES[spec.audio_format])
        normalise = await self._finishing.normalise(data, _target_image(spec, size, data))
        return normalise.reason if isinstance(normalise, Unusable) else normalise

    async def _bytes(self, output: Output) -> bytes | str:
        if output.data is not None:
            enough = len(output.data) <= OUTPUT_BYTES_MAX
            return output.data if enough else f"an output has more than {OUTPUT_BYTES_MAX} bytes"
        if output.url is None:
            return "an output has neither data nor a URL"
        fetched = await self._fetcher.fetch(output.url)
        return f"its URL is not fetched: {fetched.message}" if isinstance(fetched, UrlRefusal) else fetched.body


def _sound(data: bytes, content_type: str) -> Picture | str:
    if type_of(data) != content_type:
        return "it is not the sound wanted"
    if (wrong := flaw(Picture(data, content_type))) is not None:
        return wrong
    return Picture(with_true_lengths(data) if content_type == SOUND_TYPES["wav"] else data, content_type)


def _target_image(spec: RenderSpec, size: str | None, data: bytes) -> TargetImage:
    """In pixels as requested, where pixels were requested; else as it came."""
    if size is not None and PIXELS.fullmatch(size):
        return TargetImage.by(spec, size)
    width, height = sides(data) or (0, 0)
    return TargetImage(width, height, spec.format)

"""What a worker says it made, as outputs that can be judged. Nothing it says of them is believed: the type is told by
the bytes, and URLs are fetched like those of strangers, but for its own origin.
"""

from atelier_contracts import RenderSpec
from atelier_render.providers.protocol import Failed, Outcome, Partial, Picture, Succeeded, Unknown
from atelier_render.providers.verification import flaw, type_of
from atelier_render.providers.worker_http.contract import Made, Output
from atelier_storage.errors import FetchFailed
from atelier_storage.fetch import SafeFetcher
from atelier_storage.targets import Refusal

OUTPUT_BYTES_MAX = 25 * 1024 * 1024
NO_TYPE = "application/octet-stream"


class Outputs:
    """Has the outputs of one worker."""

    def __init__(self, origin: str) -> None:
        self._fetcher = SafeFetcher(max_bytes=OUTPUT_BYTES_MAX, allow_hosts=frozenset({origin}))

    async def outcome(self, spec: RenderSpec, made: Made) -> Outcome:
        """The sound ones of the outputs; Unknown where one cannot be had just now, for it may be asked for again."""
        sound: list[Picture] = []
        flaws: list[str] = []
        for output in made.outputs[: spec.n]:
            try:
                judged = await self._judged(spec, output)
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

    async def _judged(self, spec: RenderSpec, output: Output) -> Picture | str:
        data = await self._bytes(output)
        if isinstance(data, str):
            return data
        type_, wanted = type_of(data) or NO_TYPE, "audio" if spec.kind == "narration" else "image"
        if not type_.startswith(f"{wanted}/"):
            return f"it is no {wanted} of a type that is stored"
        picture = Picture(data, type_, sha256=output.sha256)
        return flaw(picture) or picture

    async def _bytes(self, output: Output) -> bytes | str:
        if output.data is not None:
            enough = len(output.data) <= OUTPUT_BYTES_MAX
            return output.data if enough else f"an output has more than {OUTPUT_BYTES_MAX} bytes"
        if output.url is None:
            return "an output has neither data nor a URL"
        fetched = await self._fetcher.fetch(output.url)
        return f"its URL is not fetched: {fetched.message}" if isinstance(fetched, Refusal) else fetched.body

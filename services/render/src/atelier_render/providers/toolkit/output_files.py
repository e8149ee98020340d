"""Outputs that a service hands over as URLs: fetched like those of strangers, in bounds, and judged by their bytes."""

import base64
import binascii
from urllib.parse import urlsplit

from atelier_contracts import RenderSpec
from atelier_render.providers.protocol import Picture
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser, TargetImage, Unusable
from atelier_render.providers.toolkit.image_size import sides
from atelier_storage.safe_fetcher import SafeFetcher
from atelier_storage.url_policy import UrlRefusal

OUTPUT_BYTES_MAX = 25 * 1024 * 1024
_DATA = "data:"


def origin_of(url: str) -> str:
    """``host:port`` of an http or https URL, as the fetcher's allow-list has it."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = (parts.hostname or "").lower()
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class OutputFiles:
    """Has the outputs of one service, whose own ``base_url`` may be a private address."""

    def __init__(self, base_url: str, normaliser: ImageNormaliser) -> None:
        self._normaliser = normaliser
        self._fetcher = SafeFetcher(max_bytes=OUTPUT_BYTES_MAX, allow_hosts=frozenset({origin_of(base_url)}))

    async def picture(self, url: str, spec: RenderSpec, size: str | None) -> Picture | Unusable:
        """The picture at a URL, in the size given, or as large as it came. Raises FetchFailed when it may do later."""
        data = _inline(url) if url.startswith(_DATA) else await self._fetched(url)
        if isinstance(data, Unusable):
            return data
        return await self._normaliser.normalise(data, _target(spec, size, data))

    def close(self) -> None:
        """Lets go of the fetcher's threads."""
        self._fetcher.close()

    async def _fetched(self, url: str) -> bytes | Unusable:
        fetched = await self._fetcher.fetch(url)
        return (
            Unusable(f"its URL is not fetched: {fetched.message}") if isinstance(fetched, UrlRefusal) else fetched.body
        )


def _inline(url: str) -> bytes | Unusable:
    head, _, text = url.partition(",")
    try:
        data = base64.b64decode(text, validate=True) if head.endswith(";base64") else b""
    except (binascii.Error, ValueError):
        data = b""
    if not data or len(data) > OUTPUT_BYTES_MAX:
        return Unusable(f"its data URI is not base64 of 1 to {OUTPUT_BYTES_MAX} bytes")
    return data


def _target(spec: RenderSpec, size: str | None, data: bytes) -> TargetImage:
    if size is not None:
        return TargetImage.by(spec, size)
    width, height = sides(data) or (0, 0)
    return TargetImage(width, height, spec.format)

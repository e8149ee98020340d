"""Marks outputs before they are stored: the tag, then a C2PA manifest signed by this installation.

The manifest names the software, the provider and its model, what was given as ingredients, and keeps the manifest that
a provider has put in. An output that cannot be marked is delivered all the same, since it is paid for; it is counted,
and the log says why.
"""

import asyncio
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from c2pa import Builder, C2paError, C2paSignerInfo, Context, Reader, Settings, Signer

from atelier_contracts import RenderSpec
from atelier_render.outputs.analysis import Output
from atelier_render.provenance.colour_profiles import with_profile
from atelier_render.provenance.containers import Unmarkable
from atelier_render.provenance.identity import SigningIdentity
from atelier_render.provenance.source_types import source_type_of
from atelier_render.provenance.tags import Tag, add_tag
from atelier_render.providers.protocol import Input
from atelier_render.providers.toolkit.file_checks import type_of
from atelier_telemetry import metrics

SOFTWARE = {"name": "Atelier", "version": version("atelier-render")}
PARENT = "made-by-provider"
UNSIGNED = frozenset({"audio/ogg", "audio/aac"})
"""Containers for which C2PA knows no place for a manifest: they have the tag alone."""
THUMBNAIL_TYPE = "image/webp"
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of outputs: the provider, its model, the inputs."""

    provider: str
    model: str | None
    spec: RenderSpec
    inputs: tuple[Input, ...] = ()

    @property
    def pictures(self) -> tuple[Input, ...]:
        """The inputs that are pictures."""
        return tuple(given for given in self.inputs if (type_of(given.data) or "").startswith("image/"))


class Marker:
    """Signs with one identity. Safe to use from several threads."""

    def __init__(self, identity: SigningIdentity) -> None:
        info = C2paSignerInfo(identity.algorithm.encode(), identity.chain, identity.key, None)
        self._signer = Signer.from_info(info)
        wanted = {"verify": {"verify_after_sign": False}, "builder": {"thumbnail": {"enabled": False}}}
        self._context = Context(settings=Settings.from_dict(wanted))

    async def mark(self, outputs: Sequence[Output], origin: Origin) -> tuple[Output, ...]:
        """The same outputs and their thumbnails, marked; in threads, as it takes milliseconds of one core each."""
        return tuple(await asyncio.gather(*(asyncio.to_thread(self._mark, output, origin) for output in outputs)))

    def close(self) -> None:
        """Lets the key go."""
        self._signer.close()

    def _mark(self, output: Output, origin: Origin) -> Output:
        data = self._add_marks(output.data, output.content_type, origin, output.as_made)
        thumbnail = output.thumbnail and self._add_marks(output.thumbnail, THUMBNAIL_TYPE, origin)
        return replace(output, data=data, thumbnail=thumbnail, as_made=None)

    def _add_marks(self, data: bytes, content_type: str, origin: Origin, as_made: bytes | None = None) -> bytes:
        """The best mark that can be had: both, the tag alone, or none. ``as_made``: where it is not ``data``."""
        source = source_type_of(origin.provider, has_pictures=bool(origin.pictures))
        try:
            with_tag = add_tag(
                with_profile(data, content_type),
                content_type,
                Tag(source, f"Atelier, {origin.model or origin.provider}"),
            )
        except (Unmarkable, ValueError, IndexError) as error:
            metrics.UNMARKED.labels("tag").inc()
            logger.error("provenance tag failed for an output of %s, delivered without: %s", origin.provider, error)
            with_tag = data
        if content_type in UNSIGNED:
            return with_tag
        try:
            return self._signed(with_tag, as_made or data, content_type, origin, source)
        except C2paError as error:
            metrics.UNMARKED.labels("manifest").inc()
            logger.error("signed manifest failed for an output of %s, delivered without: %s", origin.provider, error)
            return with_tag

    def _signed(self, data: bytes, as_made: bytes, content_type: str, origin: Origin, source: str) -> bytes:
        """``as_made``: before any change of ours, for a provider's manifest holds for those very bytes."""
        made_type = type_of(as_made) or content_type
        parent = _has_manifest(as_made, made_type)
        agent = {"name": origin.provider} | ({"version": origin.model} if origin.model else {})
        actions: list[dict[str, Any]] = [
            {"action": "c2pa.created", "digitalSourceType": source, "softwareAgent": agent}
        ]
        if parent:
            opened = {"action": "c2pa.opened", "softwareAgent": SOFTWARE, "parameters": {"ingredientIds": [PARENT]}}
            actions = [opened, {"action": "c2pa.edited.metadata", "softwareAgent": SOFTWARE}]
        ingredients = [(f"input-{place}", given) for place, given in enumerate(origin.pictures, 1)]
        actions += [{"action": "c2pa.placed", "parameters": {"ingredientIds": [name]}} for name, _ in ingredients]
        manifest = {
            "claim_generator_info": [SOFTWARE],
            "title": f"{origin.spec.kind} by {origin.provider}",
            "format": content_type,
            "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": actions}}],
        }
        signed = io.BytesIO()
        with Builder(json.dumps(manifest), context=self._context) as builder:
            if parent:
                theirs = {"title": f"made by {origin.provider}", "relationship": "parentOf", "label": PARENT}
                builder.add_ingredient(json.dumps(theirs), made_type, io.BytesIO(as_made))
            for name, given in ingredients:
                used = {"title": f"{given.role} ({name})", "relationship": "componentOf", "label": name}
                builder.add_ingredient(json.dumps(used), type_of(given.data) or "", io.BytesIO(given.data))
            builder.sign(self._signer, content_type, io.BytesIO(data), signed)
        return signed.getvalue()


def unmarked(output: Output) -> Output:
    """The same output where marks are off: with its profile, unless a manifest of its provider holds for its bytes."""
    if _has_manifest(output.data, output.content_type):
        return replace(output, as_made=None)
    return replace(output, data=with_profile(output.data, output.content_type), as_made=None)


def _has_manifest(data: bytes, content_type: str) -> bool:
    """Whether a provider has put a readable manifest in. The first look is cheap: nearly none has."""
    if b"c2pa" not in data:
        return False
    try:
        with Reader(content_type, io.BytesIO(data)) as reader:
            return reader.get_active_manifest() is not None
    except C2paError:
        return False

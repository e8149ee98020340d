"""Who makes what: the first provider, in the order given, that offers what is asked."""

from collections.abc import Sequence

from atelier_contracts import RenderSpec
from atelier_render.providers.protocol import Provider


def choose(providers: Sequence[Provider], spec: RenderSpec) -> Provider | None:
    """None where nobody offers it."""
    return next((p for p in providers if p.capabilities.objection(spec) is None), None)


def objection(providers: Sequence[Provider], spec: RenderSpec) -> str:
    """Why nobody makes it, in words for the client: those of whoever makes the kind at all, else of the first."""
    able = next((p for p in providers if spec.kind in p.capabilities.kinds), providers[0])
    return f"the {able.name} provider objects: {able.capabilities.objection(spec)}"

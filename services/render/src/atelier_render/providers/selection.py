"""Who makes what: the providers able to do a request, the preferred first, and what all of them offer."""

from collections.abc import Sequence
from typing import Any

from atelier_contracts import RenderSpec
from atelier_render.providers.protocol import Capabilities, Offer, Provider


def candidates(providers: Sequence[Provider], spec: RenderSpec) -> tuple[Provider, ...]:
    """All that can do it: those the request names first, in its order, then the others in the order given; none that it
    excludes.

    Naming a provider is a wish, so another may stand in for it. Naming a model that a provider lists is an order:
    only those that list it are called. A model that none lists is ignored by those that take any. A provider of last
    resort is left out where another makes the kind, unless it is the one named.
    """
    providers = _within_reach(providers, spec)
    able = [p for p in providers if p.capabilities.objection(spec) is None]
    listing = [p for p in able if lists_model(p.capabilities, spec)]
    known = any(lists_model(p.capabilities, spec) for p in providers)
    preferred = _preferred(spec)
    place = {name: index for index, name in enumerate(preferred)}
    return tuple(sorted(listing if known else able, key=lambda p: place.get(p.name, len(preferred))))


def _preferred(spec: RenderSpec) -> tuple[str, ...]:
    return (spec.provider,) if spec.provider else spec.providers


def _within_reach(providers: Sequence[Provider], spec: RenderSpec) -> Sequence[Provider]:
    allowed = [p for p in providers if p.name not in spec.excluded_providers]
    makers = [p for p in allowed if spec.kind in p.capabilities.kinds]
    others = any(not p.capabilities.last_resort for p in makers)
    return [p for p in allowed if not (p.capabilities.last_resort and others) or p.name in _preferred(spec)]


def lists_model(can: Capabilities, spec: RenderSpec) -> bool:
    """Whether the requested model is one that it lists."""
    return any(offer.kind == spec.kind and spec.model in offer.models for offer in can.offers)


def objection(providers: Sequence[Provider], spec: RenderSpec) -> str:
    """Why no provider makes it, in words for the client: the reason of the requested one, else of one that makes the
    kind at all, else of the first."""
    makers = [p for p in _within_reach(providers, spec) if spec.kind in p.capabilities.kinds] or list(providers)
    if all(p.name in spec.excluded_providers for p in makers):
        return f"the request excludes every provider that makes {spec.kind}"
    able = min(makers, key=lambda p: (p.name != spec.provider, not lists_model(p.capabilities, spec)))
    return f"the {able.name} provider objects: {able.capabilities.objection(spec)}"


def offers_of(providers: Sequence[Provider]) -> dict[str, Any]:
    """The offers of each provider in order of preference, for the gateway's checks."""
    return {
        "providers": [
            {
                "name": p.name,
                "remote": p.capabilities.remote,
                "last_resort": p.capabilities.last_resort,
                "offers": [_row(offer) for offer in p.capabilities.offers],
            }
            for p in providers
        ]
    }


def _row(offer: Offer) -> dict[str, Any]:
    return {
        "kind": offer.kind,
        "modes": offer.modes,
        "models": offer.models,
        "sizes": offer.sizes,
        "any_size": offer.any_size,
        "styles": offer.styles,
        "qualities": offer.qualities,
        "formats": offer.formats,
        "audio_formats": offer.audio_formats,
        "n_max": offer.n_max,
        "images_max": offer.images_max,
    }

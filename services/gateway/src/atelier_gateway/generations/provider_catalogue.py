"""What the configured providers offer, as render last said: their names, their fallbacks, and why a request has none.

It is fetched from render in the background, so no request waits for it. Until it is there nothing is refused: render
judges every job again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self, get_args

from atelier_contracts import RenderSpec
from atelier_contracts.image_models import ImageProvider, is_any_size
from atelier_gateway.peers.client import PeerUnavailable
from atelier_gateway.web.problems import Problem, field_problem

FRESH_S = 15.0
FIRST_S = 1.0
"""Between two tries while nothing is known yet."""
LOCAL = "local"
ACCOUNTS: tuple[str, ...] = get_args(ImageProvider)
"""Providers that an installation has only with an account there."""

Field = Literal[
    "kind",
    "provider",
    "model",
    "mode",
    "size",
    "style",
    "quality",
    "format",
    "audio_format",
    "inputs",
    "exclude_providers",
    "n",
]
logger = logging.getLogger(__name__)


class UnsupportedOption(NamedTuple):
    """Why no provider offers the request: in which field, and what is offered instead."""

    field: Field
    message: str


LoadProviders = Callable[[], Awaitable[Sequence[Mapping[str, Any]]]]
WordUnsupported = Callable[[UnsupportedOption], Problem]
"""How a surface words an objection."""


@dataclass(frozen=True, slots=True)
class ProviderOffer:
    """What one provider offers of one kind, or of one group of models; an empty list allows any value."""

    provider: str
    kind: str
    modes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    audio_formats: tuple[str, ...] = ("mp3", "wav")
    n_max: int = 10
    any_size: bool = False
    """Other sizes too, which the model's own table judges."""
    images_max: int = 4
    last_resort: bool = False
    """Requested by name, or for a kind that no other makes."""

    @classmethod
    def of(cls, provider: Mapping[str, Any], said: Mapping[str, Any]) -> Self:
        """As render says it; what we do not know of it is passed over."""
        lists = ("modes", "models", "sizes", "styles", "qualities", "formats")
        may = {name: tuple(said[name]) for name in lists}
        last_resort = provider.get("last_resort", False)
        return cls(
            provider["name"],
            said["kind"],
            audio_formats=tuple(said.get("audio_formats", ("mp3", "wav"))),
            n_max=said["n_max"],
            any_size=said.get("any_size", False),
            images_max=said.get("images_max", 4),
            last_resort=last_resort,
            **may,
        )


class ProviderCatalogue:
    """The providers there are. With ``stands_in`` (local settings) ``local`` works for those that have no account."""

    def __init__(self, ask: LoadProviders, *, stands_in: bool) -> None:
        """``ask`` answers render's providers, the preferred first, or raises PeerUnavailable."""
        self._load = ask
        self._has_fallback = stands_in
        self._providers: Sequence[Mapping[str, Any]] | None = None
        self.offers: tuple[ProviderOffer, ...] = ()

    async def keep_fresh(self) -> None:
        """Refreshes the catalogue until cancelled; the last one stays valid while render does not answer."""
        while True:
            await self.refresh()
            await asyncio.sleep(FRESH_S if self.is_known else FIRST_S)

    async def refresh(self) -> None:
        """Asks once."""
        try:
            said = await self._load()
            rows = tuple(ProviderOffer.of(provider, row) for provider in said for row in provider["offers"])
        except PeerUnavailable:
            return
        except (KeyError, TypeError) as error:
            logger.warning("render's provider list is invalid, the last valid one stays in use: %r", error)
            return
        if said != self._providers:
            self._providers, self.offers = said, rows
            self._log_catalogue()

    @property
    def is_known(self) -> bool:
        """Whether render has answered yet."""
        return self._providers is not None

    @property
    def providers(self) -> Sequence[Mapping[str, Any]]:
        """Each as ``{name, remote, offers}``, the preferred first."""
        return self._providers or ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The providers that could be had with an account and are not there; none while nothing is known."""
        if not self.is_known:
            return ()
        present = {provider["name"] for provider in self.providers}
        return tuple(name for name in ACCOUNTS if name not in present)

    @property
    def fallback(self) -> str | None:
        """The fallback for providers that are not configured; None where there is none."""
        return LOCAL if self._has_fallback else None

    def effective_provider(self, provider: str) -> str:
        """The provider that gets the requests for this one (settled question 5)."""
        return self.fallback or provider if provider in self.missing else provider

    def default_model(self, provider: str, usual: str) -> str:
        """The usual one, unless the provider is there and lists only others: then the first of those."""
        listed = self._models_of(provider)
        return usual if usual in listed or not listed else listed[0]

    def is_offered(self, model: str, provider: str) -> bool:
        """Whether a picture can be requested of this model of the provider."""
        maker = self.effective_provider(provider)
        listed = self._models_of(maker)
        return maker not in self.missing and (not listed or model in listed)

    def models(self, kind: str) -> list[str]:
        """The models that may be named for a kind, in order of preference."""
        return list(dict.fromkeys(name for row in self.offers if row.kind == kind for name in row.models))

    def check(self, spec: RenderSpec, refuse: WordUnsupported) -> None:
        """Raises Problem: 503 where provider or kind are not available, 400 where an option is not."""
        if not self.is_known or spec.simulate is not None:
            return
        if spec.provider in self.missing:
            raise _not_here(f"{spec.provider} is not set up here")
        found = find_unsupported(spec, self.offers)
        if found is not None and found.field == "kind":
            raise _not_here(found.message)
        if found is not None:
            raise refuse(found)

    def _models_of(self, provider: str) -> list[str]:
        return [model for row in self.offers if (row.provider, row.kind) == (provider, "image") for model in row.models]

    def _log_catalogue(self) -> None:
        logger.info("render's providers: %s", ", ".join(provider["name"] for provider in self.providers))
        for name in self.missing:
            told = "rendered by local, as their responses say" if self._has_fallback else "answered 503"
            logger.warning("provider %s has no account, its requests are %s", name, told)


def find_unsupported(spec: RenderSpec, rows: Sequence[ProviderOffer]) -> UnsupportedOption | None:
    """The first field that leaves no provider; None where there is one."""
    rows = [row for row in rows if row.kind == spec.kind]
    if not rows:
        return UnsupportedOption("kind", f"nobody here makes {spec.kind}")
    rows = [row for row in rows if row.provider not in spec.excluded_providers]
    if not rows:
        return UnsupportedOption("exclude_providers", f"no other provider here makes {spec.kind}")
    if spec.provider is not None:
        names = dict.fromkeys(row.provider for row in rows)
        if spec.provider not in names:
            return UnsupportedOption("provider", f"one of {', '.join(names)} is required for {spec.kind}")
        rows = [row for row in rows if row.provider == spec.provider]
    else:
        rows = [row for row in rows if not row.last_resort or row.provider in spec.providers] or rows
    for field, asked, offered in _fields(spec):
        left = [row for row in rows if not offered(row) or asked in offered(row)]
        if not left:
            words = ", ".join(dict.fromkeys(word for row in rows for word in offered(row)))
            return UnsupportedOption(field, f"{asked} is not offered; one of {words} is")
        # A model that somebody lists is theirs; to those who take any it would make no difference.
        listing = [row for row in left if field == "model" and asked in row.models]
        rows = listing or left
    images_max = max(row.images_max for row in rows)
    if sum(given.role == "image" for given in spec.inputs) > images_max:
        return UnsupportedOption("inputs", f"at most {images_max} pictures are taken for one {spec.kind}")
    rows = [row for row in rows if row.images_max >= sum(given.role == "image" for given in spec.inputs)]
    n_max = max(row.n_max for row in rows)
    return UnsupportedOption("n", f"at most {n_max} of {spec.kind} are made at once") if spec.n > n_max else None


def mode_of(spec: RenderSpec) -> str | None:
    """The mode of a request of kind ``image``; None for every other kind."""
    if spec.kind != "image":
        return None
    if not any(given.role == "image" for given in spec.inputs):
        return "words"
    return "edit" if spec.prompt else "variation"


def option_problem(found: UnsupportedOption) -> Problem:
    """400, naming the field as the native surface calls it."""
    return field_problem("inputs" if found.field == "mode" else found.field, found.message)


def _fields(spec: RenderSpec) -> list[tuple[Field, str, Callable[[ProviderOffer], tuple[str, ...]]]]:
    asked: list[tuple[Field, str | None, Callable[[ProviderOffer], tuple[str, ...]]]] = [
        ("model", spec.model, lambda row: row.models),
        ("mode", mode_of(spec), lambda row: row.modes),
        ("size", spec.size, lambda row: () if row.any_size and is_any_size(spec.size or "") else row.sizes),
        ("style", spec.style, lambda row: row.styles),
        ("quality", spec.quality, lambda row: row.qualities),
        ("format", spec.format, lambda row: row.formats),
        ("audio_format", spec.audio_format if spec.kind == "narration" else None, lambda row: row.audio_formats),
    ]
    return [(field, value, offered) for field, value, offered in asked if value is not None]


def _not_here(why: str) -> Problem:
    return Problem("provider_unavailable", f"{why[:1].upper()}{why[1:]}. Nothing was started and nothing is charged.")

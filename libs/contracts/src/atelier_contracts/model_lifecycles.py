"""When providers withdraw their models, and what makes a request for one of them afterwards. Pure; one table.

Before a model is gone it is used under its own name; from that day (UTC) on its successor makes what it is named for.
Sources: the deprecation pages of OpenAI and Google, and the notes on models in the installed SDKs (openai 3.52,
google-genai 3.4).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import date as Date  # noqa: N812 - a field is called date

from atelier_contracts.image_models import DALL_E_MODELS, RECOMMENDED_MODELS

ALARM_DAYS = 30
"""How long before a model is gone its operator is warned."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Days (UTC) of one model: offered by its provider since, announced to end on, gone from this day on. A successor
    of None: nothing stands in, requests for the model are refused once it is gone."""

    offered_on: Date | None = None
    deprecated_on: Date | None = None
    gone_on: Date | None = None
    successor: str | None = None


_GPT, _FLASH, _PRO = RECOMMENDED_MODELS["openai"], RECOMMENDED_MODELS["google"], "gemini-3-pro-image"
_DALL_E = Lifecycle(None, Date(2025, 11, 14), Date(2026, 5, 12), _GPT)
_JUNE_NOTICE = Lifecycle(None, Date(2026, 6, 2), Date(2026, 12, 1), _GPT)
_SPEECH = Lifecycle(None, Date(2026, 7, 6), Date(2027, 1, 6))
"""The announcement's own day is not in the SDK; OpenAI promises six months between it and the end."""
_IMAGEN_GONE = Date(2026, 8, 17)
_PREVIEWS = (Date(2026, 5, 28), Date(2026, 6, 25))

LIFECYCLES: Mapping[str, Lifecycle] = {
    **dict.fromkeys(DALL_E_MODELS, _DALL_E),
    "gpt-image-1": Lifecycle(None, Date(2026, 4, 22), Date(2026, 10, 23), _GPT),
    **dict.fromkeys(("gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"), _JUNE_NOTICE),
    **dict.fromkeys(("gpt-image-2", "gpt-image-2-2026-04-21"), Lifecycle(Date(2026, 4, 21))),
    **dict.fromkeys(("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08"), Lifecycle(Date(2026, 9, 8))),
    **dict.fromkeys(("gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08"), Lifecycle(Date(2026, 9, 8))),
    "gpt-image-2.6-sunburst": Lifecycle(Date(2026, 11, 4)),
    "gpt-image-2.6-flare": Lifecycle(Date(2026, 11, 4)),
    **dict.fromkeys(("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "tts-1", "tts-1-hd"), _SPEECH),
    "imagen-4.0-fast-generate-001": Lifecycle(None, None, _IMAGEN_GONE, _FLASH),
    "imagen-4.0-generate-001": Lifecycle(None, None, _IMAGEN_GONE, _FLASH),
    "imagen-4.0-ultra-generate-001": Lifecycle(None, None, _IMAGEN_GONE, _PRO),
    "gemini-2.5-flash-image": Lifecycle(Date(2025, 10, 2), None, Date(2026, 10, 2), _FLASH),
    "gemini-3.1-flash-image-preview": Lifecycle(Date(2026, 2, 26), *_PREVIEWS, _FLASH),
    "gemini-3-pro-image-preview": Lifecycle(Date(2025, 11, 20), *_PREVIEWS, _PRO),
    "gemini-3.1-flash-image": Lifecycle(Date(2026, 5, 28)),
    "gemini-3-pro-image": Lifecycle(Date(2026, 5, 28)),
    "gemini-3.1-flash-lite-image": Lifecycle(Date(2026, 6, 30)),
}
"""By name. A model that is not named here has no end that is known."""
_UNKNOWN = Lifecycle()


def lifecycle_of(model: str) -> Lifecycle:
    """The known dates of the model; empty for one that is not in the table."""
    return LIFECYCLES.get(model, _UNKNOWN)


def is_gone(model: str, *, today: Date) -> bool:
    """Whether its provider has withdrawn it."""
    gone_on = lifecycle_of(model).gone_on
    return gone_on is not None and gone_on <= today


def successor_of(model: str, *, today: Date) -> str | None:
    """The first available successor of a withdrawn model; None for one that is not withdrawn, and for one without
    a successor."""
    if not is_gone(model, today=today):
        return None
    successor = lifecycle_of(model).successor
    return None if successor is None else successor_of(successor, today=today) or successor


def days_left(model: str, *, today: Date) -> int | None:
    """Whole days until it is gone, 0 and less from that day on; None where no end is announced."""
    gone_on = lifecycle_of(model).gone_on
    return None if gone_on is None else (gone_on - today).days


def models_ending_soon(models: Iterable[str], *, today: Date) -> list[str]:
    """Those that are gone within ``ALARM_DAYS``, in the order given."""
    return [name for name in models if 0 < (days_left(name, today=today) or 0) <= ALARM_DAYS]


def utc_today() -> Date:
    """The clock of a running service, by which the table is read."""
    return datetime.now(UTC).date()

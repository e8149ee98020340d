"""Notices about models that end: headers of the replies to requests that name one, and the model that was used."""

from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any

from atelier_contracts.model_lifecycles import lifecycle_of
from atelier_gateway.projection.snapshot import Snapshot


def notice_headers(model: str | None) -> dict[str, str]:
    """``Deprecation`` (RFC 9745) and ``Sunset`` (RFC 8594) for a model whose end is announced; else none."""
    known = lifecycle_of(model or "")
    if known.gone_on is None:
        return {}
    since = known.deprecated_on or known.gone_on
    return {
        "Deprecation": f"@{int(midnight(since).timestamp())}",
        "Sunset": format_datetime(midnight(known.gone_on), usegmt=True),
    }


def maker_view(snapshot: Snapshot) -> dict[str, Any] | None:
    """``{"provider", "model"}``, once it is made; the model null where its maker has none by name."""
    return {"provider": snapshot.maker, "model": snapshot.model} if snapshot.maker else None


def midnight(day: date) -> datetime:
    """When a day begins, in UTC."""
    return datetime.combine(day, time(), UTC)

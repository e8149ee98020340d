"""Client of billing's usage: the sums of postings in a period."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx

from atelier_contracts import Owner
from atelier_gateway.peers.client import PeerClient, PeerUnavailable

ANSWER_S_MAX = 30.0
"""How long billing may take to add up a period."""


class PeriodTooLarge(Exception):
    """Billing does not add up so much at once; the text says why."""


async def fetch_usage(
    peers: PeerClient, owner: Owner | None, since: datetime, until: datetime, by: Collection[str]
) -> list[dict[str, Any]]:
    """The usage of an owner, or of all, in groups of what ``by`` names, in their order. Raises PeerUnavailable and
    PeriodTooLarge."""
    where = f"/internal/accounts/{owner.kind}/{owner.id}/usage" if owner else "/internal/usage"
    asked = {"since": _text(since), "until": _text(until), "by": ",".join(by)}
    try:
        answer = await peers.ask("GET", "billing", f"{where}?{urlencode(asked)}", timeout_s=ANSWER_S_MAX)
    except PeerUnavailable as error:
        cause = error.__cause__
        if isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == 422:
            raise PeriodTooLarge(str(cause.response.json().get("detail", "too much"))) from error
        raise
    sums: list[dict[str, Any]] = answer["sums"]
    return sums


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()

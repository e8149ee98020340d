"""Client of billing's internal API, for holds whose settlement has not arrived on the bus.

Rare: only after a command was sent again without an answer. The saga handles the reply as it would the lost event.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
from pydantic import AnyHttpUrl, SecretStr

from atelier_contracts import CreditCaptured, CreditRefunded
from atelier_session.generation import Generation, HoldCaptured, HoldGone, ResendDue, Settlement, State, Trigger
from atelier_telemetry.operations import is_nothing_there

ANSWER_S_MAX = 3.0
logger = logging.getLogger(__name__)

Hold = Mapping[str, Any]
"""Billing's JSON: ``state``, ``captured`` and ``refunded`` in credits; empty where there is none."""


class Holds:
    """Reads billing's holds."""

    def __init__(self, billing_url: AnyHttpUrl, token: SecretStr) -> None:
        self._root = str(billing_url).rstrip("/")
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.get_secret_value()}"}, timeout=ANSWER_S_MAX, trust_env=False
        )

    async def find(self, ids: Sequence[UUID]) -> dict[UUID, Hold]:
        """The hold of each generation; those for which billing gave no answer are left out."""
        answers = await asyncio.gather(*(self._find(id_) for id_ in ids))
        return {id_: hold for id_, hold in zip(ids, answers, strict=True) if hold is not None}

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _find(self, id_: UUID) -> Hold | None:
        try:
            answer = await self._http.get(f"{self._root}/internal/holds/{id_}")
            # Only billing's own word: on a 404 of a proxy, or of a wrong address, a hold would count as gone.
            if answer.status_code == httpx.codes.NOT_FOUND and is_nothing_there(answer.headers):
                return {}
            answer.raise_for_status()
            hold: Hold = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            logger.warning("reading the hold of %s failed, asking billing again at the next timer: %r", id_, error)
            return None
        return hold


def trigger_of_hold(generation: Generation, hold: Hold) -> Trigger:
    """The trigger for a saga that waits for a settlement, from the state of its hold."""
    state, settlement = hold.get("state"), settlement_of(generation, hold)
    if generation.state is State.CAPTURING and state != "open":
        return settlement if isinstance(settlement, CreditCaptured) else HoldGone()
    if generation.state is State.REFUNDING and settlement is not None:
        return settlement if isinstance(settlement, CreditRefunded) else HoldCaptured()
    return ResendDue()


def settlement_of(generation: Generation, hold: Hold) -> Settlement | None:
    """The event that billing must have published for this hold; None where it is open or absent."""
    id_ = generation.request.generation_id
    match hold.get("state"):
        case "captured":
            return CreditCaptured(generation_id=id_, captured=hold["captured"], refunded=hold["refunded"])
        case "refunded":
            return CreditRefunded(generation_id=id_, refunded=hold["refunded"])
    return None

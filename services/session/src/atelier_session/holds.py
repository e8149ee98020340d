"""Asking billing over internal HTTP about holds whose settlement it has not answered on the bus.

Rare: only after a command was sent again in vain. The answer is heard by the saga as the lost event would have been.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
from pydantic import AnyHttpUrl, SecretStr

from atelier_contracts import CreditCaptured, CreditRefunded
from atelier_session.generation import Generation, Heard, HoldCaptured, HoldGone, ResendDue, Settlement, State

ANSWER_S_MAX = 3.0
logger = logging.getLogger(__name__)

Hold = Mapping[str, Any]
"""As billing answers it: ``state``, ``captured`` and ``refunded`` in credits; empty where there is none."""


class Holds:
    """Billing's holds, seen from the session."""

    def __init__(self, billing_url: AnyHttpUrl, token: SecretStr) -> None:
        self._root = str(billing_url).rstrip("/")
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.get_secret_value()}"}, timeout=ANSWER_S_MAX, trust_env=False
        )

    async def find(self, ids: Sequence[UUID]) -> dict[UUID, Hold]:
        """The hold of each; those that billing did not answer for are left out."""
        answers = await asyncio.gather(*(self._find(id_) for id_ in ids))
        return {id_: hold for id_, hold in zip(ids, answers, strict=True) if hold is not None}

    async def close(self) -> None:
        """Lets the connections go."""
        await self._http.aclose()

    async def _find(self, id_: UUID) -> Hold | None:
        try:
            answer = await self._http.get(f"{self._root}/internal/holds/{id_}")
            if answer.status_code == httpx.codes.NOT_FOUND:
                return {}
            answer.raise_for_status()
            hold: Hold = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            logger.warning("billing does not answer for the hold of %s: %r", id_, error)
            return None
        return hold


def heard_of(generation: Generation, hold: Hold) -> Heard:
    """What the saga hears where the settlement stands still and the hold is like this."""
    state, settled = hold.get("state"), settlement_of(generation, hold)
    if generation.state is State.CAPTURING and state != "open":
        return settled if isinstance(settled, CreditCaptured) else HoldGone()
    if generation.state is State.REFUNDING and settled is not None:
        return settled if isinstance(settled, CreditRefunded) else HoldCaptured()
    return ResendDue()


def settlement_of(generation: Generation, hold: Hold) -> Settlement | None:
    """The event that billing must have said of a hold like this; None where it is open or absent."""
    id_ = generation.request.generation_id
    match hold.get("state"):
        case "captured":
            return CreditCaptured(generation_id=id_, captured=hold["captured"], refunded=hold["refunded"])
        case "refunded":
            return CreditRefunded(generation_id=id_, refunded=hold["refunded"])
    return None

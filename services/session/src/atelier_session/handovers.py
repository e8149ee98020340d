"""Client of the gateway's internal API, for generations whose delivery window is over.

The gateway knows what it has delivered, and delivers nothing more of what it has closed. So whatever was lost on
the bus, nothing that was delivered is refunded, and nothing that is refunded is delivered afterwards.
"""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx
from pydantic import AnyHttpUrl, SecretStr, TypeAdapter

from atelier_contracts import OutputDelivery

ANSWER_S_MAX = 3.0
logger = logging.getLogger(__name__)

Deliveries = tuple[OutputDelivery, ...]
_DELIVERIES = TypeAdapter(Deliveries)


class Handovers:
    """Closes handovers of outputs at the gateway."""

    def __init__(self, gateway_url: AnyHttpUrl, token: SecretStr) -> None:
        self._url = f"{str(gateway_url).rstrip('/')}/internal/handovers/close"
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.get_secret_value()}"}, timeout=ANSWER_S_MAX, trust_env=False
        )

    async def close_all(self, ids: Sequence[UUID]) -> dict[UUID, Deliveries]:
        """What was delivered of each of these generations, of which nothing is delivered any more. Left out are those
        of which an output is being sent at this moment, and all while the gateway does not answer."""
        try:
            answer = await self._http.post(self._url, json={"ids": [str(id_) for id_ in ids]})
            answer.raise_for_status()
            closed: list[dict[str, Any]] = answer.json()["closed"]
            return {UUID(each["id"]): _DELIVERIES.validate_python(each["delivered"]) for each in closed}
        except (httpx.HTTPError, ValueError, KeyError) as error:
            logger.warning(
                "closing %d handovers failed, asking the gateway again at the next timer: %r", len(ids), error
            )
            return {}

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

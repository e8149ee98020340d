"""Client of render's internal API, for outputs that are to be gone. Rare: a while after each command to discard."""

import logging
from collections.abc import Sequence
from uuid import UUID

import httpx
from pydantic import AnyHttpUrl, BaseModel, SecretStr, TypeAdapter

ANSWER_S_MAX = 3.0
logger = logging.getLogger(__name__)


class KeptOutputs(BaseModel):
    """What render has of a generation: the state of its job, None where it has none, and the keys of its outputs."""

    id: UUID
    state: str | None = None
    outputs: frozenset[str] = frozenset()


_KEPT = TypeAdapter(list[KeptOutputs])


class RenderOutputs:
    """Reads what render keeps."""

    def __init__(self, render_url: AnyHttpUrl, token: SecretStr) -> None:
        self._url = f"{str(render_url).rstrip('/')}/internal/outputs"
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.get_secret_value()}"}, timeout=ANSWER_S_MAX, trust_env=False
        )

    async def find(self, ids: Sequence[UUID]) -> dict[UUID, KeptOutputs] | None:
        """By generation; without an entry render has neither a job nor an output. None where it does not answer."""
        try:
            answer = await self._http.post(self._url, json={"ids": [str(id_) for id_ in ids]})
            answer.raise_for_status()
            found = _KEPT.validate_python(answer.json()["generations"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            logger.warning("reading outputs of %d generations failed, asking render again later: %r", len(ids), error)
            return None
        return {kept.id: kept for kept in found}

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

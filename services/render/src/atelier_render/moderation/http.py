"""Asks a moderation service of the operator's own, by HTTP; the contract is in ``docs/providers/content-rules.md``."""

from typing import Any

import httpx2
from pydantic import BaseModel, Field, SecretStr, ValidationError

from atelier_render.moderation.moderators import Allowed, Content, Forbidden, ModerationVerdict, ModeratorUnavailable

REASON_CHARS_MAX = 500
UNSAID = "the request breaks the content rules of this installation"


class _Answer(BaseModel):
    allowed: bool
    reason: str | None = Field(default=None, max_length=REASON_CHARS_MAX)


class HttpModerator:
    """POSTs each request's texts to one URL. The operator chose it, so it may be anywhere, inside too."""

    name = "moderation service"

    def __init__(self, url: str, token: SecretStr | None, *, timeout_s: float) -> None:
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._url = url
        self._http = httpx2.AsyncClient(headers=headers, timeout=timeout_s, trust_env=False)

    async def moderate(self, content: Content) -> ModerationVerdict:
        """Whatever is not a clear answer is none."""
        try:
            answer = await self._http.post(self._url, json=_request_body(content))
            if answer.status_code != 200:
                return ModeratorUnavailable(f"it answered {answer.status_code}")
            said = _Answer.model_validate_json(answer.content)
        except httpx2.HTTPError as error:
            return ModeratorUnavailable(f"{type(error).__name__}: {error}")
        except ValidationError as error:
            return ModeratorUnavailable(f"its answer is not understood: {error.errors()[0]['msg']}")
        return Allowed() if said.allowed else Forbidden(said.reason or UNSAID)

    async def close(self) -> None:
        """Lets go of its connections."""
        await self._http.aclose()


def _request_body(content: Content) -> dict[str, Any]:
    return {
        "generation_id": str(content.generation_id),
        "owner": content.owner.model_dump(mode="json"),
        "kind": content.kind,
        "texts": list(content.texts),
    }

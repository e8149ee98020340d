"""Asks OpenAI's moderation endpoint, which costs nothing, by the official SDK."""

import asyncio

import openai
from pydantic import BaseModel, ValidationError

from atelier_render.moderation.moderators import Allowed, Content, Forbidden, ModerationVerdict, ModeratorUnavailable
from atelier_render.providers.toolkit.http_client import AnswerTooLarge, client

OPENAI_URL = "https://api.openai.com/v1"
MODEL = "omni-moderation-latest"
ANSWER_BYTES_MAX = 1024 * 1024


class _Result(BaseModel):
    flagged: bool
    categories: dict[str, bool | None]


class _Answer(BaseModel):
    results: list[_Result]


class OpenAIModerator:
    """Refuses what OpenAI flags, and says for what."""

    name = "openai"

    def __init__(self, key: str, *, base_url: str | None, timeout_s: float) -> None:
        http = client(answer_s_max=timeout_s, answer_bytes_max=ANSWER_BYTES_MAX)
        # Never None: the SDK would look for an address in the environment.
        self._sdk = openai.AsyncOpenAI(api_key=key, base_url=base_url or OPENAI_URL, max_retries=0, http_client=http)
        self._timeout_s = timeout_s

    async def moderate(self, content: Content) -> ModerationVerdict:
        """One request for all texts; whatever is not a clear answer for each of them is none."""
        if not content.texts:
            return Allowed()
        try:
            async with asyncio.timeout(self._timeout_s):
                raw = await self._sdk.moderations.with_raw_response.create(input=list(content.texts), model=MODEL)
            # The SDK itself would hand over whatever came, whether it has the right shape or not.
            results = _Answer.model_validate_json(raw.http_response.content).results
        except (openai.OpenAIError, AnswerTooLarge, TimeoutError) as error:
            return ModeratorUnavailable(f"{type(error).__name__}: {error}")
        except ValidationError:
            return ModeratorUnavailable("its answer is not understood")
        if len(results) != len(content.texts):
            return ModeratorUnavailable("it did not judge every text")
        return _verdict(results)

    async def close(self) -> None:
        """Lets go of its connections."""
        await self._sdk.close()


def _verdict(results: list[_Result]) -> ModerationVerdict:
    flagged = [result.categories for result in results if result.flagged]
    if not flagged:
        return Allowed()
    words = sorted({name for categories in flagged for name, held in categories.items() if held})
    return Forbidden(f"the text was refused for: {', '.join(words) or 'its content'}")

"""The stock client past our limits; the whole system's tests run without limits, since all come from one address."""

import pytest

from ...support.world import World


@pytest.mark.stack
async def test_past_the_limit_the_stock_client_raises_its_rate_limit_error(world: World) -> None:
    # Only here: the tests that need no servers run in an environment without the client.
    from openai import AsyncOpenAI, BadRequestError, RateLimitError

    _, headers = await world.store()
    client = AsyncOpenAI(
        base_url="http://gateway/v1",
        api_key=headers["X-API-Key"],
        max_retries=0,
        http_client=world.client,  # type: ignore[arg-type] # it names another httpx, and takes this one
    )

    for _ in range(60):
        with pytest.raises(BadRequestError):
            await client.images.generate(prompt="", model="dall-e-3")
    with pytest.raises(RateLimitError) as limited:
        await client.images.generate(prompt="", model="dall-e-3")

    assert limited.value.code == "rate_limit_exceeded"
    assert int(limited.value.response.headers["retry-after"]) >= 1

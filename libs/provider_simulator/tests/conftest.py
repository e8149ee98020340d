"""A simulator in a process of its own, called over plain HTTP: no SDK hides anything here."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from atelier_provider_simulator.control import Control, run_simulator


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Where it is."""
    with run_simulator() as url:
        yield url


@pytest.fixture
async def control(url: str) -> AsyncIterator[Control]:
    """Its control, with nothing planned or logged."""
    async with Control(url) as control:
        await control.forget()
        yield control


@pytest.fixture
async def openai(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    """A client of OpenAI's paths."""
    headers = {"Authorization": f"Bearer {control.openai_key}"}
    async with httpx.AsyncClient(base_url=control.openai_url, headers=headers, trust_env=False) as http:
        yield http


@pytest.fixture
async def google(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    """A client of Google's paths."""
    headers = {"x-goog-api-key": control.google_key}
    async with httpx.AsyncClient(base_url=f"{control.google_url}/v1beta", headers=headers, trust_env=False) as http:
        yield http

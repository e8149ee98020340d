"""Toys for the supervisor, and stacks in folders of their own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from atelier_local.launcher.part import Part
from atelier_local.launcher.supervisor import Supervisor

Running = Callable[..., AbstractAsyncContextManager[Supervisor]]


@pytest.fixture
def run_parts(tmp_path: Path) -> Running:
    """Supervises the parts given until the end of the block; all of them, or those of ``wait``, are ready at its
    start."""

    @asynccontextmanager
    async def supervise(*parts: Part, wait: Iterable[str] | None = None) -> AsyncIterator[Supervisor]:
        supervisor = Supervisor(parts, tmp_path)
        supervisor.start()
        try:
            async with asyncio.timeout(60):
                for name in [part.name for part in parts] if wait is None else wait:
                    await supervisor.runners[name].usable.wait()
            yield supervisor
        finally:
            await supervisor.stop()

    return supervise

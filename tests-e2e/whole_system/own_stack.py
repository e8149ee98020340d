"""A running system for one file of tests alone."""

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

from atelier_local.launcher.assembly import NAMES
from atelier_local.launcher.stack import Stack
from whole_system.world import World

VIEWER = "traces"
WITHOUT_VIEWER = tuple(name for name in NAMES if name != VIEWER)
"""All parts but the trace viewer. Spans are made all the same; to export and keep them would cost most tests more time
than what they test."""


@contextmanager
def own_stack(
    name: str, env: Mapping[str, str], *, servers: Mapping[str, str] | None = None, viewer: bool = False
) -> Iterator[Stack]:
    """Yields it ready, and deletes it in the end. ``name`` becomes part of its profile's."""
    running = Stack(f"{name}-{os.getpid()}", only=() if viewer else WITHOUT_VIEWER, env=env, servers=servers)
    try:
        running.up()
        yield running
    finally:
        running.clean()


@asynccontextmanager
async def own_world(name: str, env: Mapping[str, str], *, viewer: bool = False) -> AsyncIterator[World]:
    """The same, as a test sees it."""
    with own_stack(name, env, viewer=viewer) as running:
        async with World.of(running) as opened:
            yield opened

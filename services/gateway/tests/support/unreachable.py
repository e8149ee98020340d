"""A session whose host is gone: no request of the gateway reaches it."""

from collections.abc import Iterator
from contextlib import contextmanager

from .world import World

CLOSED_PORT = "http://127.0.0.1:1"


@contextmanager
def session_unreachable(world: World) -> Iterator[None]:
    """Within the block connections to the session's internal API are refused."""
    roots = world.container.peers._roots
    usual, roots["session"] = roots["session"], CLOSED_PORT
    try:
        yield
    finally:
        roots["session"] = usual

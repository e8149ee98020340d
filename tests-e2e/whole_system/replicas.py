"""A second process of a service of the stack under test."""

from contextlib import AbstractAsyncContextManager

from atelier_local.launcher.replica import Replica, open_replica
from atelier_local.launcher.stack import Stack


def replica(stack: Stack, service: str, **settings: str) -> AbstractAsyncContextManager[Replica]:
    """A second process of the service, ready; ended with the block."""
    pid = stack.pid(service)
    assert pid is not None, f"the stack runs no {service}"
    return open_replica(service, pid, stack.profile.home, **settings)

"""The simulated providers: every module ``NAME_routes`` of this package is one."""

from collections.abc import Mapping
from importlib import import_module
from typing import Protocol, cast

from fastapi import FastAPI

from atelier_provider_simulator.plans import PROVIDER_NAMES, ROUTES_SUFFIX
from atelier_provider_simulator.request_handler import RequestHandler


class ProviderRoutes(Protocol):
    """What the module of a provider holds."""

    KEY: str
    """The key that it accepts by default."""
    BASE_PATH: str
    """What a client's base URL ends with."""

    def add_routes(self, app: FastAPI, handler: RequestHandler, files: dict[str, bytes], key: str, /) -> None:
        """Adds its paths. ``files`` are served by URL."""


PROVIDERS: Mapping[str, ProviderRoutes] = {
    name: cast(ProviderRoutes, import_module(f"{__package__}.{name}{ROUTES_SUFFIX}")) for name in PROVIDER_NAMES
}

"""The headers that every create reads: ``Idempotency-Key`` and ``X-Atelier-Simulate``."""

from dataclasses import dataclass

from starlette.requests import Request

from atelier_contracts import Simulation
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER, fingerprint, validate_key
from atelier_gateway.web.simulate_header import SIMULATE_HEADER, parse_simulation


@dataclass(frozen=True, slots=True)
class CreateHeaders:
    """What the headers of a create say."""

    key: str | None
    """The Idempotency-Key."""
    simulation: Simulation | None
    _simulate: str

    @classmethod
    def read(cls, request: Request, *, allowed: bool) -> "CreateHeaders":
        """``allowed``: whether requests may be simulated. Raises Problem 400."""
        key, simulate = validate_key(request.headers.get(IDEMPOTENCY_KEY_HEADER)), request.headers.get(SIMULATE_HEADER)
        return cls(key, parse_simulation(simulate, allowed=allowed), simulate or "")

    def fingerprint(self, *parts: str) -> bytes:
        """What makes two requests equal: these parts of the body, and how the request is to be simulated."""
        return fingerprint(*parts, self._simulate)

"""A request to be admitted, and what can become of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from atelier_contracts import Envelope, GenerationRequested
from atelier_contracts.billing import QuoteRefusal
from atelier_gateway.generations.token_caps import TokenRefused
from atelier_gateway.idempotency.keys import IdempotencyClaim
from atelier_gateway.identity.client_token_store import TokenUse
from atelier_gateway.media import store as media_store
from atelier_gateway.projection.caps import CapView
from atelier_gateway.projection.store import NewGeneration
from atelier_telemetry.tracing import Span


@dataclass(slots=True, eq=False)
class AdmissionRequest:
    """One POST to be admitted, with the claim of its Idempotency-Key if it has one."""

    generation: NewGeneration
    event: GenerationRequested
    span: Span
    """Of the POST; its message continues this trace although many share the commit."""
    claim: IdempotencyClaim | None = None
    envelope: Envelope | None = None
    """Its message, once it is written."""
    uses: Sequence[media_store.FileUse] = ()
    """Its input files."""
    token_use: TokenUse | None = None
    """What it takes of the cap of the client token that it came with."""
    is_in_doubt: bool = False
    """Whether a commit was under way when the database went away."""

    @property
    def takes_locks(self) -> bool:
        """Whether it uses objects of the store or a client token, which are locked while it is written."""
        return self.token_use is not None or any(use.key is not None for use in self.uses)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Admitted: it will be rendered."""


@dataclass(frozen=True, slots=True)
class Declined:
    """Refused before any credits were held. ``available`` is None if unknown."""

    reason: str
    required: int
    available: int | None
    cap: CapView | None = None
    """The cap that left too little room, where that is the reason."""
    quote: QuoteRefusal | None = None
    """Why the quote does not hold, where that is the reason."""


@dataclass(frozen=True, slots=True)
class KeyTaken:
    """Another request holds the Idempotency-Key; nothing was written."""


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Nothing will come of it (``is_certain``), or the outcome is unknown."""

    is_certain: bool = True


AdmissionOutcome = Accepted | Declined | KeyTaken | TokenRefused | Unavailable
Settled = Literal["accepted", "withdrawn", "unknown"]
"""What becomes of a request whose process died before it answered."""

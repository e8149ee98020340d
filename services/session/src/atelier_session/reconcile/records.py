"""What each service has on record of one generation, as its feed gives it. Credits are whole numbers."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import TypeAdapter

Verdict = Literal["admitted", "withdrawn"]


@dataclass(frozen=True, slots=True)
class SagaRecord:
    """The session's record. ``state`` is None where an id was admitted or withdrawn and has no saga."""

    generation_id: UUID
    verdict: Verdict
    changed_at: datetime
    state: str | None = None
    deadline_at: datetime | None = None
    """Its deadline, or the end of its delivery window where that is later."""
    is_charged_on_delivery: bool = False
    """Its outputs existed and waited for its client, and are charged as they are delivered."""
    captured: int | None = None
    """Credits charged, as the saga has it from billing."""
    delivered: int = 0
    reused: bool = False
    outputs: int = 0
    """Artefacts that the saga names; none once they are deleted at their owner's wish."""


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """Billing's record: the hold, and what its postings come to."""

    generation_id: UUID
    state: str
    changed_at: datetime
    credits: int
    captured: int
    refunded: int
    posted_reserved: int
    posted_captured: int
    posted_refunded: int
    returned: int = 0
    """Credits given back after they were captured, by corrections."""
    is_duplicated: bool = False
    """One grant has two postings of one kind."""
    is_torn: bool = False
    """A grant has one half of its postings: reserved and never settled, or settled and never reserved."""
    is_tombstone: bool = False


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Render's record. ``state`` is None where the job's row is gone and its artefacts or submissions are not."""

    generation_id: UUID
    state: str | None
    changed_at: datetime
    deadline_at: datetime | None = None
    delivered: int = 0
    artefacts: int = 0
    """Rows of artefacts."""
    submissions: int = 0
    """Requests to remote providers on record, each of which may be on the provider's bill."""
    metered_outputs: int | None = None
    """Outputs that the answers of remote providers had; None where no submission that delivered was metered."""
    usage_faults: tuple[str, ...] = ()
    """What is missing of the usage and cost of submissions that delivered."""
    is_removed: bool = False
    """The outputs were removed for a reason on record."""
    is_tombstone: bool = False
    missing: tuple[str, ...] = ()
    """Keys of objects that the store does not have."""
    altered: tuple[str, ...] = ()
    """Keys of objects whose size or bytes are not those on record."""


@dataclass(frozen=True, slots=True)
class ProjectionRecord:
    """The gateway's record: what its owner is shown. ``captured`` in credits."""

    generation_id: UUID
    state: str
    changed_at: datetime
    captured: int


@dataclass(frozen=True, slots=True)
class Records:
    """All that is known of one generation."""

    saga: SagaRecord | None = None
    hold: HoldRecord | None = None
    job: JobRecord | None = None
    projection: ProjectionRecord | None = None

    @property
    def changed_at(self) -> datetime:
        """The latest change of any of them."""
        return max(
            record.changed_at for record in (self.saga, self.hold, self.job, self.projection) if record is not None
        )


@dataclass(slots=True)
class Page:
    """The records of all generations past ``after``, up to and including ``bound``, which is None at the end."""

    after: UUID
    bound: UUID | None = None
    records: dict[UUID, Records] = field(default_factory=dict)


HOLDS = TypeAdapter(list[HoldRecord])
JOBS = TypeAdapter(list[JobRecord])
PROJECTIONS = TypeAdapter(list[ProjectionRecord])

"""The rules of caps: pure functions. A cap bounds what is held and captured for one spender of an account in a period.

A hold counts from its reservation, in the periods of that moment, until it is settled; then what is captured counts.
What is refunded, or returned later, counts no more: it goes back to the periods in which it was reserved. A capture in
full therefore changes no count, and needs no look at the caps. Every cap is of one account, whose lock its count is
changed under.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, cast
from uuid import UUID

from atelier_contracts import CapReached, CapUse, Owner, Spender
from atelier_contracts.caps import CapPeriod

if TYPE_CHECKING:
    from atelier_billing.books import Hold

WARN_AT: Sequence[Literal[50, 80, 100]] = (50, 80, 100)
"""Percent of a cap that are announced, once a period."""
FOR_GOOD = datetime(1970, 1, 1, tzinfo=UTC)
"""When the one period of a total began: before everything."""
LASTING: Sequence[CapPeriod] = ("day", "month", "total")
"""The periods, the one that renews first in front."""


@dataclass(slots=True)
class Cap:
    """A cap and its count in the period that began at ``since``: ``used`` credits, of which ``held`` are of those open
    holds that were looked up. ``warned``: the last percentage announced in it."""

    id: UUID
    owner: Owner
    spender: Spender
    period: CapPeriod
    credits: int
    since: datetime
    used: int = 0
    held: int = 0
    warned: int = 0

    @property
    def captured(self) -> int:
        """What counts of holds that are not known to be open."""
        return self.used - self.held

    def has_room_for(self, credits: int) -> bool:
        """Whether so much more may be reserved."""
        return self.used + credits <= self.credits

    def renew(self, at: datetime) -> None:
        """Begins the period of this moment, where that is a later one: nothing counts in it yet."""
        since = period_start(self.period, at)
        if since > self.since:
            self.since, self.used, self.held, self.warned = since, 0, 0, 0

    def use(self) -> CapUse:
        """As it is shown."""
        is_total = self.period == "total"
        return CapUse(
            id=self.id,
            owner=self.owner,
            spender=self.spender,
            period=self.period,
            credits=self.credits,
            held=self.held,
            captured=self.captured,
            since=None if is_total else self.since,
            renews_at=period_end(self.period, self.since),
        )


def period_start(period: CapPeriod, at: datetime) -> datetime:
    """When the period of this moment began, in UTC."""
    if period == "total":
        return FOR_GOOD
    day = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if period == "day" else day.replace(day=1)


def period_end(period: CapPeriod, since: datetime) -> datetime | None:
    """When the next one begins; None for a total."""
    if period == "total":
        return None
    return period_start(period, since + timedelta(days=1 if period == "day" else 31))


def caps_on(caps: Iterable[Cap], owner: Owner, spenders: Iterable[Spender]) -> list[Cap]:
    """Those that bound what these spend of the owner's credits, the owner's own among them."""
    ids = {owner.id, *(spender.id for spender in spenders)}
    return [cap for cap in caps if cap.owner.id == owner.id and cap.spender.id in ids]


def begin(caps: Collection[Cap], now: datetime) -> datetime:
    """Renews those whose period is over; returns the moment at which a hold counts: not before a period that another
    process with a later clock has begun."""
    at = max((cap.since for cap in caps), default=now)
    at = max(at, now)
    for cap in caps:
        cap.renew(at)
    return at


def refusing_cap(caps: Iterable[Cap], credits: int) -> Cap | None:
    """The cap that has no room for so much; of several the one that lasts longest."""
    return max(
        (cap for cap in caps if not cap.has_room_for(credits)), key=lambda cap: LASTING.index(cap.period), default=None
    )


def counting(caps: dict[UUID, Cap], hold: "Hold") -> list[Cap]:
    """The caps towards which a hold counts: those that it was reserved under, in the period of that moment."""
    found = (caps[id_] for id_ in hold.caps if id_ in caps)
    return [cap for cap in found if hold.capped_at and period_start(cap.period, hold.capped_at) == cap.since]


def with_held_before(use: CapUse, credits: int) -> CapUse:
    """As it is shown where so much more of it is held, by holds that were not looked up when it was counted."""
    return use.model_copy(update={"held": use.held + credits, "captured": use.captured - credits})


def warn(cap: Cap, *, is_full: bool = False) -> CapReached | None:
    """The announcement that is due; None where it was made before. A cap that refuses is full."""
    percent = 100 if is_full else percent_of(cap)
    if percent <= cap.warned:
        return None
    cap.warned = percent
    return CapReached(cap_id=cap.id, percent=cast(Literal[50, 80, 100], percent), cap=cap.use())


def percent_of(cap: Cap) -> int:
    """The highest percentage to be announced that its use has reached; 0 below the first."""
    if cap.used * 100 < WARN_AT[0] * cap.credits:
        return 0
    return max(percent for percent in WARN_AT if cap.used * 100 >= percent * cap.credits)

"""Which requests of an owner were refused and why, so that an operator can answer who asks. One row an hour, owner,
surface and code: a client that is refused in a loop costs no more than one that is refused once."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.identity import refusal_store
from atelier_gateway.identity.refusal_store import KEPT_DAYS, NewRefusals
from atelier_gateway.web.problems import Problem
from atelier_messaging.database import Pool

FLUSH_EVERY_S = 5.0
UNSAVED_MAX = 2_000
"""Rows that wait to be saved; what is refused beyond them between two saves is not kept."""
DETAIL_CHARS_MAX = 300
UNKEPT = ("not_found", "method_not_allowed", "internal_error", "unavailable")
"""No refusals: a wrong address, and trouble of ours, which logs and metrics show."""
RANDOM_BITS = 80
logger = logging.getLogger(__name__)
Key = tuple[Owner, str, str]


@dataclass(slots=True)
class _Counted:
    number: int
    last_at: datetime
    detail: str
    request_id: str


class RefusalLog:
    """Of one process. What is not saved yet is lost with it: a few seconds."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._unsaved: dict[Key, _Counted] = {}
        self._skipped = 0

    def record(self, owner: Owner, surface: str, problem: Problem, request_id: str) -> None:
        """A request of this owner was answered with this problem."""
        if problem.code in UNKEPT:
            return
        key, detail = (owner, surface, problem.code), problem.detail[:DETAIL_CHARS_MAX]
        before = self._unsaved.get(key)
        if before is None and len(self._unsaved) >= UNSAVED_MAX:
            self._skipped += 1
            return
        number = 1 if before is None else before.number + 1
        self._unsaved[key] = _Counted(number, datetime.now(UTC), detail, request_id)

    async def flush(self) -> None:
        """Saves what was refused since the last time. What could not be saved is kept for the next."""
        unsaved, self._unsaved = self._unsaved, {}
        if self._skipped:
            logger.warning("refusals of %d requests not kept, too many were refused at once", self._skipped)
            self._skipped = 0
        if not unsaved:
            return
        try:
            await refusal_store.add(self._pool, _rows(unsaved))
        except Exception:
            self._unsaved = unsaved | self._unsaved
            raise

    async def prune(self) -> None:
        """Deletes what is older than it is kept."""
        at = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
        await refusal_store.prune(self._pool, UUID(int=int(at.timestamp() * 1_000) << RANDOM_BITS))


def _rows(unsaved: Mapping[Key, _Counted]) -> list[NewRefusals]:
    return [
        NewRefusals(uuid7(), owner, surface, code, each.number, each.last_at, each.detail, each.request_id)
        for (owner, surface, code), each in unsaved.items()
    ]

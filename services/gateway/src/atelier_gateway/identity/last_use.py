"""When a credential was last used, at the cost of one statement a minute however many requests there are."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from uuid import UUID

FLUSH_EVERY_S = 60.0
Save = Callable[[Mapping[UUID, datetime]], Awaitable[None]]


class LastUse:
    """Of the credentials of one table, by id. What is not saved yet is lost with the process: up to a minute."""

    def __init__(self, save: Save) -> None:
        self._save = save
        self._unsaved: dict[UUID, datetime] = {}

    def record(self, credential: UUID) -> None:
        """It is being used now."""
        self._unsaved[credential] = datetime.now(UTC)

    async def flush(self) -> None:
        """Writes down what was used since the last time. What could not be written is kept for the next."""
        unsaved, self._unsaved = self._unsaved, {}
        if not unsaved:
            return
        try:
            await self._save(unsaved)
        except Exception:
            self._unsaved = unsaved | self._unsaved
            raise

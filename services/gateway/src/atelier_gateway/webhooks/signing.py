"""Standard Webhooks signatures, with secrets that stand in no table.

A secret is derived from its id and the installation's key pepper: with the database alone nothing can be signed, and
every replica can sign what any other has noted. An installation that changes its pepper changes all secrets, as it
changes all API keys.
"""

import base64
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import SecretStr
from standardwebhooks import Webhook

OLD_SECRET_VALID = timedelta(hours=24)
"""How long the secret before a rotation signs, too."""
_PURPOSE = b"atelier webhook signing secret v1:"


@dataclass(frozen=True, slots=True)
class SecretIds:
    """Which secrets sign for a receiver; the one before the last rotation until its time is up."""

    current: UUID
    previous: UUID | None = None
    previous_until: datetime | None = None

    def valid_at(self, now: datetime) -> tuple[UUID, ...]:
        """Those that sign at this moment, the current one first."""
        if self.previous is None or self.previous_until is None or self.previous_until <= now:
            return (self.current,)
        return (self.current, self.previous)


class SigningSecrets:
    """Makes secrets of their ids."""

    def __init__(self, pepper: SecretStr) -> None:
        self._pepper = pepper.get_secret_value().encode()

    def secret_of(self, id_: UUID) -> str:
        """``whsec_`` and 32 bytes in base64, always the same for an id."""
        digest = hmac.digest(self._pepper, _PURPOSE + id_.bytes, "sha256")
        return f"whsec_{base64.b64encode(digest).decode()}"

    def headers(self, ids: Sequence[UUID], delivery: UUID, body: str, *, now: datetime) -> dict[str, str]:
        """The three headers of a message, signed with each of the secrets."""
        signatures = [Webhook(self.secret_of(id_)).sign(str(delivery), now.astimezone(UTC), body) for id_ in ids]
        return {
            "webhook-id": str(delivery),
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

"""Standard Webhooks signatures on everything that passes between render and a worker, in both directions.

The signature covers id, time and body. What a request does is part of its id (``poll_KEY``), so that a request without
a body cannot be replayed as another one.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import SecretStr
from standardwebhooks import Webhook, WebhookVerificationError

Act = Literal["submit", "poll", "cancel"]


class Signer:
    """Signs with every secret, so that a worker can learn a new one before it forgets the old; the first is the
    current one."""

    def __init__(self, secrets: Sequence[SecretStr]) -> None:
        self._hooks = [Webhook(secret.get_secret_value()) for secret in secrets]

    def headers(self, act: Act, key: str, body: bytes, *, now: datetime) -> dict[str, str]:
        """The three headers of a request."""
        id_, text = f"{act}_{key}", body.decode()
        return {
            "webhook-id": id_,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(hook.sign(id_, now.astimezone(UTC), text) for hook in self._hooks),
        }

    def accepts(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether one of the secrets signed this within the last five minutes."""
        return any(_verify(hook, headers, body) for hook in self._hooks)


def _verify(hook: Webhook, headers: Mapping[str, str], body: bytes) -> bool:
    try:
        hook.verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):  # ValueError: headers that are not even well formed
        return False
    return True

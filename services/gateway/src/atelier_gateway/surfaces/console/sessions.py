"""Sessions of the console: what stands in the cookie, signed, and the token that each form carries. Pure.

None is stored but those that a sign-out has ended. A session ends with its time, with its operator's access, and with
the operator's token, of whose digest it holds a mark.
"""

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from atelier_gateway.identity.operator_store import StoredOperator

COOKIE = "atelier_console"
HOURS = 8
"""How long a session lasts, whatever is done in it."""
COOKIE_CHARS_MAX = 1_000
MARK_CHARS = 22
_PURPOSE = b"atelier console session v1"


@dataclass(frozen=True, slots=True)
class Session:
    """Who signed in, until when. ``mark`` is of the token they signed in with."""

    operator_id: UUID
    mark: str
    ends_at: datetime
    nonce: str


class SessionSigner:
    """Signs sessions with a key of its own, derived from the installation's secret."""

    def __init__(self, pepper: str) -> None:
        self._key = hmac.digest(pepper.encode(), _PURPOSE, "sha256")

    def open(self, operator: StoredOperator, now: datetime) -> str:
        """The cookie of a session that begins now."""
        body = {
            "operator": str(operator.id),
            "mark": mark_of(operator),
            "ends_at": int((now + timedelta(hours=HOURS)).timestamp()),
            "nonce": secrets.token_urlsafe(16),
        }
        text = _encode(json.dumps(body, separators=(",", ":")).encode())
        return f"{text}.{self._sign(text)}"

    def read(self, cookie: str, now: datetime) -> Session | None:
        """The session of a cookie; None for one that is not ours or is over."""
        text, dot, signature = cookie.partition(".")
        if not dot or len(cookie) > COOKIE_CHARS_MAX or not cookie.isascii():
            return None
        if not hmac.compare_digest(signature, self._sign(text)):
            return None
        body = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        session = Session(
            UUID(body["operator"]), body["mark"], datetime.fromtimestamp(body["ends_at"], now.tzinfo), body["nonce"]
        )
        return session if session.ends_at > now else None

    def form_token(self, session: Session) -> str:
        """What each form of this session carries: another site can make a browser send the cookie, not this."""
        return self._sign(f"form {session.operator_id} {session.nonce}")

    def is_form_token(self, session: Session, token: str) -> bool:
        """Whether a form that was sent is one of this session's."""
        return hmac.compare_digest(token.encode(), self.form_token(session).encode())

    def _sign(self, text: str) -> str:
        return _encode(hmac.digest(self._key, text.encode(), "sha256"))


def mark_of(operator: StoredOperator) -> str:
    """By which a session knows that its operator's token is still the same; nothing can be derived from it."""
    return _encode(hashlib.sha256(operator.digest).digest())[:MARK_CHARS]


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

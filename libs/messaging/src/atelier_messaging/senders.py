"""Verifies the sender of a message: the broker vouches for its user, and a user may send what its service may send.

The broker checks ``user_id`` against the login of the connection, so no client can name another. A message that was
moved (to a retry, to the dead letters and back) carries its first sender in a header, which is trusted only from those
who move messages of that queue: its own consumer and the operator.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from atelier_contracts.message import Message
from atelier_contracts.routes import SERVICES, senders_of
from atelier_messaging.addresses import user_of

OPERATOR = "atelier"
"""In the place of a service's name: the user that declares the topology and handles dead letters."""
SENDER_HEADER = "x-atelier-sender"


@dataclass(frozen=True, slots=True)
class Senders:
    """The broker's users as one of them sees the others. A user's name holds that of its service, ``billing`` or
    ``north-billing``; the names of the others differ in that word alone."""

    own: str | None
    services: Mapping[str, str]
    """User → service; empty where all services log in as one user, and senders cannot be verified."""
    operator: str | None

    @classmethod
    def for_user(cls, role: str, user: str | None) -> "Senders":
        """``role`` is a service's name or OPERATOR."""
        if user is None or role not in user or role not in {*SERVICES, OPERATOR}:
            return cls(user, {}, None)
        services = {user.replace(role, service): service for service in SERVICES}
        return cls(user, services, user.replace(role, OPERATOR))

    @classmethod
    def from_addresses(cls, role: str, addresses: str) -> "Senders":
        """As the user that the addresses log in as."""
        return cls.for_user(role, user_of(addresses))

    @property
    def are_known(self) -> bool:
        """Whether each service has a user of its own."""
        return bool(self.services)

    def user_of(self, service: str) -> str | None:
        """The broker user of a service, None where it has none of its own."""
        return next((user for user, owner in self.services.items() if owner == service), None)

    def of(self, user_id: str | None, headers: Mapping[str, object], *, mover: str | None = None) -> str | None:
        """The user that sent a message first, None where it is unknown. ``mover`` is the user of the queue's
        consumer, by default our own."""
        first = headers.get(SENDER_HEADER)
        moved = user_id in {mover or self.own, self.operator} or not self.are_known
        return first if moved and isinstance(first, str) else user_id

    def refusal(self, sender: str | None, message: type[Message]) -> str | None:
        """Why this message may not be handled; None when its sender may send it."""
        if not self.are_known:
            return None
        if sender is None:
            return f"no broker user vouches for this {message.name}"
        if self.services.get(sender) in senders_of(message):
            return None
        return f"the broker user {sender!r} may not send {message.name}"


EVERYBODY = Senders(None, {}, None)
"""One user for all."""

"""The permissions of each broker user, derived from the contracts: ``python -m atelier_messaging.permissions`` writes
the definitions that compose fills in, and the local launcher makes its own from the same.

A service reads its own queues and their dead letters, writes to the exchanges it publishes to, and there only under the
names of messages it may send. It declares nothing; the gateway alone declares the queues of its replies. It alone
publishes to subscribers.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import atelier_contracts  # noqa: F401 - importing fills the registry
from atelier_contracts.message import REGISTRY
from atelier_contracts.partitions import PARTITIONED, PARTITIONED_KINDS, SUFFIX_PATTERN
from atelier_contracts.public_events import SUBSCRIPTION_NAME, SUBSCRIPTIONS, subscription_queue
from atelier_contracts.routes import EXCHANGE, REPLY_PREFIX, ROUTES, SERVICES, message_names_of, owner_of
from atelier_messaging.senders import OPERATOR
from atelier_messaging.topology import (
    DEAD_EXCHANGE,
    INSTALLATION,
    PARTITIONS,
    RETRY_DELAYS_S,
    dead_queue,
    retry_exchange,
)

NOTHING = "^$"
EVERYTHING = ".*"
REPLIES = f"{re.escape(REPLY_PREFIX)}[0-9a-f.]+"
USERS = (OPERATOR, *SERVICES)


def definitions(hashes: Mapping[str, str], vhost: str = "/") -> dict[str, Any]:
    """RabbitMQ's definitions: the virtual host, the users by the hash of their passwords, and their permissions. A
    broker that is given some at its first start makes no guest. RabbitMQ 4.3 does not start with topic permissions on
    an exchange that is not there, so that one is among them."""
    return {
        "vhosts": [{"name": vhost}],
        "users": [
            {
                "name": user,
                "password_hash": hashes[user],
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["monitoring"] if user == OPERATOR else [],
                "limits": {},
            }
            for user in USERS
        ],
        "exchanges": [
            {
                "name": EXCHANGE,
                "vhost": vhost,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
        ],
        "permissions": [
            {"user": OPERATOR, "vhost": vhost, "configure": EVERYTHING, "write": EVERYTHING, "read": EVERYTHING},
            *({"user": service, "vhost": vhost, **permissions_of(service)} for service in SERVICES),
        ],
        "topic_permissions": [
            {"user": service, "vhost": vhost, "exchange": EXCHANGE, **topics_of(service)} for service in SERVICES
        ],
    }


def permissions_of(service: str) -> dict[str, str]:
    """On exchanges and queues."""
    queues = [queue for queue in ROUTES if owner_of(queue) == service]
    own = [each for queue in queues for each in (_divided(queue, queue in PARTITIONED), re.escape(dead_queue(queue)))]
    retries = [re.escape(retry_exchange(level)) for level in range(len(RETRY_DELAYS_S))]
    written = [re.escape(name) for name in (EXCHANGE, DEAD_EXCHANGE, INSTALLATION, PARTITIONS)] + retries
    if not _receives_replies(service):
        return {"configure": NOTHING, "write": _any_of(written), "read": _any_of(own)}
    return {
        "configure": _any_of([REPLIES]),
        "write": _any_of([*written, re.escape(SUBSCRIPTIONS), REPLIES]),
        "read": _any_of([*own, re.escape(EXCHANGE), REPLIES]),
    }


def subscriber_permissions(name: str) -> dict[str, str]:
    """Of a subscriber's user: it reads its own queue and nothing else. Raises ValueError for a name that is none."""
    if not re.fullmatch(SUBSCRIPTION_NAME, name):
        raise ValueError(
            "a subscription is named in lower case: a letter, then letters, digits and hyphens, 40 at most"
        )
    return {"configure": NOTHING, "write": NOTHING, "read": _any_of([re.escape(subscription_queue(name))])}


def topics_of(service: str) -> dict[str, str]:
    """On the exchange of all messages: which names it may publish, and to which it may bind a queue. Where the broker
    looks at extra routing keys too, a reply needs that of the gateway instance that waits for it."""
    names = [_divided(name, REGISTRY[name] in PARTITIONED_KINDS) for name in message_names_of(service)]
    return {"write": _any_of([*names, REPLIES]), "read": _any_of([REPLIES]) if _receives_replies(service) else NOTHING}


def _receives_replies(service: str) -> bool:
    return service == owner_of(REPLY_PREFIX)


def _divided(name: str, is_divided: bool) -> str:
    """Of a queue or a message, in any number of partitions: to change that number takes no other permissions."""
    return re.escape(name) + (SUFFIX_PATTERN if is_divided else "")


def _any_of(patterns: list[str]) -> str:
    return f"^({'|'.join(patterns)})$" if patterns else NOTHING


def main(arguments: list[str]) -> None:
    """Writes the definitions with a placeholder for each hash into the file that is named."""
    placeholders = {user: f"@{user.upper()}_HASH@" for user in USERS}
    Path(arguments[0]).write_text(json.dumps(definitions(placeholders), indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])

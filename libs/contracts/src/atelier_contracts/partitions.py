"""Which partition of a queue a message goes to: a stable hash of its key, as the last word of its routing key.

Commands to billing go by account, messages to the session by generation, so that those of one key stay in one queue and
in their order. With one partition a routing key is the message's name, and nothing else.
"""

from zlib import crc32

from atelier_contracts.billing import CaptureCredit, GrantCredit, RefundCredit, ReserveCredit
from atelier_contracts.message import Message
from atelier_contracts.routes import BILLING_COMMANDS, ROUTES, SESSION_SAGA
from atelier_contracts.value_objects import Owner

PARTITIONS_MAX = 64
PARTITIONED = (SESSION_SAGA, BILLING_COMMANDS)
"""The queues that are divided."""
PARTITIONED_KINDS = frozenset(kind for queue in PARTITIONED for kind in ROUTES[queue])
SUFFIX_PATTERN = r"(\.p[0-9]+)?"
"""As a regular expression: what a partition adds to the name of a queue or of a message, or nothing."""


def in_partition(name: str, partition: int) -> str:
    """The name of a queue's partition, or the routing key of a message in it."""
    return f"{name}.p{partition}"


def routing_key_of(message: Message, partitions: int) -> str:
    """The routing key of a message among so many partitions: its name, and its partition where there are several."""
    if partitions == 1 or type(message) not in PARTITIONED_KINDS:
        return message.name
    return in_partition(message.name, partition_of(message, partitions))


def partition_of(message: Message, partitions: int) -> int:
    """From 0. The same in every process and version, for a key must not move while its messages are on the way."""
    return crc32(_key_of(message).encode()) % partitions


def _key_of(message: Message) -> str:
    owner: Owner | None = None
    match message:
        case ReserveCredit() | GrantCredit():
            owner = message.owner
        case CaptureCredit() | RefundCredit() if message.end is not None:
            owner = message.end.owner
    # Without an account: a repair by an operator or by reconciliation, which is right in any order.
    return str(message.subject) if owner is None else f"{owner.kind} {owner.id}"

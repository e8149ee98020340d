"""What usage is grouped by beside the money: the kind of work, the key that asked for it, and who made it. The rules of
money know none of it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from uuid import UUID

from atelier_contracts import CaptureCredit, Message, RefundCredit, ReserveCredit


class HoldLabels(NamedTuple):
    """Of one hold, as far as it is known."""

    kind: str | None = None
    provider: str | None = None
    model: str | None = None
    key_id: UUID | None = None
    """The API key that it was created with."""


UNKNOWN = HoldLabels()
Labels = Mapping[UUID, HoldLabels]


def labels_of(commands: Iterable[Message]) -> dict[UUID, HoldLabels]:
    """What these commands say of the holds that they place and settle."""
    found: dict[UUID, HoldLabels] = {}
    for command in commands:
        match command:
            case ReserveCredit(generation_id=id_, work=work):
                found[id_] = found.get(id_, UNKNOWN)._replace(kind=work.kind, key_id=_key_of(command))
            case CaptureCredit() | RefundCredit() if command.end is not None:
                known = found.get(command.generation_id, UNKNOWN)
                found[command.generation_id] = known._replace(provider=command.end.provider, model=command.end.model)
    return found


def _key_of(command: ReserveCredit) -> UUID | None:
    return next((spender.id for spender in command.spenders if spender.kind == "key"), None)

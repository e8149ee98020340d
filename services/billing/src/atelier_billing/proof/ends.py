"""Which commands of a batch end a generation, and how: each end has a receipt. Pure."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from atelier_billing.books import Hold, HoldState
from atelier_billing.ledger import MoneyCommand, MoneyEvent
from atelier_contracts import CaptureCredit, CreditDeclined, GenerationEnd, RefundCredit, ReserveCredit

Ends = dict[UUID, GenerationEnd | None]
"""By generation; None where the command says no more than the books."""


def settled_of(holds: Mapping[UUID, Hold]) -> set[UUID]:
    """The generations whose hold is settled: a repeated command ends them no second time."""
    return {id_ for id_, hold in holds.items() if hold.state is not HoldState.OPEN}


def ends_of(settled: Iterable[UUID], handled: Iterable[tuple[MoneyCommand, MoneyEvent]]) -> Ends:
    """The generations that these commands, in their order, end. ``settled`` were so before."""
    ended, ends = set(settled), Ends()
    for command, event in handled:
        match command, event:
            case ((CaptureCredit() | RefundCredit()), _) if command.generation_id not in ended:
                ends[command.generation_id] = command.end
                ended.add(command.generation_id)
            case ReserveCredit(), CreditDeclined() if event.reason != "withdrawn":
                ends[command.generation_id] = _rejection(command, event.reason)
    return ends


def _rejection(command: ReserveCredit, code: str) -> GenerationEnd:
    return GenerationEnd(
        owner=command.owner, kind=command.work.kind, outcome="rejected", code=code, request=command.record
    )

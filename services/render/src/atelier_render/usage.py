"""What a provider says that a submission used, added up over its calls.

Figures are whole numbers; what is missing in an answer, or is no count at all, adds nothing and never costs the client
its picture.
"""

from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal, InvalidOperation
from typing import Any, Self

COUNT_MAX = 10**12
"""What is above this is a fault of the sender, not a count."""
REQUEST_ID_CHARS_MAX = 128
REQUEST_IDS_MAX = 32


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of one or more calls. ``milliseconds`` are of compute or of sound, as the provider prices them;
    ``milliunits`` are thousandths of the units that it says it bills."""

    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_text_tokens: int = 0
    output_image_tokens: int = 0
    outputs: int = 0
    characters: int = 0
    milliseconds: int = 0
    milliunits: int = 0

    def __add__(self, other: Self) -> Self:
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return type(self)(**sums)


NOTHING = Usage()


def count_of(value: object) -> int:
    """A count as a provider wrote it; 0 for anything else."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= COUNT_MAX
    return int(value) if is_count and isinstance(value, int) else 0


def thousandths_of(value: object) -> int | None:
    """A decimal number, as text or as JSON has it, in thousandths; None for anything else."""
    try:
        found = Decimal(str(value)) * 1_000
    except InvalidOperation:
        return None
    return count_of(int(found.to_integral_value())) if found.is_finite() and found >= 0 else None


@dataclass(slots=True)
class UsageMeter:
    """The usage of one submission while it runs: how many calls left, how many were answered, and what they used."""

    model: str | None = None
    """The model that the provider was sent."""
    calls: int = 0
    answers: int = 0
    is_reported: bool = False
    """Whether the provider itself gave counts; else only what was sent and received is counted."""
    usage: Usage = NOTHING
    request_ids: list[str] = field(default_factory=list)
    """The provider's own ids of its answers, for its support and its invoice."""

    def begin(self, model: str | None) -> None:
        """A call is about to leave."""
        self.model, self.calls = model, self.calls + 1

    def end(self, usage: Usage = NOTHING, *, reported: bool = False, request_id: object = None) -> None:
        """A call was answered, or it is certain that it used nothing."""
        self.answers += 1
        self.usage += usage
        self.is_reported = self.is_reported or reported
        if isinstance(request_id, str) and request_id and len(self.request_ids) < REQUEST_IDS_MAX:
            self.request_ids.append(request_id[:REQUEST_ID_CHARS_MAX])

    def to_json(self) -> dict[str, Any] | None:
        """As it is stored: counts above zero, and where they come from. None before the first call."""
        if not self.calls:
            return None
        counts = {name: count for name, count in asdict(self.usage).items() if count}
        known: dict[str, Any] = {"calls": self.calls, "answers": self.answers, "reported": self.is_reported}
        return known | counts | ({"request_ids": self.request_ids} if self.request_ids else {})

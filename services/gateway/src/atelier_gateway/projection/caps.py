"""A cap as clients see it: in the list of caps, in a refusal, in events."""

from typing import Any, TypeAlias

from atelier_contracts import CapUse

CapView: TypeAlias = dict[str, Any]


def cap_view(cap: CapUse) -> CapView:
    """JSON; amounts in credits, ``remaining`` is what may still be spent in the present period."""
    return {
        **cap.model_dump(mode="json"),
        "remaining": max(0, cap.credits - cap.held - cap.captured),
    }

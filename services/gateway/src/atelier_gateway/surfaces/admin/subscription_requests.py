"""What operators send about subscriptions."""

from typing import Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator
from pydantic_core import PydanticCustomError

from atelier_contracts.public_events import SUBSCRIPTION_NAME
from atelier_gateway.web.json_bodies import RequestBody


class Start(RequestBody):
    """From where events are published; one field at most, and without any from now on."""

    from_beginning: bool = False
    """All events that are kept."""
    since: AwareDatetime | None = None
    """Those that happened at this time or later."""
    after: UUID | None = None
    """Those after the event of this id."""

    @model_validator(mode="after")
    def _has_one_start(self) -> Self:
        if sum((self.from_beginning, self.since is not None, self.after is not None)) > 1:
            raise PydanticCustomError("start", "send one of from_beginning, since and after")
        return self


class NewSubscription(RequestBody):
    """A new subscription; no events means all."""

    name: str = Field(pattern=SUBSCRIPTION_NAME, examples=["analytics"])
    """Lower case: a letter, then letters, digits and hyphens, 40 at most."""
    events: list[str] = Field(default=[], max_length=100, examples=[["generation.succeeded.v1"]])
    """Types such as ``generation.succeeded.v1``."""
    start: Start = Start()


class SubscriptionChange(RequestBody):
    """What may change of a subscription."""

    paused: bool

"""What operators send: bodies and filters."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field
from pydantic_core import PydanticCustomError

from atelier_contracts.value_objects import CREDITS_MAX, OwnerKind
from atelier_gateway.identity.operator_store import Role
from atelier_gateway.web.json_bodies import MultilineText, RequestBody, SingleLine
from atelier_gateway.web.problems import field_problem
from atelier_gateway.web.text import one_line

FIRST_KEY, FURTHER_KEY = "first", "further"
YEARS = range(2000, 9000)


class NewUser(RequestBody):
    """A new user; ``subject`` is what an outside issuer calls them."""

    email: Annotated[str, AfterValidator(one_line), Field(pattern=r"^[^@\s]{1,64}@[^@\s]{1,255}$")]
    subject: SingleLine | None = None


class UserChange(RequestBody):
    """What may change of a user."""

    disabled: bool


class NewWorkspace(RequestBody):
    """A new workspace and the users who may act for it."""

    name: SingleLine
    member_ids: list[UUID] = Field(min_length=1, max_length=1_000)


class NewStore(RequestBody):
    """A new store, and the name of its first key."""

    name: SingleLine
    key_name: SingleLine = FIRST_KEY


class NewApiKey(RequestBody):
    """A new key; its name says where it is used."""

    name: SingleLine = FURTHER_KEY
    test: bool = False
    """Whether it is for the store's test account: simulated, and paid for with test credits."""


class StoreChange(RequestBody):
    """What may change of a store."""

    suspended: bool


class CreditOwner(RequestBody):
    """Whose credits."""

    kind: OwnerKind
    id: UUID


def _year_that_can_be_kept(at: datetime) -> datetime:
    """The database keeps UTC: a moment of year 1 or 9999 with an offset may have no UTC of its own."""
    if not YEARS.start <= at.year < YEARS.stop:
        raise PydanticCustomError("year", "a moment after now and before the year {stop} is required", {"stop": 9000})
    return at


class NewCreditGrant(RequestBody):
    """A new grant of credits; lower priority is spent first."""

    owner: CreditOwner
    credits: int = Field(ge=1, le=CREDITS_MAX)
    expires_at: Annotated[AwareDatetime, AfterValidator(_year_that_can_be_kept)] | None = None
    """In the future, and before the year 9000."""
    priority: int = Field(default=0, ge=-100, le=100)
    reason: Annotated[MultilineText, Field(min_length=1, max_length=500)]


class NewCreditReturn(RequestBody):
    """The return of a charge; without ``credits`` all that is still charged."""

    generation_id: UUID
    credits: int | None = Field(default=None, ge=1, le=CREDITS_MAX)
    reason: Annotated[MultilineText, Field(min_length=1, max_length=500)]


class NewCreditTakeBack(RequestBody):
    """Credits to take back; without ``credits`` all that is available, with ``grant_id`` of that grant alone."""

    owner: CreditOwner
    grant_id: UUID | None = None
    credits: int | None = Field(default=None, ge=1, le=CREDITS_MAX)
    reason: Annotated[MultilineText, Field(min_length=1, max_length=500)]


class CapLimit(RequestBody):
    """The most credits in one period; 0 lets nothing be spent. ``recount`` adds up what counts from the holds again."""

    credits: int = Field(ge=0, le=CREDITS_MAX)
    recount: bool = False


class NewReconcileRun(RequestBody):
    """Which comparison: of the latest generations, of all, or of all with every artefact's bytes."""

    scope: Literal["recent", "full", "bytes"] = "full"


class NewOperator(RequestBody):
    """A new operator of this installation."""

    name: SingleLine
    role: Role


class OperatorChange(RequestBody):
    """What may change of an operator."""

    role: Role


def word_in(query: Mapping[str, str], name: str) -> str | None:
    """A word to filter by. Raises Problem 400 for text that is not one printable line."""
    word = query.get(name)
    if word is not None and not word.isprintable():
        raise field_problem(name, "one line of printable text is required")
    return word


def id_in(query: Mapping[str, str], name: str) -> UUID | None:
    """An id to filter by. Raises Problem 400."""
    try:
        return UUID(query[name]) if name in query else None
    except ValueError:
        raise field_problem(name, "an id is required") from None

"""What becomes known of the request at work: whose it is, and with which problem it is refused."""

from contextvars import ContextVar
from dataclasses import dataclass

from atelier_contracts import Owner
from atelier_gateway.web.problems import Problem


@dataclass(slots=True)
class RequestFacts:
    """Of one request, noted where they are found out."""

    owner: Owner | None = None
    problem: Problem | None = None


REQUEST_FACTS: ContextVar[RequestFacts | None] = ContextVar("request_facts", default=None)
"""None outside a request."""


def note_owner(owner: Owner) -> None:
    """The request's credential is this owner's, whatever its outcome."""
    if (facts := REQUEST_FACTS.get()) is not None:
        facts.owner = owner


def note_problem(problem: Problem) -> None:
    """The request is answered with this problem."""
    if (facts := REQUEST_FACTS.get()) is not None:
        facts.problem = problem

"""What each operator role may do, and the audit row of each act."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from uuid_utils.compat import uuid7

from atelier_gateway.container import Container
from atelier_gateway.identity import operator_acts
from atelier_gateway.identity.operator_acts import NewOperatorAct
from atelier_gateway.identity.operator_store import Role, StoredOperator
from atelier_gateway.web.problems import Problem, field_problem
from atelier_gateway.web.request_id import REQUEST_ID
from atelier_messaging import Transaction

PREFIX = "/v1/admin"
RANKS: Mapping[Role, int] = {"viewer": 0, "operator": 1, "admin": 2}
READS = ("GET", "HEAD")
OPERATOR_IN_SCOPE = "atelier.operator"
"""Key of the ASGI scope, which no client can set: who was authenticated before, by a session of the console."""
REASON_HEADER = "X-Operator-Reason"
"""Why the operator acts, percent-encoded; kept in the audit row of an act whose body has no reason of its own."""
REASON_CHARS_MAX = 500
logger = logging.getLogger(__name__)


def operators_routes(container: Container, path: str = "", *, acts_as: Role = "operator") -> APIRouter:
    """A router under ``/v1/admin``: any operator may read, those whose role is ``acts_as`` or above may act."""

    async def authorize(request: Request) -> None:
        known: StoredOperator | None = request.scope.get(OPERATOR_IN_SCOPE)
        operator = known or await container.operator_authenticator.authenticate(request.headers)
        needed: Role = "viewer" if request.method in READS else acts_as
        if RANKS[operator.role] < RANKS[needed]:
            raise Problem("role_required", f"This takes the role {needed}; yours is {operator.role}.")
        request.state.operator = operator

    return APIRouter(prefix=PREFIX + path, tags=["Admin"], dependencies=[Depends(authorize)])


def operator_of(request: Request) -> StoredOperator:
    """The operator who sends this request, on a route of ``operators_routes``."""
    operator: StoredOperator = request.state.operator
    return operator


async def record(
    tx: Transaction, request: Request, act: str, target_kind: str, target_id: UUID | None, **details: Any
) -> None:
    """Writes the audit row of an act, in the transaction of the act; ``act`` names it, such as ``store.suspend``. No
    secrets, and no personal data."""
    who, reason = operator_of(request), reason_of(request)
    if reason is not None:
        details.setdefault("reason", reason)
    new = NewOperatorAct(uuid7(), act, target_kind, target_id, who.id, who.name, REQUEST_ID.get(), details)
    await operator_acts.insert(tx.connection, new)
    tx.after_commit(partial(_log, new))


def _log(done: NewOperatorAct) -> None:
    """One line an act, once it is committed; the row says the rest."""
    target = f"{done.target_kind}:{done.target_id}"
    known = {"act": done.act, "target": target, "operator_id": str(done.operator_id), "request_id": done.request_id}
    logger.info("operator %s did %s to %s", done.operator_id, done.act, target, extra=known)


def reason_of(request: Request) -> str | None:
    """What the header of the reason says, on one line. Raises Problem 400 for more than ``REASON_CHARS_MAX``."""
    text = unquote(request.headers.get(REASON_HEADER, "")).strip()
    if len(text) > REASON_CHARS_MAX or not text.isprintable():
        raise field_problem(REASON_HEADER, f"one line of at most {REASON_CHARS_MAX} characters is required")
    return text or None

"""The admin API, called inside this process for an operator with a session: the same roles, rules and audit rows."""

from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.types import Scope

from atelier_gateway.container import Container
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER
from atelier_gateway.identity.operator_store import StoredOperator
from atelier_gateway.surfaces import admin
from atelier_gateway.surfaces.admin.access import OPERATOR_IN_SCOPE, REASON_HEADER
from atelier_gateway.surfaces.in_process import open_client

CALL_S_MAX = 90.0
_OPERATOR: ContextVar[StoredOperator] = ContextVar("operator of the console")


class CallRefused(Exception):
    """What the admin API answered with an error status. ``problem`` is its body (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail"))
        self.status = status
        self.problem = dict(problem)

    @property
    def detail(self) -> str:
        """One sentence."""
        return str(self.problem.get("detail") or self.problem.get("title") or "It was refused.")


@dataclass(frozen=True, slots=True)
class Reply:
    """What the admin API answered: its status, and its body where it has one."""

    status: int
    body: dict[str, Any]


class AdminApi:
    """A client of the admin routes, in the name of an operator."""

    def __init__(self, container: Container) -> None:
        self._http = open_client(admin.router(container), timeout_s=CALL_S_MAX, prepare=_name_operator)

    async def get(self, operator: StoredOperator, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What is there. Raises CallRefused."""
        return (await self._call(operator, "GET", path, params=_present(params))).body

    async def act(
        self, operator: StoredOperator, method: str, path: str, body: Mapping[str, Any] | None, *, reason: str, key: str
    ) -> Reply:
        """An act with its reason, done once however often it is sent with this key. Raises CallRefused."""
        headers = {IDEMPOTENCY_KEY_HEADER: key, REASON_HEADER: quote(reason)}
        return await self._call(operator, method, path, json=body, headers=headers)

    async def _call(self, operator: StoredOperator, method: str, path: str, **how: Any) -> Reply:
        token = _OPERATOR.set(operator)
        try:
            response = await self._http.request(method, admin.PREFIX + path, **how)
        finally:
            _OPERATOR.reset(token)
        body: dict[str, Any] = response.json() if response.content else {}
        if response.is_error:
            raise CallRefused(response.status_code, body)
        return Reply(response.status_code, body)


def _present(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (params or {}).items() if value not in (None, "")}


def _name_operator(scope: Scope) -> None:
    scope[OPERATOR_IN_SCOPE] = _OPERATOR.get()

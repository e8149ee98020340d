"""Asking the other services over their internal HTTP, with the service token. Rare: never on a path that is hot."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx

from atelier_contracts import Owner
from atelier_gateway.settings import Settings
from atelier_gateway.web.problems import Problem
from atelier_telemetry.tracing import current_traceparent

ANSWER_S_MAX = 3.0
NO_PLACE = {"position": None, "eta_s": None, "eta_p90_s": None}


class Unanswered(Exception):
    """A service did not answer, or not usefully; the text names it."""


class Internal:
    """The internal routes of billing, session and render."""

    def __init__(self, settings: Settings) -> None:
        self._roots = {
            "session": str(settings.session_url).rstrip("/"),
            "billing": str(settings.billing_url).rstrip("/"),
            "render": str(settings.render_url).rstrip("/"),
        }
        token = settings.service_token.get_secret_value()
        # The environment's proxies are for the outside world.
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token}"}, timeout=ANSWER_S_MAX, trust_env=False
        )

    async def withdraw(self, generation: UUID, *, refund: bool = False) -> str:
        """``withdrawn``: it can never start any more, and with ``refund`` what is held for it goes back. Otherwise the
        state of its saga. Raises Unanswered."""
        what = "withdraw?refund=true" if refund else "withdraw"
        answer = await self._ask("POST", "session", f"/internal/generations/{generation}/{what}")
        if "state" not in answer:
            raise Unanswered("session does not say what it withdrew")
        return str(answer["state"])

    async def standing(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Of those the session knows ``{id, state, events: [{name, body}]}``. Raises Unanswered."""
        asked = {"ids": [str(id_) for id_ in ids]}
        known = (await self._ask("POST", "session", "/internal/generations/standing", asked)).get("generations")
        if not isinstance(known, list):
            raise Unanswered("session does not say where the generations stand")
        return known

    async def account(self, owner: Owner) -> dict[str, Any]:
        """``{available, held, captured, granted, expired}``, zeros for an owner billing has not met."""
        return await self._ask("GET", "billing", f"/internal/accounts/{owner.kind}/{owner.id}")

    async def entries(self, owner: Owner, *, before: UUID | None, limit: int) -> list[dict[str, Any]]:
        """The owner's postings, newest first, those older than ``before``."""
        older = f"&before={before}" if before else ""
        path = f"/internal/accounts/{owner.kind}/{owner.id}/entries?limit={limit}{older}"
        entries: list[dict[str, Any]] = (await self._ask("GET", "billing", path))["entries"]
        return entries

    async def ledger_verify(self) -> dict[str, Any]:
        """``{ok, accounts, entries, violations, unproven, full_proof}``."""
        return await self._ask("GET", "billing", "/internal/ledger/verify")

    async def start_proof(self) -> dict[str, Any]:
        """Orders a full proof of the books, or answers the one that is running."""
        return await self._ask("POST", "billing", "/internal/ledger/proofs")

    async def proof(self, id: UUID) -> dict[str, Any] | None:
        """How far a full proof is, and what it found."""
        return await self._find("billing", f"/internal/ledger/proofs/{id}")

    async def hold(self, generation: UUID) -> dict[str, Any] | None:
        """The hold of a generation with its postings; None where none was placed."""
        return await self._find("billing", f"/internal/holds/{generation}")

    async def saga(self, generation: UUID) -> dict[str, Any] | None:
        """The saga of a generation with its log."""
        return await self._find("session", f"/internal/generations/{generation}")

    async def job(self, generation: UUID) -> dict[str, Any] | None:
        """The render job of a generation."""
        return await self._find("render", f"/internal/jobs/{generation}")

    async def offers(self) -> list[dict[str, Any]]:
        """Render's providers, the preferred first, each as ``{name, remote, offers}``. Raises Unanswered."""
        providers = (await self._ask("GET", "render", "/internal/offers")).get("providers")
        if not isinstance(providers, list):
            raise Unanswered("render does not say who its providers are")
        return providers

    async def place_in_queue(self, generation: UUID) -> dict[str, Any]:
        """``{position, eta_s, eta_p90_s}`` of a render job; each None where nothing is known. Raises Unanswered."""
        return await self._find("render", f"/internal/queue/{generation}") or NO_PLACE

    async def close(self) -> None:
        """Lets the connections go."""
        await self._http.aclose()

    async def _find(self, service: str, path: str) -> dict[str, Any] | None:
        """What the service has there; None where it has nothing. Raises Unanswered."""
        try:
            return await self._ask("GET", service, path)
        except Unanswered as silent:
            if isinstance(silent.__cause__, httpx.HTTPStatusError) and silent.__cause__.response.status_code == 404:
                return None
            raise

    async def _ask(self, method: str, service: str, path: str, asked: object = None) -> dict[str, Any]:
        """The answer. Raises Unanswered."""
        traceparent = current_traceparent()
        headers = {"traceparent": traceparent} if traceparent else {}
        try:
            answer = await self._http.request(method, self._roots[service] + path, headers=headers, json=asked)
            answer.raise_for_status()
            body: dict[str, Any] = json.loads(answer.content)
        except (httpx.HTTPError, ValueError) as failed:
            raise Unanswered(f"{service} does not answer: {_reason(failed)}") from failed
        return body


def _reason(error: Exception) -> str:
    match error:
        case httpx.ConnectError():
            return "no connection (refused, or its host is away)"
        case httpx.TimeoutException():
            return f"no answer within {ANSWER_S_MAX:g} s"
        case httpx.HTTPStatusError():
            return f"it answered {error.response.status_code}"
    return type(error).__name__


def unavailable(unanswered: Unanswered) -> Problem:
    """What a client is told: which service does not answer, and no more."""
    return Problem("unavailable", f"The {str(unanswered).partition(' ')[0]} service does not answer; try again later.")

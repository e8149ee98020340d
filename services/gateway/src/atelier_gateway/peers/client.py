"""Asking the other services over their internal HTTP, with the service token. Rare: never on a path that is hot."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx

from atelier_contracts import Owner
from atelier_gateway.web.problems import Problem
from atelier_telemetry.operations import is_not_done
from atelier_telemetry.tracing import current_traceparent

ANSWER_S_MAX = 3.0
VERIFICATION_S_MAX = 60.0
"""How long billing may take to verify the ledger, which reads every account."""
NO_PLACE = {"position": None, "eta_s": None, "eta_p90_s": None}


class PeerUnavailable(Exception):
    """A service did not answer, or not usefully; the text names it."""

    @property
    def is_in_doubt(self) -> bool:
        """Whether the service may have done as it was told: the request may have reached it, and no answer came, or
        one of a failure that does not say that nothing was done."""
        never_arrived = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
        match self.__cause__:
            case httpx.HTTPStatusError() as refusal:
                return refusal.response.is_server_error and not is_not_done(refusal.response.headers)
            case cause:
                return isinstance(cause, httpx.HTTPError) and not isinstance(cause, never_arrived)


class PeerClient:
    """The internal routes of billing, session and render."""

    def __init__(self, *, session_url: str, billing_url: str, render_url: str, service_token: str) -> None:
        roots = {"session": session_url, "billing": billing_url, "render": render_url}
        self._roots = {service: url.rstrip("/") for service, url in roots.items()}
        # The environment's proxies are for the outside world.
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {service_token}"}, timeout=ANSWER_S_MAX, trust_env=False
        )

    async def withdraw(self, generation: UUID, *, refund: bool = False) -> str:
        """``withdrawn``: it can never start any more, and with ``refund`` what is held for it goes back. Otherwise the
        state of its saga. Raises PeerUnavailable."""
        what = "withdraw?refund=true" if refund else "withdraw"
        answer = await self._request("POST", "session", f"/internal/generations/{generation}/{what}")
        if "state" not in answer:
            raise PeerUnavailable("session does not say what it withdrew")
        return str(answer["state"])

    async def get_generation_events(self, ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """Of those the session knows ``{id, state, events: [{name, body}]}``. Raises PeerUnavailable."""
        asked = {"ids": [str(id_) for id_ in ids]}
        known = (await self._request("POST", "session", "/internal/generations/standing", asked)).get("generations")
        if not isinstance(known, list):
            raise PeerUnavailable("session does not say where the generations stand")
        return known

    async def get_account(self, owner: Owner) -> dict[str, Any]:
        """``{available, held, captured, granted, expired}``, zeros for an owner billing has not met."""
        return await self._request("GET", "billing", f"/internal/accounts/{owner.kind}/{owner.id}")

    async def get_entries(self, owner: Owner, *, before: UUID | None, limit: int) -> list[dict[str, Any]]:
        """The owner's postings, newest first, those older than ``before``."""
        older = f"&before={before}" if before else ""
        path = f"/internal/accounts/{owner.kind}/{owner.id}/entries?limit={limit}{older}"
        entries: list[dict[str, Any]] = (await self._request("GET", "billing", path))["entries"]
        return entries

    async def verify_ledger(self) -> dict[str, Any]:
        """``{ok, accounts, entries, violations, unproven, full_proof}``."""
        return await self._request("GET", "billing", "/internal/ledger/verify", timeout_s=VERIFICATION_S_MAX)

    async def start_proof(self) -> dict[str, Any]:
        """Orders a full proof of the books, or answers the one that is running."""
        return await self._request("POST", "billing", "/internal/ledger/proofs")

    async def get_proof(self, id: UUID) -> dict[str, Any] | None:
        """How far a full proof is, and what it found."""
        return await self._get_or_none("billing", f"/internal/ledger/proofs/{id}")

    async def get_hold(self, generation: UUID) -> dict[str, Any] | None:
        """The hold of a generation with its postings; None where none was placed."""
        return await self._get_or_none("billing", f"/internal/holds/{generation}")

    async def get_signed_receipt(self, generation: UUID) -> dict[str, Any] | None:
        """``{receipt, signature}`` of a generation; None until it has ended. Raises PeerUnavailable."""
        return await self._get_or_none("billing", f"/internal/receipts/{generation}")

    async def get_published_keys(self) -> dict[str, Any]:
        """The keys that sign receipts, as a JSON Web Key Set. Raises PeerUnavailable."""
        return await self._request("GET", "billing", "/internal/keys")

    async def get_saga(self, generation: UUID) -> dict[str, Any] | None:
        """The saga of a generation with its log."""
        return await self._get_or_none("session", f"/internal/generations/{generation}")

    async def get_job(self, generation: UUID) -> dict[str, Any] | None:
        """The render job of a generation."""
        return await self._get_or_none("render", f"/internal/jobs/{generation}")

    async def get_providers(self) -> list[dict[str, Any]]:
        """Render's providers, the preferred first, each as ``{name, remote, offers}``. Raises PeerUnavailable."""
        providers = (await self._request("GET", "render", "/internal/offers")).get("providers")
        if not isinstance(providers, list):
            raise PeerUnavailable("render does not say who its providers are")
        return providers

    async def get_queue_position(self, generation: UUID) -> dict[str, Any]:
        """``{position, eta_s, eta_p90_s}`` of a render job; each None if unknown. Raises PeerUnavailable."""
        return await self._get_or_none("render", f"/internal/queue/{generation}") or NO_PLACE

    async def ask(
        self, method: str, service: str, path: str, body: object = None, *, timeout_s: float = ANSWER_S_MAX
    ) -> dict[str, Any]:
        """What a service answers there. Raises PeerUnavailable."""
        return await self._request(method, service, path, body, timeout_s)

    async def get_or_none(self, service: str, path: str) -> dict[str, Any] | None:
        """What the service has there; None where it has nothing. Raises PeerUnavailable."""
        return await self._get_or_none(service, path)

    async def get_text(self, service: str, path: str) -> str:
        """A text that the service has there. Raises PeerUnavailable."""
        try:
            answer = await self._http.get(self._roots[service] + path)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise PeerUnavailable(f"{service} does not answer: {_reason(error, ANSWER_S_MAX)}") from error
        return answer.text

    async def open_stream(self, service: str, path: str, *, timeout_s: float) -> httpx.Response | None:
        """An answer whose body is still to be read, and that has to be closed; None where the service has nothing
        there. ``timeout_s`` is for its beginning and for each piece. Raises PeerUnavailable."""
        request = self._http.build_request("GET", self._roots[service] + path, timeout=timeout_s)
        try:
            response = await self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise PeerUnavailable(f"{service} does not answer: {_reason(error, timeout_s)}") from error
        if response.is_success:
            return response
        await response.aclose()
        if response.status_code == 404:
            return None
        raise PeerUnavailable(f"{service} does not answer: it answered {response.status_code}")

    async def close(self) -> None:
        """Lets the connections go."""
        await self._http.aclose()

    async def _get_or_none(self, service: str, path: str) -> dict[str, Any] | None:
        """What the service has there; None where it has nothing. Raises PeerUnavailable."""
        try:
            return await self._request("GET", service, path)
        except PeerUnavailable as error:
            if isinstance(error.__cause__, httpx.HTTPStatusError) and error.__cause__.response.status_code == 404:
                return None
            raise

    async def _request(
        self, method: str, service: str, path: str, asked: object = None, timeout_s: float = ANSWER_S_MAX
    ) -> dict[str, Any]:
        """The answer. Raises PeerUnavailable."""
        traceparent = current_traceparent()
        headers = {"traceparent": traceparent} if traceparent else {}
        try:
            answer = await self._http.request(
                method, self._roots[service] + path, headers=headers, json=asked, timeout=timeout_s
            )
            answer.raise_for_status()
            body: dict[str, Any] = json.loads(answer.content)
        except (httpx.HTTPError, ValueError) as error:
            raise PeerUnavailable(f"{service} does not answer: {_reason(error, timeout_s)}") from error
        return body


def _reason(error: Exception, timeout_s: float) -> str:
    match error:
        case httpx.ConnectError():
            return "no connection (refused, or its host is away)"
        case httpx.TimeoutException():
            return f"no answer within {timeout_s:g} s"
        case httpx.HTTPStatusError():
            return f"it answered {error.response.status_code}"
    return type(error).__name__


def unavailable_problem(unanswered: PeerUnavailable) -> Problem:
    """The client's view: which service does not answer, and no more."""
    return Problem("unavailable", f"The {str(unanswered).partition(' ')[0]} service does not answer; try again later.")

"""The public and the admin API from Python: for the command line, the demo, the bench and the whole-system tests.

Every failure is an ``AtelierError`` whose text is one sentence for a person.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import ValidationError

from atelier_local.api_client.api_models import (
    TERMINAL,
    ApiModel,
    Balance,
    Generation,
    Grant,
    OwnerKind,
    Proof,
    Store,
    TryOn,
    Upload,
    Verdict,
)
from atelier_local.errors import AtelierError

ANSWER_S_MAX = 40.0
"""Longer than the longest wait the API promises: a synchronous one of 30 s."""
FOLLOW_EVERY_S = 0.1
FOLLOW_S_MAX = 120.0
PROOF_POLL_S = 1.0
_LOCAL = ("all://127.0.0.1", "all://localhost", "all://[::1]")

Model = TypeVar("Model", bound=ApiModel)


class ApiUnreachable(AtelierError):
    """The API did not answer."""


class RequestRefused(AtelierError):
    """The API refused. ``status`` is HTTP's, ``code`` the API's, ``body`` the whole response."""

    def __init__(self, what: str, status: int, code: str, detail: str, body: object = None) -> None:
        super().__init__(f"Could not {what}: {detail.rstrip('.')} ({status} {code}).")
        self.status = status
        self.code = code
        self.detail = detail
        self.body = body


def new_traceparent() -> tuple[str, str]:
    """A fresh trace id, and the W3C header that starts a sampled trace with it."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


class _HttpClient:
    """One connection pool with one credential."""

    def __init__(self, url: str, credential: str, *, connections_max: int = 100) -> None:
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {credential}"},
            timeout=httpx.Timeout(ANSWER_S_MAX, connect=3.0),
            limits=httpx.Limits(max_connections=connections_max, max_keepalive_connections=connections_max),
            # A proxy named by the environment is for the outside world, never for this machine.
            mounts=dict.fromkeys(_LOCAL),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def ask(
        self, what: str, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The JSON of a 2xx answer, None for one without a body. Raises RequestRefused, ApiUnreachable."""
        answer = await self._send(what, self._http.build_request(method, path, json=body, headers=headers))
        return answer.json() if answer.content else None

    async def _send(self, what: str, request: httpx.Request) -> httpx.Response:
        try:
            answer = await self._http.send(request)
        except httpx.ConnectError:
            where = f"{request.url.scheme}://{request.url.netloc.decode()}"
            raise ApiUnreachable(f"Could not {what}: nothing answers at {where}; `make up` starts the stack.") from None
        except httpx.HTTPError as error:
            raise ApiUnreachable(f"Could not {what}: {_describe(error)} at {request.url.host}.") from None
        if answer.is_success:
            return answer
        raise refusal_of(what, answer)


class Client(_HttpClient):
    """The public API with a store's key or a user's token."""

    async def upload(self, name: str, content_type: str, content: bytes) -> Upload:
        """Asks for a presigned PUT on the stores' surface and sends the bytes there."""
        body = {"filename": name, "content_type": content_type, "size_bytes": len(content)}
        answer = await self.ask("ask for an upload", "POST", "/api/v1/uploads", body)
        upload = _read(Upload, answer["data"])
        request = httpx.Request(upload.method, upload.upload_url, headers=upload.headers, content=content)
        await self._send(f"upload {name}", request)
        return upload

    async def try_on(
        self,
        images: Sequence[str],
        *,
        prompt: str | None = None,
        simulate: str | None = None,
        idempotency_key: str | None = None,
        traceparent: str | None = None,
    ) -> TryOn:
        """Requests a virtual try-on on the stores' surface: the person first, then the garments (URLs or keys)."""
        named = {
            "X-Atelier-Simulate": simulate,
            "Idempotency-Key": idempotency_key,
            "traceparent": traceparent,
        }
        body = {"image_urls": list(images)} | ({} if prompt is None else {"prompt": prompt})
        headers = {name: value for name, value in named.items() if value is not None}
        answer = await self.ask("request the try-on", "POST", "/api/v1/generation/create", body, headers)
        return _read(TryOn, answer["data"])

    async def read_try_on(self, id: str) -> TryOn:
        """Its state as the stores' surface words it."""
        answer = await self.ask("read the generation", "GET", f"/api/v1/generation/{id}")
        return _read(TryOn, answer["data"])

    async def follow(
        self, first: TryOn, *, every_s: float = FOLLOW_EVERY_S, within_s: float = FOLLOW_S_MAX
    ) -> AsyncIterator[TryOn]:
        """Each new state of a try-on after the first, until its last. Raises AtelierError when that takes too long."""
        seen, deadline = first.status, time.monotonic() + within_s
        while seen not in TERMINAL:
            now = await self.read_try_on(first.session_id)
            if now.status != seen:
                seen = now.status
                yield now
            elif time.monotonic() > deadline:
                raise AtelierError(f"The generation {first.session_id} is still {seen} after {within_s:.0f} s.")
            else:
                await asyncio.sleep(every_s)

    async def create(self, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Generation:
        """``POST /v1/generations``, the native surface."""
        return _read(Generation, await self.ask("create the generation", "POST", "/v1/generations", body, headers))

    async def generation(self, id: str) -> Generation:
        """``GET /v1/generations/{id}``: with its credits and its outputs."""
        return _read(Generation, await self.ask("read the generation", "GET", f"/v1/generations/{id}"))

    async def receipt(self, id: str) -> dict[str, Any]:
        """The itemised charge."""
        receipt: dict[str, Any] = await self.ask("read the receipt", "GET", f"/v1/generations/{id}/receipt")
        return receipt

    async def download(self, url: str) -> bytes:
        """The object at a presigned URL; the credential is not sent there."""
        answer = await self._send("download the picture", httpx.Request("GET", url))
        return answer.content


class AdminClient(_HttpClient):
    """The admin API with the operator's token."""

    async def create_store(self, name: str) -> Store:
        """A store and its first key."""
        return _read(Store, await self.ask("create the store", "POST", "/v1/admin/stores", {"name": name}))

    async def create_user(self, email: str) -> str:
        """A user; answers their id."""
        return str((await self.ask("create the user", "POST", "/v1/admin/users", {"email": email}))["id"])

    async def issue_token(self, user: str) -> str:
        """A token of the built-in development issuer."""
        return str((await self.ask("issue a token", "POST", f"/v1/admin/users/{user}/tokens"))["token"])

    async def disable_user(self, user: str, *, disabled: bool = True) -> None:
        """Shuts a user out, or lets them in again."""
        await self.ask("change the user", "PATCH", f"/v1/admin/users/{user}", {"disabled": disabled})

    async def create_workspace(self, name: str, members: Sequence[str]) -> str:
        """A workspace of these users; answers its id."""
        body = {"name": name, "member_ids": list(members)}
        return str((await self.ask("create the workspace", "POST", "/v1/admin/workspaces", body))["id"])

    async def grant(
        self,
        kind: OwnerKind,
        id: str,
        credits: int,
        *,
        reason: str,
        expires_at: datetime | None = None,
        priority: int | None = None,
        idempotency_key: str | None = None,
    ) -> Grant:
        """Grants credits; a repeated request with the same key is replayed and grants nothing again."""
        body: dict[str, Any] = {"owner": {"kind": kind, "id": id}, "credits": credits, "reason": reason}
        if expires_at is not None:
            body["expires_at"] = expires_at.isoformat()
        if priority is not None:
            body["priority"] = priority
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        request = self._http.build_request("POST", "/v1/admin/credits/grants", json=body, headers=headers)
        answer = await self._send("grant the credits", request)
        granted = _read(Grant, answer.json())
        is_replay = answer.headers.get("Idempotency-Replayed") == "true"
        return granted.model_copy(update={"given_before": granted.given_before or is_replay})

    async def balance(self, kind: OwnerKind, id: str) -> Balance:
        """The account of an owner."""
        return _read(Balance, await self.ask("read the balance", "GET", f"/v1/admin/credits/{kind}/{id}"))

    async def verify_ledger(self) -> Verdict:
        """Has billing verify the ledger."""
        return _read(Verdict, await self.ask("verify the ledger", "GET", "/v1/admin/ledger/verify"))

    async def prove_ledger(self, show: Callable[[Proof], object]) -> Verdict:
        """Starts a full proof of the ledger and polls it to its end; ``show`` is called with each state."""
        proof = _read(Proof, await self.ask("start the proof", "POST", "/v1/admin/ledger/proofs"))
        while proof.state == "running":
            show(proof)
            await asyncio.sleep(PROOF_POLL_S)
            path = f"/v1/admin/ledger/proofs/{proof.id}"
            proof = _read(Proof, await self.ask("follow the proof", "GET", path))
        return proof.verdict

    async def explain(self, id: str) -> dict[str, Any]:
        """Each step, message and posting of a generation, in order."""
        path = f"/v1/admin/generations/{id}/explain"
        story: dict[str, Any] = await self.ask("explain the generation", "GET", path)
        return story


def refusal_of(what: str, answer: httpx.Response) -> RequestRefused:
    """A non-2xx answer as an error, whichever of the API's shapes its body has."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    fields: dict[str, Any] = body if isinstance(body, dict) else {}
    inner: dict[str, Any] = fields["error"] if isinstance(fields.get("error"), dict) else fields
    code = str(inner.get("code") or answer.reason_phrase or "error").lower().replace(" ", "_")
    detail = inner.get("detail") or inner.get("message") or "the response gives no reason"
    return RequestRefused(what, answer.status_code, code, str(detail), body)


def _read(model: type[Model], answer: object) -> Model:
    try:
        return model.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise AtelierError(f"The API's {model.__name__} cannot be read: {where}: {first['msg']}.") from None


def _describe(error: httpx.HTTPError) -> str:
    return "no answer in time" if isinstance(error, httpx.TimeoutException) else f"the connection broke ({error!r})"

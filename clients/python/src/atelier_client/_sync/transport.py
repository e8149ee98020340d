"""Sends one call until it is answered: retries, idempotency keys, errors as exceptions."""

import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from atelier_client.errors import ConnectionFailedError, UnreadableResponseError, problem_of
from atelier_client.retries import RetryPolicy, can_repeat, retry_after_s
from atelier_client.route import Route

KEY = "Idempotency-Key"
_OUTPUT = re.compile(r"/v1/generations/[0-9a-f-]{36}/outputs/[0-9]+\Z")


class Transport:
    """The API behind one base URL, with one credential."""

    def __init__(self, http: httpx.Client, base_url: str, headers: Mapping[str, str], policy: RetryPolicy) -> None:
        self._http, self._base_url, self._headers, self._policy = http, base_url.rstrip("/"), dict(headers), policy

    def call(
        self,
        route: Route,
        id: str | None = None,
        *,
        json: Any = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Any:
        """The JSON of the answer; None for one without a body. Raises ProblemError, ConnectionFailedError,
        UnreadableResponseError.

        A POST carries ``key`` as its Idempotency-Key, or a new one: the same in each attempt.
        """
        response = self._answer(route, id, json, query, headers or {}, key)
        return _json_of(response, response.request.headers.get(KEY))

    def read(self, route: Route, id: str, query: Mapping[str, Any]) -> bytes:
        """The bytes of the answer, whole. Raises ProblemError, ConnectionFailedError."""
        return (self._answer(route, id, None, query, {}, None)).content

    def _answer(
        self,
        route: Route,
        id: str | None,
        json: Any,
        query: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        key: str | None,
    ) -> httpx.Response:
        sent = {**self._headers, **headers}
        if route.method == "POST":
            sent[KEY] = key or str(uuid4())
        request = self._http.build_request(
            route.method, self._url(route, id), json=json, params=_present(query), headers=sent
        )
        attempt = 0
        while True:
            response, error = self._attempt(request)
            if response is not None and response.is_success:
                return response
            if attempt and route.method == "DELETE" and response is not None and response.status_code == 404:
                return httpx.Response(204, request=request)  # an attempt whose answer was lost has deleted it
            refusal = problem_of(response) if response is not None else None
            may_repeat = refusal is None or can_repeat(refusal.status, refusal.code)
            requested_s = refusal.retry_after_s if refusal else None
            pause_s = self._policy.pause_s(attempt, requested_s, random.random()) if may_repeat else None
            if pause_s is None:
                if refusal is not None:
                    raise refusal
                raise ConnectionFailedError(f"{route.method} {request.url}: {error!r}", sent.get(KEY)) from error
            time.sleep(pause_s)
            attempt += 1

    @contextmanager
    def stream(self, route: Route, id: str, headers: Mapping[str, str], timeout_s: float) -> Iterator[httpx.Response]:
        """One attempt at a streamed answer, of any status; ``timeout_s`` between two pieces of it.

        Raises httpx.TransportError.
        """
        timeout = httpx.Timeout(self._http.timeout.connect, read=timeout_s)
        sent = {**self._headers, **headers}
        with self._http.stream(route.method, self._url(route, id), headers=sent, timeout=timeout) as response:
            yield response

    def exchange(self, method: str, url: str, *, content: bytes | None, headers: Mapping[str, str]) -> httpx.Response:
        """Bytes to or from the object store, without our credential: its URLs are signed; or from what ``address_of``
        says. Raises ConnectionFailedError."""
        request = self._http.build_request(method, url, content=content, headers=dict(headers))
        attempt = 0
        while True:
            response, error = self._attempt(request)
            repeat = response is None or can_repeat(response.status_code, "")
            requested_s = retry_after_s(response.headers.get("retry-after")) if response is not None else None
            pause_s = self._policy.pause_s(attempt, requested_s, random.random()) if repeat else None
            if pause_s is None:
                if response is None:
                    raise ConnectionFailedError(f"{method} {request.url.host}: {error!r}") from error
                return response
            time.sleep(pause_s)
            attempt += 1

    def address_of(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Where an output is fetched, and with which headers: a route of the API at our base URL with the credential, a
        signed URL as it is."""
        parts = urlsplit(url)
        route = None if parts.query else _OUTPUT.search(parts.path)
        return (self._base_url + route.group(), self._headers) if route else (url, {})

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _attempt(self, request: httpx.Request) -> tuple[httpx.Response | None, httpx.TransportError | None]:
        try:
            return self._http.send(request), None
        except httpx.TransportError as error:
            return None, error

    def _url(self, route: Route, id: str | None) -> str:
        return self._base_url + (route.path if id is None else route.path_of(id))


def _json_of(response: httpx.Response, key: str | None) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError as error:
        media, what = response.headers.get("content-type"), f"{response.request.method} {response.url}"
        raise UnreadableResponseError(f"{what}: {response.status_code} {media} is not JSON: {error}", key) from error


def _present(query: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (query or {}).items() if value is not None}

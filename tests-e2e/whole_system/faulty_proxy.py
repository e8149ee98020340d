"""A proxy that refuses, cuts and loses requests on demand, in front of one gateway or of several in turn.

Clients set its faults themselves, so that one scenario file says all: ``POST /_faults {path, faults}``, each fault for
one request of that path in turn (of ``/mcp get_result`` for calls of that tool alone), an empty one for a request that
gets through; ``POST /_requests {path}`` says how they were answered.

- ``503``: refused with ``Retry-After: 1``; it does not reach the gateway
- ``cut``: the connection ends without an answer; it does not reach the gateway
- ``lose``: the gateway answers, and the connection ends before the client has the answer
- ``cut after an event``: the connection ends after the first event of a stream
- ``cut after 0.5 s``: the gateway has the request, and both connections end so much later, answered or not
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

CHUNK = 65_536
TIMED_CUT = re.compile(r"cut after ([0-9.]+) s")
NOT_PASSED_ON = frozenset(
    {"connection", "transfer-encoding", "content-length", "host", "keep-alive", "accept-encoding"}
)
ANY_PAGE = {
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "content-type",
    "access-control-expose-headers": "retry-after",
}
"""On what the proxy says itself, so that pages of any origin read it. What the gateway says is passed on as it is."""
PROBLEM = {"status": 503, "code": "unavailable", "title": "Temporarily unavailable", "detail": "The proxy says so."}


@dataclass(slots=True)
class Request:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    @property
    def tool(self) -> str:
        """Which tool of the Model Context Protocol it calls; empty for all else."""
        with suppress(ValueError, TypeError, KeyError):
            said = json.loads(self.body)
            return str(said["params"]["name"]) if said["method"] == "tools/call" else ""
        return ""


@dataclass(slots=True)
class FaultyProxy:
    """What it does next, and what it did."""

    gateway_url: str
    url: str = ""
    other_urls: Sequence[str] = ()
    """Of further replicas; they and the first one get the requests in turn."""
    faults: dict[str, list[str]] = field(default_factory=dict)
    begun: list[Request] = field(default_factory=list)
    requests: list[tuple[Request, str]] = field(default_factory=list)
    """Those that are over, each with its outcome."""
    is_cut: bool = False
    """Whether nothing gets through."""
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def run(cls, gateway_url: str, *other_urls: str) -> AsyncIterator["FaultyProxy"]:
        """One proxy on a port of its own."""
        proxy = cls(gateway_url, other_urls=other_urls)
        server = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
        proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield proxy
        finally:
            server.close()

    def cut(self) -> None:
        """Breaks every connection, streams too, and lets none through until ``mend``."""
        self.is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def mend(self) -> None:
        """Lets connections through again."""
        self.is_cut = False

    def report(self, path: str) -> dict[str, object]:
        """How the requests of this path were answered: statuses and faults by method, how many keys they had."""
        seen = [(request, answered) for request, answered in self.requests if request.path == path]
        by_method = {
            method: [answered for request, answered in seen if request.method == method] for method in ("GET", "POST")
        }
        keys = {request.headers["idempotency-key"] for request, _ in seen if "idempotency-key" in request.headers}
        return {
            **{method: answered for method, answered in by_method.items() if answered},
            "keys": len(keys),
            "resumed": any("last-event-id" in request.headers for request, _ in seen),
        }

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one connection."""
        if self.is_cut:
            writer.transport.abort()
            return
        self._open.add(writer)
        try:
            request = await _read(reader)
            if request is not None:
                await self._answer(request, writer)
        except (OSError, asyncio.IncompleteReadError, httpx.TransportError):
            pass  # the client left; that is its right
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.startswith("/_") and request.method == "OPTIONS":
            _write(writer, 204, ANY_PAGE, None)
        elif request.path == "/_faults" and request.method == "POST":
            wanted = json.loads(request.body)
            self.faults[wanted["path"]] = wanted["faults"]
            _write(writer, 200, ANY_PAGE | {"content-type": "application/json"}, b"null")
        elif request.path == "/_requests" and request.method == "POST":
            said = json.dumps(self.report(json.loads(request.body)["path"]))
            _write(writer, 200, ANY_PAGE | {"content-type": "application/json"}, said.encode())
        else:
            waiting = self._faults_of(request)
            fault = waiting.pop(0) if waiting else ""
            self.begun.append(request)
            answered = await self._pass_on(request, fault, writer)
            self.requests.append((request, answered))
        await writer.drain()

    def _faults_of(self, request: Request) -> list[str]:
        """Those of the tool that it calls, where there are any; else those of its path."""
        if request.method == "OPTIONS":
            return []
        return self.faults.get(f"{request.path} {request.tool}") or self.faults.get(request.path, [])

    async def _pass_on(self, request: Request, fault: str, writer: asyncio.StreamWriter) -> str:
        """How it was answered: the fault, or the status that was answered."""
        if fault == "cut":
            return fault
        if fault == "503":
            _write(
                writer,
                503,
                ANY_PAGE | {"content-type": "application/problem+json", "retry-after": "1"},
                json.dumps(PROBLEM).encode(),
            )
            return fault
        if (timed := TIMED_CUT.fullmatch(fault)) is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(float(timed[1])):
                    await self._relay(request, "lose", writer)
                    await asyncio.Event().wait()
            return fault
        return await self._relay(request, fault, writer)

    async def _relay(self, request: Request, fault: str, writer: asyncio.StreamWriter) -> str:
        gateways = (self.gateway_url, *self.other_urls)
        gateway = gateways[len(self.begun) % len(gateways)]
        sent = {name: value for name, value in request.headers.items() if name not in NOT_PASSED_ON}
        async with (
            httpx.AsyncClient(trust_env=False, timeout=60) as client,
            client.stream(request.method, gateway + request.target, headers=sent, content=request.body) as answer,
        ):
            if fault == "lose":
                await answer.aread()
                return fault
            headers = {name: value for name, value in answer.headers.items() if name not in NOT_PASSED_ON}
            _write(writer, answer.status_code, headers, None)
            async for chunk in answer.aiter_raw():
                writer.write(chunk)
                await writer.drain()
                if fault == "cut after an event" and b"data:" in chunk:
                    return fault
        return str(answer.status_code)


async def _read(reader: asyncio.StreamReader) -> Request | None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def _write(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str], body: bytes | None) -> None:
    """Without a body's length the end of the connection is its end."""
    length = {} if body is None else {"content-length": str(len(body))}
    lines = [f"{name}: {value}" for name, value in {**headers, **length, "connection": "close"}.items()]
    writer.write("\r\n".join([f"HTTP/1.1 {status} -", *lines, "", ""]).encode("latin-1") + (body or b""))

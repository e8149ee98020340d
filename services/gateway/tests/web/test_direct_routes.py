"""A route answered in front of the framework answers as the framework would have it answer, and is traced alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from atelier_gateway.web.direct_routes import DirectRoute, DirectRoutes
from atelier_telemetry.tracing import SpanRules

from ..support.world import CREATE, TRY_ON, World

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNKNOWN_ID = "01a22907-0000-7000-8000-000000000000"
NATIVE = "/v1/generations"
OF_THE_REQUEST = ("x-request-id", "ratelimit")
"""Answer headers that differ between two equal requests."""
REQUESTS = [
    ("GET", f"{NATIVE}/{{id}}", None),
    ("GET", "/api/v1/generation/{id}?token=canary", None),
    ("GET", f"{NATIVE}/{UNKNOWN_ID}", None),
    ("GET", f"{NATIVE}/no%20id", None),
    ("GET", f"{NATIVE}/", None),
    ("GET", f"{NATIVE}/{UNKNOWN_ID}/", None),
    ("HEAD", f"{NATIVE}/{UNKNOWN_ID}", None),
    ("DELETE", f"/api/v1/generation/{UNKNOWN_ID}", None),
    ("GET", CREATE, None),
    ("POST", CREATE, b"{"),
    ("POST", NATIVE, b'{"kind": "image", "credits": 1}'),
    ("PUT", NATIVE, b"{}"),
]


def _route(method: str, path: str) -> DirectRoute:
    async def answer() -> Any: ...

    return DirectRoute(method, path, answer)


def test_a_direct_route_is_found_by_its_whole_path_or_by_one_last_segment() -> None:
    create, read = _route("POST", "/things"), _route("GET", "/things/{id}")
    routes = DirectRoutes()
    routes.add([create, read])

    assert routes.find("POST", "/things") == (create, None)
    assert routes.find("GET", "/things/a b") == (read, "a b")
    others = [("GET", "/things"), ("GET", "/things/"), ("GET", "/things/a/b"), ("POST", "/things/a"), ("GET", "/a")]
    assert [routes.find(*other) for other in others] == [None] * len(others)


@pytest.mark.stack
@pytest.mark.parametrize(("method", "path", "body"), REQUESTS, ids=[f"{m} {p}" for m, p, _ in REQUESTS])
@pytest.mark.parametrize("is_authenticated", [True, False], ids=["with-a-key", "without"])
async def test_a_direct_route_answers_as_the_framework_does(
    world: World, method: str, path: str, body: bytes | None, is_authenticated: bool
) -> None:
    _, headers = await world.store()
    created = await world.create(headers)
    url = path.format(id=created.json()["data"]["session_id"])
    await world.until(lambda: _is_queued(world))
    given = headers if is_authenticated else {}

    direct = await world.public.request(method, url, headers=given, content=body)
    with _framework_alone(world):
        expected = await world.public.request(method, url, headers=given, content=body)

    assert direct.status_code == expected.status_code
    assert direct.content == expected.content
    assert _headers(direct) == _headers(expected)


@pytest.mark.stack
@pytest.mark.parametrize("headers", [{}, {"traceparent": TRACEPARENT}, {"traceparent": "nonsense"}], ids=str)
async def test_a_direct_route_is_traced_as_the_framework_traces(
    world: World, spans: InMemorySpanExporter, headers: dict[str, str]
) -> None:
    _, key = await world.store()
    created = await world.create(key)
    path = f"/api/v1/generation/{created.json()['data']['session_id']}"
    spans.clear()

    await world.public.get(f"{path}?token=canary", headers=key | headers)
    with _framework_alone(world):
        await world.public.get(f"{path}?token=canary", headers=key | headers)

    direct, expected = (_shape(span) for span in spans.get_finished_spans() if path in _attributes(span).values())
    assert direct == expected


@pytest.mark.stack
async def test_a_created_generation_belongs_to_the_trace_of_its_client(world: World) -> None:
    _, key = await world.store()

    created = await world.public.post(CREATE, headers=key | {"traceparent": TRACEPARENT}, json=TRY_ON)

    assert created.status_code == 201
    assert await world.pool.fetchval("SELECT trace_id FROM generations") == TRACEPARENT.split("-")[1]


@pytest.fixture
def spans(world: World) -> Iterator[InMemorySpanExporter]:
    """The spans that end while the test runs. Another test of the process may have installed the provider first: the
    framework's spans pass through the redaction of ours here, whichever it is."""
    assert world.container
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SpanRules())
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


async def _is_queued(world: World) -> bool:
    """Nothing changes then: no other service works on it."""
    return bool(await world.pool.fetchval("SELECT bool_and(state = 'queued') FROM generations"))


@contextmanager
def _framework_alone(world: World) -> Iterator[None]:
    """Without direct routes, for the length of the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.listeners.public, "direct_routes", DirectRoutes())
        yield


def _headers(answer: httpx.Response) -> list[tuple[str, str]]:
    return [(name, "" if name in OF_THE_REQUEST else value) for name, value in answer.headers.multi_items()]


def _shape(span: ReadableSpan) -> tuple[Any, ...]:
    parent = span.parent.span_id if span.parent else None
    return span.name, span.kind, _attributes(span), parent, span.status.status_code


def _attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})

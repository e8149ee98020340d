"""What an operator's probe reads: ready only when every part is, and nothing for a caller without the token."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from opentelemetry import trace
from prometheus_client import Histogram
from pydantic import SecretStr

from atelier_telemetry import operations
from atelier_telemetry.operations import is_polling, operations_router, require_token
from atelier_telemetry.tracing import exemplar_of, parent_from

TOKEN = SecretStr("a-token-of-the-operators")
Check = Callable[[], Awaitable[bool]]


async def fine() -> bool:
    return True


async def false() -> bool:
    return False


async def fail() -> bool:
    raise ConnectionRefusedError("no database here")


async def hang() -> bool:
    await asyncio.Event().wait()
    return True


async def test_ready_when_every_part_is() -> None:
    async with _client(database=fine, broker=fine) as client:
        answer = await client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "parts": {"database": "ok", "broker": "ok"}}


async def test_a_process_that_ends_is_not_ready_whatever_its_parts_would_say() -> None:
    async with _client(process=false, database=hang) as client:
        answer = await client.get("/health/ready")

    assert (answer.status_code, answer.json()["parts"]) == (503, {"process": "failing"})


@pytest.mark.parametrize("check", [false, fail, hang])
async def test_not_ready_names_the_part_that_fails(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "CHECK_S_MAX", 0.05)

    async with _client(database=check, broker=fine) as client:
        answer = await client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "parts": {"database": "failing", "broker": "ok"}}
    assert "no database here" not in answer.text


async def test_hanging_parts_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "CHECK_S_MAX", 0.2)
    at_once, met = asyncio.Barrier(10), []

    async def meets_the_others() -> bool:
        met.append(await at_once.wait())
        return await hang()

    async with _client(**dict.fromkeys("abcdefghij", meets_the_others)) as client:
        await client.get("/health/ready")

    assert sorted(met) == list(range(10))


async def test_alive_whatever_its_parts_say() -> None:
    async with _client(database=fail) as client:
        answer = await client.get("/health/live")

    assert answer.status_code == 200


async def test_metrics_are_told_in_the_format_prometheus_reads() -> None:
    async with _client() as client:
        answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain")
    assert "# TYPE python_info gauge" in answer.text


@pytest.mark.parametrize(
    ("path", "headers", "polls"),
    [
        ("/metrics", [], True),
        ("/health/ready", [], True),
        ("/internal/reconcile/holds", [], True),
        ("/internal/reconcile/holds", [(b"traceparent", b"00-1")], False),
        ("/v1/generations", [], False),
    ],
)
def test_polling_has_no_span_and_what_belongs_to_a_trace_has_one(
    path: str, headers: list[tuple[bytes, bytes]], polls: bool
) -> None:
    assert is_polling({"path": path, "headers": headers}) is polls


async def test_who_asks_for_openmetrics_gets_exemplars_that_lead_to_traces() -> None:
    durations = Histogram("test_exemplar_seconds", "of this test")
    trace_id = f"{0xC0FFEE:032x}"
    span = trace.get_current_span(parent_from(f"00-{trace_id}-{0xBEEF:016x}-01"))
    durations.observe(0.3, exemplar_of(span))
    durations.observe(0.3, exemplar_of(trace.INVALID_SPAN))

    async with _client() as client:
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        plain = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert f'trace_id="{trace_id}"' in answer.text
    assert answer.text.endswith("# EOF\n")
    assert trace_id not in plain.text


async def test_metrics_say_which_part_cannot_be_used_and_when_it_can_again(monkeypatch: pytest.MonkeyPatch) -> None:
    works = False
    monkeypatch.setattr(operations, "CHECK_FRESH_S", 0.0)

    async def answers() -> bool:
        return works

    async with _client(process=fine, database=answers, broker=fine) as client:
        away = (await client.get("/metrics")).text
        works = True
        back = (await client.get("/metrics")).text

    assert 'atelier_part_ready{part="database"} 0.0' in away
    assert 'atelier_part_ready{part="broker"} 1.0' in away
    assert 'atelier_part_ready{part="database"} 1.0' in back
    assert 'part="process"' not in back


async def test_metrics_ask_nothing_that_a_probe_has_just_asked() -> None:
    asked = []

    async def count() -> bool:
        asked.append(1)
        return True

    async with _client(database=count) as client:
        await client.get("/health/ready")
        await client.get("/metrics")

    assert len(asked) == 1


async def test_who_names_metrics_gets_these_alone_and_no_part_is_asked_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(operations, "CHECK_FRESH_S", 0.0)
    asked = []

    async def count() -> bool:
        asked.append(1)
        return True

    async with _client(database=count) as client:
        named = await client.get("/metrics?name[]=atelier_outbox_pending&name[]=atelier_nothing_of_this_name")
        before = len(asked)
        parts = await client.get("/metrics?name[]=atelier_part_ready")

    lines = [line for line in named.text.splitlines() if not line.startswith("#")]
    assert [line.split()[0] for line in lines] == ["atelier_outbox_pending"]
    assert (before, len(asked)) == (0, 1)
    assert 'atelier_part_ready{part="database"} 1.0' in parts.text


async def test_the_right_token_opens() -> None:
    async with _client() as client:
        answer = await client.get("/secret", headers={"Authorization": f"Bearer {TOKEN.get_secret_value()}"})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        TOKEN.get_secret_value().encode(),
        f"Basic {TOKEN.get_secret_value()}".encode(),
        f"Bearer {TOKEN.get_secret_value()[:-1]}".encode(),
        f"Bearer {TOKEN.get_secret_value()}x".encode(),
        "Bearer sch\u00f6n".encode("latin-1"),
    ],
)
async def test_any_other_header_is_refused(header: bytes) -> None:
    async with _client() as client:
        answer = await client.get("/secret", headers=[(b"Authorization", header)])

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert TOKEN.get_secret_value() not in answer.text


async def test_no_header_is_refused() -> None:
    async with _client() as client:
        answer = await client.get("/secret")

    assert answer.status_code == 401


def _client(**checks: Check) -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(operations_router(checks))
    secret = APIRouter(dependencies=require_token(TOKEN))

    @secret.get("/secret")
    async def tell() -> str:
        return "the answer"

    app.include_router(secret)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service")

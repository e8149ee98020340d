"""The outcomes of broken, odd and hostile answers of remote services: a socket that sends exactly the given bytes."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from atelier_render.providers.google.provider import Google
from atelier_render.providers.openai.provider import OpenAI
from atelier_render.providers.protocol import (
    Failed,
    ProviderOutcome,
    RateLimited,
    Refused,
    Transient,
    Unknown,
)
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

from .support.provider_subjects import job_of

KEY = "sk-a-key-nobody-may-see"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WORDS = {"kind": "image", "prompt": "a lake"}
Provider = OpenAI | Google
Make = Callable[..., Provider]


@dataclass
class Odd:
    """A server that answers every request with these bytes."""

    answer: bytes
    url: str = ""
    seen: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        await reader.readexactly(length)
        self.seen.append(head)
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def serve_answer(status: int, body: object, **headers: str) -> AsyncIterator[Odd]:
    """An odd server for the length of a block."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = {"content-type": "application/json", "content-length": str(len(raw)), "connection": "close"} | headers
    lines = [f"HTTP/1.1 {status} Said", *(f"{name.replace('_', '-')}: {value}" for name, value in said.items())]
    odd = Odd("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)
    server = await asyncio.start_server(odd.serve, "127.0.0.1", 0)
    async with server:
        odd.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield odd


@pytest.fixture(params=[OpenAI, Google], ids=["openai", "google"])
def make(request: pytest.FixtureRequest, normaliser: ImageNormaliser) -> Make:
    """Makes the provider of an address."""
    return lambda url, **more: request.param(KEY, normaliser, base_url=url, **more)


async def submit_words(provider: Provider) -> ProviderOutcome:
    """The outcome of one picture."""
    try:
        return await provider.submit(job_of(b"", b"", **WORDS))
    finally:
        await provider.close()


def openai_error(code: str | None, message: str = "m") -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}


def google_error(status: int, word: str, message: str = "m", *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": word, "details": list(details)}}


async def test_a_refused_connection_means_that_nothing_was_sent(make: Make) -> None:
    async with serve_answer(200, {}) as odd:
        gone = odd.url

    assert isinstance(await submit_words(make(gone)), Transient)


@pytest.mark.parametrize("body", [b"<html>busy</html>", b"{", b"[]", b'{"data": 3, "candidates": 3}', b"{}"])
async def test_an_answer_that_is_no_answer_fails_and_is_not_guessed_at(make: Make, body: bytes) -> None:
    async with serve_answer(200, body) as odd:
        outcome = await submit_words(make(odd.url))

    assert isinstance(outcome, Failed) and outcome.code == "provider_failed", outcome


async def test_an_answer_cut_short_leaves_it_unknown(make: Make) -> None:
    async with serve_answer(200, b'{"data": [', content_length="1000") as odd:
        assert isinstance(await submit_words(make(odd.url)), Unknown)


async def test_an_endless_answer_is_not_read_to_its_end(make: Make) -> None:
    async with serve_answer(200, b" " * 100_000) as odd:
        outcome = await submit_words(make(odd.url, answer_bytes_max=50_000))

    assert isinstance(outcome, Failed) and "larger than 50000 bytes" in outcome.reason


async def test_a_compressed_answer_nobody_asked_for_is_not_unpacked(make: Make) -> None:
    async with serve_answer(200, gzip.compress(bytes(1_000_000)), content_encoding="gzip") as odd:
        outcome = await submit_words(make(odd.url))

        assert isinstance(outcome, Failed) and "compressed" in outcome.reason
        assert b"accept-encoding: identity" in odd.seen[0].lower()


async def test_the_key_does_not_follow_a_redirect(make: Make) -> None:
    async with serve_answer(200, {}) as elsewhere, serve_answer(307, b"", location=f"{elsewhere.url}/x") as odd:
        outcome = await submit_words(make(odd.url))

        assert isinstance(outcome, Failed) and elsewhere.seen == []


@pytest.mark.parametrize("status", [500, 502, 503, 529])
async def test_answered_5xx_may_be_tried_again(make: Make, status: int) -> None:
    async with serve_answer(status, b"oops") as odd:
        assert isinstance(await submit_words(make(odd.url)), Transient)
        assert len(odd.seen) == 1, "the SDK must not retry by itself"


OPERATORS = Failed("provider_unavailable", "")
CLIENTS = Failed("invalid_input", "")


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected"),
    [
        (400, openai_error("moderation_blocked", "Rejected by the safety system"), {}, Refused("")),
        (400, openai_error("content_policy_violation"), {}, Refused("")),
        (400, openai_error("invalid_value", "Invalid size"), {}, CLIENTS),
        (401, openai_error("invalid_api_key", f"Incorrect API key: {KEY}"), {}, OPERATORS),
        (403, openai_error("unsupported_country", "Not in your country"), {}, OPERATORS),
        (404, openai_error("model_not_found"), {}, OPERATORS),
        (409, openai_error(None), {}, Transient("")),
        (418, openai_error(None), {}, Failed("provider_failed", "")),
        (429, openai_error("insufficient_quota"), {}, OPERATORS),
        (429, openai_error("rate_limit_exceeded"), {"retry_after_ms": "2500"}, RateLimited(2.5)),
        (429, openai_error("rate_limit_exceeded"), {"retry_after": "9"}, RateLimited(9)),
        (429, openai_error("rate_limit_exceeded"), {"retry_after": "99999999"}, RateLimited(3600)),
        (429, openai_error("rate_limit_exceeded"), {"retry_after": "soon"}, RateLimited(10)),
    ],
)
async def test_openais_errors_are_told_apart(
    normaliser: ImageNormaliser, status: int, body: object, headers: dict[str, str], expected: ProviderOutcome
) -> None:
    async with serve_answer(status, body, **headers) as odd:
        judge(await submit_words(OpenAI(KEY, normaliser, base_url=odd.url)), expected)


QUOTA = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [{"quotaId": "RequestsPerDayPerProject"}],
}
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.5s"}


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, google_error(400, "INVALID_ARGUMENT", "API key not valid."), OPERATORS),
        (400, google_error(400, "FAILED_PRECONDITION", "Location is not supported"), OPERATORS),
        (400, google_error(400, "INVALID_ARGUMENT", "Unable to process input image"), CLIENTS),
        (403, google_error(403, "PERMISSION_DENIED"), OPERATORS),
        (404, google_error(404, "NOT_FOUND"), OPERATORS),
        (429, google_error(429, "RESOURCE_EXHAUSTED", "m", RETRY), RateLimited(7.5)),
        (429, google_error(429, "RESOURCE_EXHAUSTED", "m", QUOTA, RETRY), OPERATORS),
        (429, google_error(429, "RESOURCE_EXHAUSTED"), RateLimited(10)),
        (499, google_error(499, "CANCELLED"), Transient("")),
        (200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, Refused("")),
        (200, {"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, Refused("")),
        (200, {"candidates": [{"finishReason": "NO_IMAGE"}]}, Failed("provider_failed", "")),
        (200, {"candidates": [{"finishReason": "A_WORD_OF_NEXT_YEAR"}]}, Failed("provider_failed", "")),
    ],
)
@pytest.mark.filterwarnings("ignore:A_WORD_OF_NEXT_YEAR:UserWarning")
async def test_googles_errors_are_told_apart(
    normaliser: ImageNormaliser, status: int, body: object, expected: ProviderOutcome
) -> None:
    async with serve_answer(status, body) as odd:
        judge(await submit_words(Google(KEY, normaliser, base_url=odd.url)), expected)


def judge(outcome: ProviderOutcome, expected: ProviderOutcome) -> None:
    """The same kind of outcome with the same figures; in its own words, which give nothing of us away."""
    assert type(outcome) is type(expected), outcome
    match outcome, expected:
        case RateLimited(), RateLimited():
            assert outcome == expected
        case Failed(code, reason), Failed(wanted, _):
            assert code == wanted and reason
    assert KEY not in repr(outcome)

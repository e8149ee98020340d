"""Webhooks without any server: their bodies, signatures, allowed URLs and retries."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from standardwebhooks import Webhook

from atelier_contracts import Event, GenerationQueued, GenerationSucceeded, Owner, RenderProgressed, RenderStarted
from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.web.problems import Problem
from atelier_gateway.webhooks.events import state_changes
from atelier_gateway.webhooks.payloads import DeferredSigner, build_payload, render_body
from atelier_gateway.webhooks.receiver_urls import ReceiverPolicy, host_of
from atelier_gateway.webhooks.retry_policy import (
    RetryDecision,
    classify_response,
    next_wait_s,
    parse_retry_delays,
    retry_after_s,
)
from atelier_gateway.webhooks.signing import SecretIds, SigningSecrets
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DOCS = Path(__file__).parents[4] / "docs" / "surfaces" / "webhooks.md"
SECRETS = SigningSecrets(SecretStr("the pepper of the tests"))


def store() -> ObjectStore:
    return ObjectStore(
        StorageSettings(endpoint="http://127.0.0.1:9", access_key="a", secret_key="s", bucket="pictures")
    )


def at_once(*events: Event) -> list[tuple[Event, datetime, str | None]]:
    return [(event, NOW, None) for event in events]


def test_every_state_a_batch_passes_through_is_told_in_order_and_progress_is_not() -> None:
    id_ = uuid4()
    events = (
        GenerationQueued(generation_id=id_, credits=1),
        RenderStarted(generation_id=id_, attempt=1),
        RenderProgressed(generation_id=id_, progress=50),
        GenerationSucceeded(generation_id=id_, outputs=(), delivered=0, captured=0, refunded=1, provider="local"),
    )

    found = state_changes({id_: Snapshot()}, at_once(*events, RenderStarted(generation_id=uuid4(), attempt=1)))

    assert [step.type for step in found] == ["generation.queued", "generation.rendering", "generation.succeeded"]
    assert [step.is_final for step in found] == [False, False, True]
    assert found[1].snapshot.progress == 0


def test_what_comes_too_late_is_not_told() -> None:
    id_ = uuid4()

    assert state_changes({id_: Snapshot(state="succeeded")}, at_once(RenderStarted(generation_id=id_, attempt=1))) == []


def test_a_signature_is_what_the_standard_says() -> None:
    secret_id, delivery = uuid4(), uuid4()

    headers = SECRETS.headers([secret_id], delivery, '{"a": "ü"}', now=datetime.now(UTC))

    assert Webhook(SECRETS.secret_of(secret_id)).verify('{"a": "ü"}', headers) == {"a": "ü"}
    assert headers["webhook-id"] == str(delivery)
    assert SECRETS.secret_of(secret_id) != SECRETS.secret_of(uuid4())
    assert SECRETS.secret_of(secret_id) != SigningSecrets(SecretStr("another pepper of tests")).secret_of(secret_id)


def test_the_secret_before_a_rotation_signs_too_until_its_day_is_over() -> None:
    old, new = uuid4(), uuid4()
    ids = SecretIds(new, old, NOW + timedelta(hours=24))

    assert ids.valid_at(NOW) == (new, old)
    assert ids.valid_at(NOW + timedelta(hours=24)) == (new,)
    headers = SECRETS.headers(ids.valid_at(NOW), uuid4(), "{}", now=datetime.now(UTC))
    for secret in (old, new):
        assert Webhook(SECRETS.secret_of(secret)).verify("{}", headers) == {}


def test_urls_are_signed_when_they_are_sent_and_only_for_objects_of_the_owner() -> None:
    owner = Owner(kind="user", id=uuid4())
    generated = f"generated/{uuid4()}/1/0.png"
    mine, foreign = f"users/{owner.id}/{generated}", f"users/{uuid4()}/{generated}"
    marks = [DeferredSigner().presign_get(key, 900) for key in (mine, foreign)]

    kept = build_payload("generation.succeeded", NOW, {"outputs": [{"url": marks[0]}], "error": marks[1]})
    sent = json.loads(render_body(kept, owner, store()))

    assert sent["data"]["outputs"][0]["url"].startswith(f"http://127.0.0.1:9/pictures/{mine}?")
    assert sent["data"]["error"] == marks[1]
    assert sent["timestamp"] == NOW.isoformat()


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(200, "delivered"), (204, "delivered"), (301, "retry"), (404, "retry"), (410, "gone"), (None, "retry")],
)
def test_2xx_is_delivered_410_is_gone_and_everything_else_is_tried_again(status: int | None, verdict: str) -> None:
    assert classify_response(status) is RetryDecision(verdict)


def test_waits_grow_vary_by_a_tenth_and_end() -> None:
    schedule = parse_retry_delays("5,30")

    assert [next_wait_s(schedule, tries, asked_s=0, jitter=0) for tries in (1, 2, 3)] == [5, 30, None]
    assert [next_wait_s(schedule, 1, asked_s=0, jitter=jitter) for jitter in (-1, 1)] == [4.5, 5.5]
    assert next_wait_s(schedule, 1, asked_s=60, jitter=0) == 60
    assert next_wait_s(schedule, 1, asked_s=1e9, jitter=0) == 86_400


@pytest.mark.parametrize(
    ("status", "retry_after", "seconds"),
    [
        (429, "7", 7.0),
        (503, "120", 120.0),
        (500, "7", 0.0),
        (429, None, 0.0),
        (429, "soon", 0.0),
        (429, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (429, (NOW + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 90.0),
    ],
)
def test_retry_after_is_heard_where_it_means_something(status: int, retry_after: str | None, seconds: float) -> None:
    assert retry_after_s(status, retry_after, now=NOW) == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize("text", ["", "0", "-1", "5,x", "700000", ",".join(["1"] * 31)])
def test_waits_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_retry_delays(text)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop-pictures.net/in",
        "https://10.0.0.7/in",
        "https://127.0.0.1/in",
        "https://[::ffff:169.254.169.254]/in",
        "https://0x7f.1/in",
        "https://hooks.internal/in",
        "https://localhost/in",
        "https://user:secret@shop-pictures.net/in",
        "https://shop-pictures.net:8443/in",
        "ftp://shop-pictures.net/in",
        "shop-pictures.net",
    ],
)
def test_in_production_only_public_https_urls_are_taken(url: str) -> None:
    with pytest.raises(Problem) as refused:
        ReceiverPolicy(plain=False, loopback=False).check(url, "url")

    assert (refused.value.status, refused.value.details["errors"][0]["field"]) == (400, "url")


def test_a_developer_may_be_told_on_his_own_machine_and_nowhere_else_inside() -> None:
    local = ReceiverPolicy(plain=True, loopback=True)

    for url in ("http://127.0.0.1:4711/in", "http://localhost:4711/in", "http://shop-pictures.net/in"):
        assert local.check(url, "url") == url
    for url in ("http://10.0.0.7/in", "http://shop-pictures.net:4711/in"):
        with pytest.raises(Problem):
            local.check(url, "url")


def test_of_a_url_only_its_host_is_shown() -> None:
    assert host_of("https://hooks.shop-pictures.net/T0/secret?token=canary") == "hooks.shop-pictures.net:443"


def hostile_headers(good: dict[str, str]) -> Iterator[dict[str, str]]:
    """What a stranger may send to a receiver."""
    for name in good:
        yield {key: value for key, value in good.items() if key != name}
    yield from (good | {"webhook-timestamp": odd} for odd in ("soon", "", "-1", "1e9", "9" * 400, "٣", "²"))
    yield from (good | {"webhook-signature": odd} for odd in ("", " ", "v1,é", "é" * 44, "v1," + "é" * 44, "\udcff"))
    yield good | {"webhook-id": "\udcff"}
    yield {}


def test_the_python_of_the_docs_verifies_what_is_sent_and_nothing_else() -> None:
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    documented: dict[str, object] = {}
    exec(compile(code, DOCS, "exec"), documented)  # it is ours
    verified = documented["verified"]
    assert callable(verified)
    secret_id = UUID(int=7)
    headers = SECRETS.headers([uuid4(), secret_id], uuid4(), '{"type":"webhook.test"}', now=datetime.now(UTC))

    assert verified(SECRETS.secret_of(secret_id), headers, b'{"type":"webhook.test"}')
    assert not verified(SECRETS.secret_of(secret_id), headers, b'{"type":"webhook.tesT"}')
    assert not verified(SECRETS.secret_of(uuid4()), headers, b'{"type":"webhook.test"}')
    old = SECRETS.headers([secret_id], uuid4(), "{}", now=datetime.now(UTC) - timedelta(minutes=6))
    assert not verified(SECRETS.secret_of(secret_id), old, b"{}")
    for hostile in hostile_headers(headers):
        assert verified(SECRETS.secret_of(secret_id), hostile, b"{}") is False

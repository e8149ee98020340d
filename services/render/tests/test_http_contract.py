"""What is written down about workers: the description is generated, the configuration judged, the callback verified."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, SecretStr, ValidationError

from atelier_render.providers.toolkit.callbacks import CallbackWaiters
from atelier_render.providers.worker_http.callbacks import Listener, callbacks_router
from atelier_render.providers.worker_http.configuration import WorkerConfiguration, Workers
from atelier_render.providers.worker_http.contract import ANSWER, Job
from atelier_render.providers.worker_http.openapi import document
from atelier_render.providers.worker_http.signatures import Signer

from .support.http_team import REFERENCE, SECRET

DOCS = Path(__file__).parents[3] / "docs" / "providers"
WORKER: dict[str, Any] = {
    "name": "ours",
    "url": "https://worker.example/atelier/",
    "secrets": [SECRET],
    "offers": [{"kind": "image"}],
}


class Given(BaseModel):
    workers: Workers = ()


def test_the_description_in_the_docs_is_the_one_generated() -> None:
    assert (DOCS / "http-worker.openapi.json").read_text() == document()


def test_the_page_shows_the_worker_that_is_run_and_every_setting() -> None:
    page = (DOCS / "http-worker.md").read_text()

    assert "http_worker.py" in page
    assert [name for name in WorkerConfiguration.model_fields if f"`{name}`" not in page] == []


def test_the_answers_of_the_reference_worker_are_of_the_contract() -> None:
    body = Job(key="k", kind="image", patience_s=1.0, size="8x8", n=2).model_dump(mode="json")

    answer = ANSWER.validate_json(json.dumps(REFERENCE.make(body)))

    assert answer.status == "succeeded"


def test_bytes_pass_through_the_contract_as_standard_base64() -> None:
    given = bytes(range(256))
    text = base64.b64encode(given).decode()

    job = Job.model_validate_json(
        json.dumps({"key": "k", "kind": "image", "patience_s": 1, "inputs": [{"role": "image", "data": text}]})
    )

    assert job.inputs[0].data == given
    assert json.loads(job.model_dump_json())["inputs"][0]["data"] == text
    assert "xff" not in repr(job), "pictures stay out of logs"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "ftp://worker"}, "not an http or https URL"),
        ({"url": "https://user:pass@worker"}, "no credentials"),
        ({"url": "https://worker/?a=b"}, "no credentials, query or fragment"),
        ({"name": "openai"}, "built-in provider"),
        ({"name": "Not A Name"}, "match pattern"),
        ({"secrets": ["whsec_c2hvcnQ="]}, "at least 24 bytes"),
        ({"secrets": ["plain words"]}, "begins with whsec_"),
        ({"secrets": ["whsec_?"]}, "base64"),
        ({"offers": []}, "at least 1 item"),
        ({"offers": [{"kind": "image", "size": "1x1"}]}, "Extra inputs"),
    ],
)
def test_a_slip_in_the_configuration_is_said_at_the_start(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        WorkerConfiguration(**WORKER | change)

    assert "shared" not in str(refused.value), "the secret is in no message"


def test_workers_are_given_as_json_or_as_the_path_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "workers.json"
    file.write_text(json.dumps([WORKER]))

    from_text, from_file, none = (Given(workers=text) for text in (json.dumps([WORKER]), str(file), ""))

    assert from_text == from_file
    assert [worker.origin for worker in from_text.workers] == ["worker.example:443"]
    assert none.workers == ()
    with pytest.raises(ValidationError, match="the same name"):
        Given(workers=json.dumps([WORKER, WORKER]))


@pytest.fixture
def hints() -> CallbackWaiters:
    return CallbackWaiters()


@pytest.fixture
async def render(hints: CallbackWaiters) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(callbacks_router({"ours": Listener(Signer([SecretStr(SECRET)]), hints)}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://render") as client:
        yield client


def news(*, secret: str = SECRET, minutes: int = 0, body: bytes = b'{"key": "job-1"}') -> dict[str, Any]:
    """A callback as a worker sends it, so many minutes from now."""
    now = datetime.now(UTC) + timedelta(minutes=minutes)
    headers = Signer([SecretStr(secret)]).headers("poll", "job-1", body, now=now)
    return {"content": body, "headers": headers}


async def test_a_signed_callback_ends_the_wait_however_often_it_comes(
    render: httpx.AsyncClient, hints: CallbackWaiters
) -> None:
    with hints.of("job-1") as hint, hints.of("job-2") as other:
        answers = [await render.post("/callbacks/ours", **news()) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [204, 204]
        assert (hint.is_set(), other.is_set()) == (True, False)
    assert (await render.post("/callbacks/ours", **news())).status_code == 204, "nobody waits any more"


OTHER = "whsec_" + base64.b64encode(b"the secret of quite another team").decode()


@pytest.mark.parametrize(
    ("worker", "sent", "status"),
    [
        ("ours", lambda: news(secret=OTHER), 401),
        ("theirs", news, 401),
        ("ours", lambda: news(minutes=-6), 401),
        ("ours", lambda: news(minutes=6), 401),
        ("ours", lambda: {"content": b"{}"}, 401),
        ("ours", lambda: news() | {"content": b'{"key": "job-2"}'}, 401),
        ("ours", lambda: {"content": b"{}", "headers": news()["headers"] | {"webhook-signature": "v1 , ,%"}}, 401),
        ("ours", lambda: news(body=b"[]"), 422),
        ("ours", lambda: news(body=b" " * 5_000), 413),
    ],
)
async def test_no_other_callback_is_heard(
    render: httpx.AsyncClient, hints: CallbackWaiters, worker: str, sent: Callable[[], dict[str, Any]], status: int
) -> None:
    with hints.of("job-1") as hint:
        answer = await render.post(f"/callbacks/{worker}", **sent())

        assert (answer.status_code, hint.is_set()) == (status, False)

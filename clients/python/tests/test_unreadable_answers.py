"""Tests of answers that are not the service's: a proxy's page, a stream that was cut or garbled."""

import json
from collections.abc import Callable

import httpx
import pytest

from atelier_client import Atelier, AtelierError, RetryPolicy, UnreadableResponseError

ENDED = {"id": "g-1", "status": "succeeded", "progress": 100}
QUEUED = b'id: 1\nevent: queued\ndata: {"status":"queued","progress":0}\n\n'


def client(answer: Callable[[httpx.Request], httpx.Response]) -> Atelier:
    http = httpx.Client(transport=httpx.MockTransport(answer))
    return Atelier("key", base_url="http://atelier.example", retry=RetryPolicy(retries_max=0), http=http)


def test_a_page_in_the_place_of_json_is_an_error_of_this_client_that_names_the_key() -> None:
    page = httpx.Response(200, html="<html>Please log in</html>")

    with client(lambda _: page) as atelier, pytest.raises(UnreadableResponseError, match="text/html") as raised:
        atelier.create(idempotency_key="order-1", kind="image", prompt="a hat")

    assert isinstance(raised.value, AtelierError) and raised.value.idempotency_key == "order-1"


@pytest.mark.parametrize(
    "broken", [b'data: {"status":\n\n', b"data: <html>\n\n", b"data: 7\n\n", b'data: {"progress":"half"}\n\n']
)
def test_an_event_that_cannot_be_read_breaks_the_stream_and_the_generation_is_read_instead(broken: bytes) -> None:
    streams = iter([QUEUED + broken, broken])

    def answer(request: httpx.Request) -> httpx.Response:
        is_stream = request.url.path.endswith("/events")
        return httpx.Response(200, content=next(streams) if is_stream else json.dumps(ENDED).encode())

    with client(answer) as atelier:
        statuses = [event.status for event in atelier.subscribe("g-1")]

    assert statuses == ["queued", "succeeded"]

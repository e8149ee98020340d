"""Tests of the event stream's parser."""

import pytest

from atelier_client.events import Event, EventParser

STREAM = (
    b'retry: 2000\nid: 41\nevent: queued\ndata: {"status":"queued","progress":0}\n\n'
    b": still here\n\n"
    b'id: 42\r\nevent: rendering\r\ndata: {"status":"rendering",\r\ndata: "progress":50}\r\n\r\n'
    b'event: succeeded\ndata: {"status":"succeeded","progress":100,"id":"\xe2\x80\xa8"}\n\n'
    b"id: 44\nevent: unfinished\n"
)
EVENTS = [("41", "queued", 0), ("42", "rendering", 50), (None, "succeeded", 100)]


@pytest.mark.parametrize("size", [1, 2, 7, 1_000])
def test_events_are_the_same_however_the_bytes_are_cut(size: int) -> None:
    parser = EventParser()

    events = [event for at in range(0, len(STREAM), size) for event in parser.feed(STREAM[at : at + size])]

    assert [(event.id, event.status, event.progress) for event in events] == EVENTS


@pytest.mark.parametrize("status", ["succeeded", "failed", "cancelled", "expired", "rejected", "deleted"])
def test_nothing_follows_a_final_event(status: str) -> None:
    assert Event(None, status, 100, {}).is_last


def test_an_unknown_status_of_a_newer_service_is_an_event_that_others_follow() -> None:
    assert not Event.of_generation({"status": "paused", "progress": 10}).is_last

"""Bundles: many messages in one frame come out as the same messages, and a frame that is none is undecodable."""

import json
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier_contracts import CancelRequested, Envelope, Message, RefundCredit, Undecodable, unwrap, wrap
from atelier_contracts.bundle import BUNDLE_MAX, BUNDLE_TYPE, RawMessage, bundle, by_frame, unpack
from atelier_contracts.message import REGISTRY

from .examples import models

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=list(REGISTRY))
@settings(max_examples=10)
@given(data=st.data())
def test_what_is_bundled_comes_out_as_it_was(kind: type[Message], data: st.DataObject) -> None:
    messages = data.draw(st.lists(models(kind), min_size=1, max_size=3))
    sent = [wrap(message, source="atelier/test", traceparent=TRACEPARENT) for message in messages]

    opened = unpack(bundle(sent), {}, content_type=BUNDLE_TYPE, message_id="the frame")

    assert [unwrap(letter.body, letter.headers) for letter in opened] == sent
    assert [letter.message_id for letter in opened] == [str(envelope.id) for envelope in sent]
    assert [letter.headers for letter in opened] == [{**e.headers, _CONTENT: "application/json"} for e in sent]


def test_a_frame_of_its_own_is_taken_as_it_is() -> None:
    whole = RawMessage(b"not even JSON", {"any": "header"}, "its id")

    assert unpack(whole.body, whole.headers, content_type="application/json", message_id="its id") == [whole]
    assert unpack(whole.body, whole.headers, content_type=None, message_id="its id") == [whole]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"17",
        b"null",
        b'"text"',
        b'{"id": "1"}',
        b"[17]",
        b"[null]",
        b'["text"]',
        b"[[]]",
        b'[{"id": "1"}]',
        b'[{"data": {}}]',
        b"[" * 200_000,
        b'[{"id": "1", "data": ' + b"9" * 10_000 + b"}]",
    ],
    ids=lambda body: body[:20],
)
def test_a_bundle_that_is_none_is_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable, match="not"):
        unpack(body, {}, content_type=BUNDLE_TYPE, message_id="1")


def test_one_bad_message_leaves_its_neighbours_readable() -> None:
    good = [_request() for _ in range(2)]
    events = json.loads(bundle(good))
    events.insert(1, {"id": "odd", "type": "nobody.knows.v1", "data": {}})

    opened = unpack(json.dumps(events).encode(), {}, content_type=BUNDLE_TYPE, message_id="1")

    assert [unwrap(opened[at].body, opened[at].headers) for at in (0, 2)] == good
    with pytest.raises(Undecodable):
        unwrap(opened[1].body, opened[1].headers)


@given(keys=st.lists(st.sampled_from([(), ("gateway.reply.a",), ("gateway.reply.b",)]), max_size=3 * BUNDLE_MAX))
def test_frames_hold_one_address_in_order_and_never_too_many(keys: list[tuple[str, ...]]) -> None:
    sent = [_request(cc) for cc in keys]

    frames = by_frame(sent)

    assert all(1 <= len(frame) <= BUNDLE_MAX for frame in frames)
    assert all(len({envelope.cc for envelope in frame}) == 1 for frame in frames)
    for cc in set(keys):
        alike = [envelope for frame in frames for envelope in frame if envelope.cc == cc]
        assert alike == [envelope for envelope in sent if envelope.cc == cc]


def test_messages_of_different_names_do_not_share_a_frame() -> None:
    requests = [_request(), _request()]
    others = [wrap(RefundCredit(generation_id=uuid4()), source="atelier/test")]

    assert by_frame([requests[0], *others, requests[1]]) == [requests, others]


def _request(cc: tuple[str, ...] = ()) -> Envelope:
    return wrap(CancelRequested(generation_id=uuid4()), source="atelier/test", cc=cc)


_CONTENT = "cloudEvents:datacontenttype"

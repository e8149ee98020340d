"""The envelope: what is wrapped is what is read back, and what cannot be read says why without repeating it."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier_contracts import CaptureCredit, CreditRefunded, Envelope, Message, Undecodable, unwrap, wrap
from atelier_contracts.message import REGISTRY, time_of

from .examples import models

EXAMPLES_A_MESSAGE = 20
every_message = pytest.mark.parametrize("kind", REGISTRY.values(), ids=list(REGISTRY))

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECRET = "the-value-nobody-may-read-in-a-log"
GENERATION = "01890a5d-ac96-774b-bcce-b302099a8057"


@every_message
@settings(max_examples=EXAMPLES_A_MESSAGE)
@given(data=st.data())
def test_every_message_comes_back_as_it_was_sent(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(models(kind))
    sent = wrap(message, source="atelier/test", traceparent=TRACEPARENT)

    received = unwrap(sent.body.encode(), sent.headers)

    assert received == sent
    assert type(received.message) is type(message)


def test_the_headers_carry_every_cloudevents_attribute() -> None:
    generation = uuid4()
    message = CreditRefunded(generation_id=generation, refunded=3)
    envelope = Envelope(message, UUID(int=7), "atelier/billing", datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC), TRACEPARENT)

    assert envelope.headers == {
        "cloudEvents:specversion": "1.0",
        "cloudEvents:id": "00000000-0000-0000-0000-000000000007",
        "cloudEvents:source": "atelier/billing",
        "cloudEvents:type": "billing.credit_refunded.v1",
        "cloudEvents:time": "2030-01-02T03:04:05+00:00",
        "cloudEvents:subject": str(generation),
        "cloudEvents:dataschema": "https://atelier.example/schemas/billing.credit_refunded.v1.json",
        "traceparent": TRACEPARENT,
    }


def test_a_message_outside_any_trace_carries_no_traceparent() -> None:
    envelope = wrap(CreditRefunded(generation_id=uuid4(), refunded=0), source="atelier/test")

    assert "traceparent" not in envelope.headers
    assert unwrap(envelope.body.encode(), envelope.headers).traceparent is None


def test_a_body_leaves_out_what_has_its_default_value() -> None:
    generation = uuid4()

    envelope = wrap(CaptureCredit(generation_id=generation, delivered=1), source="atelier/test")

    assert json.loads(envelope.body) == {"generation_id": str(generation), "delivered": 1}


def test_an_id_says_when_it_was_made() -> None:
    envelope = wrap(CreditRefunded(generation_id=uuid4(), refunded=0), source="atelier/test")

    assert time_of(envelope.id) == envelope.time
    assert abs(datetime.now(UTC) - envelope.time) < timedelta(minutes=1)
    with pytest.raises(ValueError, match="not time-ordered"):
        time_of(uuid4())


def test_ids_are_ordered_by_the_time_of_wrapping() -> None:
    message = CreditRefunded(generation_id=uuid4(), refunded=0)

    ids = [wrap(message, source="atelier/test").id for _ in range(100)]

    assert ids == sorted(ids)
    assert len(set(ids)) == 100


@every_message
@settings(max_examples=EXAMPLES_A_MESSAGE)
@given(data=st.data())
def test_a_field_we_do_not_know_is_ignored(kind: type[Message], data: st.DataObject) -> None:
    message = data.draw(models(kind))
    sent = wrap(message, source="atelier/test")
    newer = json.dumps({**json.loads(sent.body), "a_field_of_next_year": {"of": ["any", "shape"]}})

    assert unwrap(newer.encode(), sent.headers).message == message


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "Invalid JSON"),
        (b"\xff\xfe\x00", "Invalid JSON"),
        (b'{"generation_id":', "Invalid JSON"),
        (b"[" * 10_000, "Invalid JSON"),
        (b"[]", "should be an object"),
        (b"{}", "generation_id: Field required"),
        (f'{{"generation_id": "{SECRET}", "delivered": 1}}'.encode(), "generation_id: "),
        (f'{{"generation_id": "{GENERATION}", "delivered": "{SECRET}"}}'.encode(), "delivered: "),
        (f'{{"generation_id": "{GENERATION}", "delivered": 11}}'.encode(), "delivered: "),
    ],
)
def test_an_undecodable_body_says_what_is_wrong_and_repeats_nothing(body: bytes, says: str) -> None:
    headers = wrap(CaptureCredit(generation_id=uuid4(), delivered=1), source="atelier/test").headers

    with pytest.raises(Undecodable, match=r"^billing\.capture_credit\.v1: ") as refusal:
        unwrap(body, headers)

    assert says in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("cloudEvents:id", None),
        ("cloudEvents:id", SECRET),
        ("cloudEvents:id", b"\x00"),
        ("cloudEvents:time", None),
        ("cloudEvents:time", SECRET),
        ("cloudEvents:time", {"nested": SECRET}),
    ],
)
def test_an_undecodable_header_is_named_and_not_repeated(header: str, value: object) -> None:
    sent = wrap(CaptureCredit(generation_id=uuid4(), delivered=1), source="atelier/test")

    with pytest.raises(Undecodable, match=header) as refusal:
        unwrap(sent.body.encode(), {**sent.headers, header: value})

    assert SECRET not in str(refusal.value)


def test_a_message_without_a_type_is_undecodable() -> None:
    with pytest.raises(Undecodable, match="message type"):
        unwrap(b"{}", {})


def test_the_name_of_an_unknown_message_is_told_but_not_at_any_length() -> None:
    name = "billing.moon_bought.v1"

    with pytest.raises(Undecodable, match=name):
        unwrap(b"{}", {"cloudEvents:type": name})
    with pytest.raises(Undecodable) as refusal:
        unwrap(b"{}", {"cloudEvents:type": name + "x" * 100_000})

    assert len(str(refusal.value)) < 300

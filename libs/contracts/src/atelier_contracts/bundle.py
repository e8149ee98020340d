"""Many messages in one frame, for the busy hours: CloudEvents 1.0 JSON batch format.

On two cores the price of a message is its frame, its confirm and its ack, not its content. Messages of one name that
leave a process together share a frame; one that leaves alone travels as it always did (binary mode). Each keeps its
own id, so inbox, retries and dead letters hold single messages only.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic_core import from_json, to_json

from atelier_contracts.message import Envelope, Message, Undecodable

BUNDLE_TYPE = "application/cloudevents-batch+json"
BUNDLE_MAX = 50
COUNT_HEADER = "x-atelier-messages"
"""How many messages a bundle holds, for a receiver that has not opened it yet."""
_PREFIX = "cloudEvents:"
_TRACE = "traceparent"


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message as it was received, before decoding: it is retried or dead-lettered in this form."""

    body: bytes
    headers: Mapping[str, object]
    message_id: str


def bundle(envelopes: Sequence[Envelope]) -> bytes:
    """The envelopes as one JSON batch."""
    return f"[{','.join(map(_event, envelopes))}]".encode()


def count_messages(headers: Mapping[str, object], *, content_type: str | None) -> int:
    """How many messages a frame says it holds, at least 1; a hint, since any sender may write anything."""
    count = headers.get(COUNT_HEADER) if content_type == BUNDLE_TYPE else 1
    return min(count, BUNDLE_MAX) if isinstance(count, int) and count > 0 else 1


def unpack(
    body: bytes, headers: Mapping[str, object], *, content_type: str | None, message_id: str
) -> list[RawMessage]:
    """The single messages of a frame, in order. Raises Undecodable when a bundle is malformed."""
    if content_type != BUNDLE_TYPE:
        return [RawMessage(body, headers, message_id)]
    try:
        events = from_json(body)
        return [_raw_message(event) for event in events]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        raise Undecodable("the frame says that it is a bundle of messages, but it is not") from None


def by_frame(
    envelopes: Iterable[Envelope], routing_key_of: Callable[[Message], str] = lambda message: message.name
) -> list[list[Envelope]]:
    """Groups what may travel together: one name and routing key, one set of extra ones, at most ``BUNDLE_MAX``."""
    frames: list[list[Envelope]] = []
    filling: dict[tuple[str, tuple[str, ...]], list[Envelope]] = {}
    for envelope in envelopes:
        address = routing_key_of(envelope.message), envelope.cc
        frame = filling.get(address)
        if frame is None or len(frame) == BUNDLE_MAX:
            frame = filling[address] = []
            frames.append(frame)
        frame.append(envelope)
    return frames


def _event(envelope: Envelope) -> str:
    attributes = {name.removeprefix(_PREFIX): value for name, value in envelope.headers.items()}
    return f'{to_json(attributes).decode()[:-1]},"datacontenttype":"application/json","data":{envelope.body}}}'


def _raw_message(event: dict[str, object]) -> RawMessage:
    data = to_json(event.pop("data"))
    headers = {name if name == _TRACE else f"{_PREFIX}{name}": value for name, value in event.items()}
    return RawMessage(data, headers, str(event["id"]))

"""Follows one generation to its end: by its event stream, resumed where it broke off, else by polling."""

import time
from collections.abc import Generator
from contextlib import closing

import httpx

from atelier_client._sync.transport import Transport
from atelier_client.errors import WaitTimeoutError, problem_of
from atelier_client.events import Event, EventParser
from atelier_client.retries import can_repeat
from atelier_client.routes import GET_GENERATION, STREAM_GENERATION_EVENTS

SILENCE_S_MAX = 40.0
"""A connection that is silent longer is dead."""
FRUITLESS_STREAMS_MAX = 2
"""After so many streams without an event the generation is polled: something between us holds streams back."""
HEARTBEAT_S = 15.0
"""So long the service may say nothing. In the last seconds before a deadline polls are more exact than a stream."""
RECONNECT_S = 0.5
POLL_S = 1.0


class Follower:
    """The events of one generation, for ``timeout_s`` at most (None: however long it takes)."""

    def __init__(self, transport: Transport, id: str, timeout_s: float | None) -> None:
        self._transport, self._id, self._timeout_s = transport, id, timeout_s
        self._deadline = None if timeout_s is None else time.monotonic() + timeout_s
        self._last_id: str | None = None

    def events(self) -> Generator[Event]:
        """Each change, the last one with the whole generation. Raises WaitTimeoutError, ProblemError,
        ConnectionFailedError."""
        fruitless, seen = 0, ("", -1)
        while True:
            is_fruitful = False
            is_streaming = fruitless < FRUITLESS_STREAMS_MAX and self._left_s(HEARTBEAT_S) == HEARTBEAT_S
            if is_streaming:
                with closing(self._stream()) as stream:
                    for event in stream:
                        is_fruitful = True
                        seen = (event.status, event.progress)
                        yield event
                        if event.is_last:
                            return
            fruitless = 0 if is_fruitful else fruitless + 1
            if not is_fruitful:
                event = self._poll()
                if (event.status, event.progress) != seen or event.is_last:
                    seen = (event.status, event.progress)
                    yield event
                if event.is_last:
                    return
            time.sleep(self._left_s(RECONNECT_S if is_streaming else POLL_S))

    def _stream(self) -> Generator[Event]:
        """The events of one connection; ends where it breaks."""
        resumed = {} if self._last_id is None else {"Last-Event-ID": self._last_id}
        parser = EventParser()
        try:
            with self._transport.stream(
                STREAM_GENERATION_EVENTS, self._id, resumed, self._left_s(SILENCE_S_MAX)
            ) as response:
                if response.status_code != 200:
                    self._check(response)
                    return
                for chunk in response.iter_bytes():
                    for event in parser.feed(chunk):
                        self._last_id = event.id or self._last_id
                        yield event
                    if self._left_s(HEARTBEAT_S) < HEARTBEAT_S:
                        return
        except (httpx.TransportError, ValueError):
            return  # bytes that are no event break the stream as a lost connection does

    def _check(self, response: httpx.Response) -> None:
        """Raises ProblemError for a refusal that stays; 204 and what may pass are left to the poll."""
        if response.status_code >= 400:
            response.read()
            refusal = problem_of(response)
            if not can_repeat(refusal.status, refusal.code):
                raise refusal

    def _poll(self) -> Event:
        return Event.of_generation(self._transport.call(GET_GENERATION, self._id))

    def _left_s(self, wanted_s: float) -> float:
        """``wanted_s``, or what is left of the time. Raises WaitTimeoutError."""
        if self._deadline is None:
            return wanted_s
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise WaitTimeoutError(self._id, self._timeout_s or 0)
        return min(wanted_s, left_s)

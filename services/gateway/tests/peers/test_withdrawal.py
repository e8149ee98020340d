"""When a withdrawal is tried again: only where the session may have done it without a word."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from atelier_gateway.peers import withdrawal
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.peers.withdrawal import WithdrawalInDoubt, withdraw_surely

SHORT_S = 1.0


class Session:
    """A server that gives these answers to one request after another, and the last of them to all others; an empty one
    is no answer."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer = self.answers[min(self.requests, len(self.answers) - 1)]
        self.requests += 1
        writer.write(answer)
        writer.close()
        await writer.wait_closed()


def answer_of(status: str, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status.encode(), len(body), body)


WITHDRAWN = answer_of("200 OK", b'{"state": "withdrawn"}')
NO_ANSWER, UNAVAILABLE, UNKNOWN = b"", answer_of("503 Service Unavailable"), answer_of("401 Unauthorized")


@pytest.fixture
async def session() -> Session:
    return Session()


@pytest.fixture
async def port(session: Session) -> AsyncIterator[int]:
    async with await asyncio.start_server(session.serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def peers(port: int) -> AsyncIterator[PeerClient]:
    url = f"http://127.0.0.1:{port}"
    client = PeerClient(session_url=url, billing_url=url, render_url=url, service_token="token")
    yield client
    await client.close()


@pytest.mark.parametrize("lost", [NO_ANSWER, UNAVAILABLE])
async def test_a_withdrawal_in_doubt_is_tried_until_there_is_an_answer(
    session: Session, peers: PeerClient, lost: bytes
) -> None:
    session.answers = [lost, lost, WITHDRAWN]

    assert await withdraw_surely(peers, uuid4()) == "withdrawn"
    assert session.requests == 3


async def test_a_withdrawal_that_stays_in_doubt_is_given_up(
    session: Session, peers: PeerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withdrawal, "IN_DOUBT_S_MAX", SHORT_S)
    session.answers, began = [NO_ANSWER], time.monotonic()

    with pytest.raises(WithdrawalInDoubt, match="session does not answer"):
        await withdraw_surely(peers, uuid4())

    assert time.monotonic() - began >= SHORT_S
    assert session.requests > 1


async def test_a_failure_that_says_that_nothing_was_done_is_not_in_doubt(session: Session, peers: PeerClient) -> None:
    session.answers = [answer_of("503 Service Unavailable\r\nX-Atelier-Answer: not-done"), WITHDRAWN]

    with pytest.raises(PeerUnavailable, match="it answered 503"):
        await withdraw_surely(peers, uuid4())

    assert session.requests == 1


async def test_what_the_session_refuses_is_not_tried_again(session: Session, peers: PeerClient) -> None:
    session.answers = [UNKNOWN, WITHDRAWN]

    with pytest.raises(PeerUnavailable, match="it answered 401"):
        await withdraw_surely(peers, uuid4())

    assert session.requests == 1


async def test_a_session_that_is_away_is_not_waited_for(session: Session, peers: PeerClient) -> None:
    session.answers, tries = [NO_ANSWER], list[httpx.Request]()

    async def refuse(request: httpx.Request) -> None:
        tries.append(request)
        raise httpx.ConnectError("refused", request=request)

    peers._http.event_hooks = {"request": [refuse]}

    with pytest.raises(PeerUnavailable, match="no connection"):
        await withdraw_surely(peers, uuid4())

    assert (len(tries), session.requests) == (1, 0)

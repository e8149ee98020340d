"""A team's own worker over time: keys, restarts, cancels, takeovers and the end of patience."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from atelier_imaging.pool import ImageWorkers
from atelier_render.providers.protocol import LOST, Failed, Succeeded, Transient, Unknown
from atelier_render.providers.worker_http.callbacks import callbacks_router

from .support.http_team import REFERENCE, Team, answer_with, at_work, job, lose_request, run_team


@pytest.fixture
async def team(images: ImageWorkers) -> AsyncIterator[Team]:
    with run_team(images) as team:
        yield team
        await team.leave()


async def test_one_key_is_made_once_however_often_it_is_submitted(team: Team) -> None:
    order, worker = job(), team.connect()

    outcomes = await asyncio.gather(*(worker.submit(order) for _ in range(5)))

    assert len(team.asked) == 1
    assert all(outcome == outcomes[0] for outcome in outcomes)


async def test_a_worker_that_forgot_its_jobs_is_told_again(team: Team) -> None:
    order, worker, restarted = job(), team.connect(), threading.Event()
    team.make = lambda asked: (restarted.wait(10), REFERENCE.make(asked))[1]
    following = asyncio.create_task(worker.submit(order))
    await at_work(team)
    await asyncio.to_thread(team.stop)
    team.start()
    restarted.set()

    assert await following == Transient("ours does not know the job")
    assert isinstance(await worker.submit(order), Succeeded)


async def test_a_cancelled_job_is_cancelled_at_the_worker(team: Team) -> None:
    order, worker, enough = job(), team.connect(), threading.Event()
    team.make = lambda asked: (enough.wait(10), REFERENCE.make(asked))[1]
    submitting = asyncio.create_task(worker.submit(order))
    await at_work(team)

    submitting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await submitting
    await worker.close()
    enough.set()

    assert team.seen[-1] == ("DELETE", order.key)


async def test_whoever_takes_over_finds_the_job_still_at_work(team: Team) -> None:
    order, worker, enough = job(), team.connect(), threading.Event()
    team.make = lambda asked: (enough.wait(10), REFERENCE.make(asked))[1]
    submitting = asyncio.create_task(worker.submit(order))
    await at_work(team)
    submitting.cancel(LOST)
    with pytest.raises(asyncio.CancelledError):
        await submitting
    await worker.close()

    recalling = asyncio.create_task(team.connect().recall(order))
    enough.set()

    assert isinstance(await recalling, Succeeded)
    assert (team.count("POST"), team.count("DELETE"), len(team.asked)) == (1, 0, 1)


async def test_patience_ends_with_a_cancel(team: Team) -> None:
    order, enough = job(), threading.Event()
    team.make = lambda asked: (enough.wait(10), REFERENCE.make(asked))[1]

    outcome = await team.connect(job_s=0.2).submit(order)
    enough.set()

    assert outcome == Failed("provider_timeout", "ours was not done after 0.2 s")
    assert team.seen[-1] == ("DELETE", order.key)


async def test_without_an_answer_to_the_last_cancel_the_outcome_stays_unknown(team: Team) -> None:
    enough = threading.Event()
    team.make = lambda asked: (enough.wait(10), REFERENCE.make(asked))[1]
    team.next("DELETE", lose_request)

    outcome = await team.connect(job_s=0.2).submit(job())
    enough.set()

    assert outcome == Unknown()


@pytest.mark.timeout(40)
async def test_a_callback_ends_a_long_wait(team: Team) -> None:
    polled = threading.Event()
    app, listening = FastAPI(), socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    worker = team.connect(callback_url=f"http://127.0.0.1:{listening.getsockname()[1]}")
    app.include_router(callbacks_router({"ours": worker.listener}))
    team.make = lambda asked: (polled.wait(10), REFERENCE.make(asked))[1]
    underway = answer_with(200, {"status": "running"}, Retry_After="60")

    def first_poll(handler: Any) -> None:
        underway(handler)
        polled.set()

    team.next("GET", first_poll)

    outcome = await worker.submit(job())  # or it takes a minute, and the test's time is up
    server.should_exit = True
    await serving

    assert isinstance(outcome, Succeeded)
    assert team.count("GET") == 2

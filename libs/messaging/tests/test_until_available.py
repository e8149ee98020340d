"""Waiting out an outage, and waiting for an event: what is run again, what is raised, what is left as it was."""

import asyncio

import pytest

from atelier_messaging import outages, until_available, wait_event


class Failing:
    """An act that raises these errors, one a run, and then returns "done"."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    async def __call__(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "done"


async def test_an_outage_is_waited_out_and_each_failure_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    act = Failing(ConnectionError("gone"), TimeoutError("slow"))

    assert await until_available(act, what="saving", pause_s=0.001) == "done"

    assert [record.getMessage() for record in caplog.records if record.name.startswith("atelier")] == [
        "saving failed, retrying in 0.0 s: ConnectionError('gone')",
        "saving failed, retrying in 0.0 s: TimeoutError('slow')",
    ]


async def test_the_pause_doubles_up_to_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    # Not asyncio's own: other tasks of this event loop would spin on a sleep that never yields.
    monkeypatch.setattr(outages, "sleep", sleep)

    await until_available(Failing(*[OSError()] * 4), what="saving", pause_s=1.0, pause_s_max=3.0)
    await until_available(Failing(*[OSError()] * 2), what="saving", pause_s=1.0)

    assert pauses == [1.0, 2.0, 3.0, 3.0, 1.0, 1.0]


async def test_an_error_that_is_no_outage_is_raised_at_once() -> None:
    act = Failing(ZeroDivisionError(), OSError())

    with pytest.raises(ZeroDivisionError):
        await until_available(act, what="saving", pause_s=0.0)

    assert len(act.errors) == 1


async def test_the_caller_decides_what_counts_as_unavailable() -> None:
    act = Failing(KeyError("store"))

    result = await until_available(act, what="loading", pause_s=0.0, is_unavailable=lambda e: isinstance(e, KeyError))

    assert result == "done"


async def test_a_wait_for_an_event_says_whether_it_is_set_and_leaves_it_so() -> None:
    event = asyncio.Event()

    assert not await wait_event(event, 0.001)
    event.set()
    assert await wait_event(event, 60.0)
    assert event.is_set()

"""The supervisor's promises, kept with real processes."""

import asyncio
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from atelier_local.errors import StackError
from atelier_local.launcher.part_runner import PartState
from atelier_local.launcher.processes import group_members, is_alive
from atelier_local.launcher.supervisor import Supervisor

from .conftest import Running
from .support.toy_parts import AT_ONCE, DEAF, PARENT, SLOW_TO_END, server, task


async def until(supervisor: Supervisor, name: str, state: PartState) -> None:
    async with asyncio.timeout(60):
        while supervisor.runners[name].state is not state:  # noqa: ASYNC110 - a test looks at the state from outside
            await asyncio.sleep(0.01)


def states(supervisor: Supervisor) -> dict[str, PartState]:
    return {name: runner.state for name, runner in supervisor.runners.items()}


async def test_a_part_starts_after_what_it_needs_is_ready(run_parts: Running, tmp_path: Path) -> None:
    slow = task("first", f"import time; time.sleep(0.3); open('{tmp_path}/done', 'w')")
    eager = replace(task("second", f"open('{tmp_path}/done')"), needs=("first",))

    async with run_parts(eager, slow) as supervisor:
        assert supervisor.runners["second"].restarts == 0


async def test_a_killed_part_comes_back_with_another_pid(run_parts: Running) -> None:
    async with run_parts(server()) as supervisor:
        before = supervisor.runners["toy"].pid

        supervisor.kill_part("toy", signal.SIGKILL)
        await until(supervisor, "toy", PartState.RESTARTING)
        await until(supervisor, "toy", PartState.READY)

        assert supervisor.runners["toy"].pid not in (None, before)
        assert supervisor.runners["toy"].restarts == 1


async def test_a_part_stopped_on_purpose_stays_stopped_until_it_is_started(run_parts: Running) -> None:
    async with run_parts(server()) as supervisor:
        await supervisor.stop_part("toy")
        await asyncio.sleep(0.3)  # longer than the first pause before a restart
        assert states(supervisor) == {"toy": PartState.STOPPED}
        assert supervisor.runners["toy"].pid is None

        await supervisor.start_part("toy")

        assert states(supervisor) == {"toy": PartState.READY}


async def test_a_part_that_never_starts_is_given_up_and_says_so(run_parts: Running, tmp_path: Path) -> None:
    async with run_parts(task("broken", "raise SystemExit('the reason')"), wait=()) as supervisor:
        await until(supervisor, "broken", PartState.FAILED)

        log = (tmp_path / "broken.log").read_text()

    assert log.count("the reason") == 3
    assert "[supervisor] broken ended with 1" in log


async def test_starting_a_part_that_cannot_start_names_its_log(run_parts: Running, tmp_path: Path) -> None:
    async with run_parts(task("broken", "raise SystemExit(1)"), wait=()) as supervisor:
        with pytest.raises(StackError, match=str(tmp_path / "broken.log")):
            await supervisor.start_part("broken")


async def test_what_cannot_be_prepared_fails_like_what_cannot_start(run_parts: Running, tmp_path: Path) -> None:
    def refuse() -> None:
        raise StackError("no room for the data")

    async with run_parts(server(prepare=refuse), wait=()) as supervisor:
        await until(supervisor, "toy", PartState.FAILED)

    assert "no room for the data" in (tmp_path / "toy.log").read_text()


async def test_a_part_that_ignores_the_request_to_stop_is_killed(run_parts: Running) -> None:
    async with run_parts(server(code=DEAF, stop_grace_s=0.3)) as supervisor:
        pid = supervisor.runners["toy"].pid
        assert pid

        began = time.monotonic()
        await supervisor.stop_part("toy")

        assert not is_alive(pid)
        assert time.monotonic() - began >= 0.3


async def test_a_frozen_part_can_be_stopped(run_parts: Running) -> None:
    async with run_parts(server(stop_grace_s=600.0)) as supervisor:
        supervisor.kill_part("toy", signal.SIGSTOP)

        async with asyncio.timeout(60):  # it is woken, so that it hears the request, and not killed after its grace
            await supervisor.stop_part("toy")


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_a_part_takes_its_own_children_with_it(run_parts: Running, end: str) -> None:
    async with run_parts(server(code=PARENT)) as supervisor:
        group = supervisor.runners["toy"].pid
        assert group
        assert len(group_members(group)) == 2

        if end == "stopped":
            await supervisor.stop_part("toy")
        else:
            supervisor.kill_part("toy", signal.SIGKILL)
            await until(supervisor, "toy", PartState.RESTARTING)

        async with asyncio.timeout(60):
            while group_members(group):  # noqa: ASYNC110 - the kernel sends no event
                await asyncio.sleep(0.01)


async def test_stopping_ends_each_part_before_what_it_needs(tmp_path: Path) -> None:
    note = tmp_path / "ended"
    first = server("first", code=AT_ONCE.format(note=str(note), name="first"))
    second = server("second", code=SLOW_TO_END.format(note=str(note), name="second"), needs=("first",))
    supervisor = Supervisor([first, second], tmp_path)
    supervisor.start()
    await supervisor.runners["second"].usable.wait()
    pids = [runner.pid for runner in supervisor.runners.values()]

    await supervisor.stop()

    assert note.read_text().split() == ["second", "first"]
    assert not any(is_alive(pid) for pid in pids if pid)


async def test_a_part_run_by_somebody_else_is_waited_for_and_left_alone(run_parts: Running) -> None:
    answers: list[bool] = [False, False, True]
    probes = iter(answers)

    async def probe() -> bool:
        return next(probes)

    async with run_parts(replace(server(), command=(), probe=probe)) as supervisor:
        assert supervisor.runners["toy"].pid is None
        with pytest.raises(StackError, match="no process"):
            supervisor.kill_part("toy", signal.SIGKILL)


async def test_a_part_nobody_knows_is_refused_with_the_names_there_are(run_parts: Running) -> None:
    async with run_parts(server()) as supervisor:
        with pytest.raises(StackError, match="it has toy"):
            await supervisor.stop_part("teapot")


async def test_children_run_in_a_group_of_their_own(run_parts: Running) -> None:
    async with run_parts(server()) as supervisor:
        pid = supervisor.runners["toy"].pid

        assert pid
        assert os.getpgid(pid) == pid != os.getpgid(0)

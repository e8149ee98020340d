"""A child process: how it is started, talked to and ended."""

import asyncio
import signal
import subprocess
import sys

import pytest

from atelier_imaging.child_process import ChildProcess

ECHO = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read()[::-1])"


async def start_python(code: str) -> ChildProcess:
    return await ChildProcess.start(sys.executable, "-c", code, env={})


async def test_it_reads_what_it_is_sent_and_its_answer_is_read_whole() -> None:
    child = await start_python(ECHO)
    sent = bytes(range(256)) * 20_000  # more than any buffer between the two

    child.stdin.write(sent)
    child.end_input()

    assert await child.stdout.read() == sent[::-1]
    await child.end(grace_s=5)
    assert child.returncode == 0


async def test_one_that_waits_for_work_ends_when_its_input_ends() -> None:
    child = await start_python(ECHO)
    assert child.returncode is None

    await child.end(grace_s=30)

    assert child.returncode == 0


async def test_one_that_has_ended_can_still_be_ended_and_killed() -> None:
    child = await start_python("")
    assert await child.stdout.read() == b""

    await child.end(grace_s=30)
    child.kill()

    assert child.returncode == 0


async def test_one_that_does_not_end_is_killed() -> None:
    child = await start_python("import time; time.sleep(600)")

    await child.end(grace_s=0.1)

    assert child.returncode == -signal.SIGKILL


async def test_one_that_died_while_it_was_written_to_leaves_no_error_behind() -> None:
    child = await start_python("import time; time.sleep(600)")
    child.stdin.write(bytes(10_000_000))

    child.kill()
    with pytest.raises(ConnectionError):
        await child.stdin.drain()
    await child.end(grace_s=5)

    assert child.returncode == -signal.SIGKILL


async def test_a_command_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        await ChildProcess.start("/there/is/no/such/program", env={})


async def test_a_child_is_not_forked_by_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """uvloop's own start runs Python between fork and exec, where a lock held by another thread blocks it for good."""

    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the event loop started it")

    monkeypatch.setattr(asyncio.get_running_loop(), "subprocess_exec", refuse, raising=False)
    assert subprocess._USE_VFORK

    child = await start_python("")
    await child.end(grace_s=30)
    assert child.returncode == 0

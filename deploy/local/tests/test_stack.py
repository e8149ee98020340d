"""The stack as a person and a test use it: up, down, and what happens when processes are killed."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from atelier_local.errors import StackError
from atelier_local.launcher.control_socket import NotRunning
from atelier_local.launcher.ports import claim_ports
from atelier_local.launcher.processes import find_marked, is_alive, wait_until
from atelier_local.launcher.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture
def stack(root: Path) -> Iterator[Stack]:
    """The quickest part alone; up before each test, whatever the one before did to it."""
    stack = Stack("one", root=root, only=["objectstore"])
    stack.up()
    yield stack
    stack.down()


def supervisor(stack: Stack) -> int:
    status = stack.status()
    assert status
    return status.pid


def test_up_again_starts_nothing(stack: Stack) -> None:
    before = (supervisor(stack), stack.pid("objectstore"))

    Stack("one", root=stack.root, only=["objectstore"]).up()

    assert (supervisor(stack), stack.pid("objectstore")) == before


def test_up_starts_what_was_stopped_on_purpose(stack: Stack) -> None:
    stack.stop_part("objectstore")
    assert stack.pid("objectstore") is None

    stack.up()

    assert stack.pid("objectstore") is not None


def test_a_running_stack_keeps_the_ports_of_parts_that_do_not_listen(stack: Stack) -> None:
    ports = stack.profile.ports
    stack.stop_part("objectstore")

    assert claim_ports([ports["objectstore"], ports["gateway"]]) == {}


def test_up_for_more_parts_than_run_starts_them_too(stack: Stack) -> None:
    more = Stack("one", root=stack.root, only=["objectstore", "traces"])

    status = more.up()

    assert {part.name for part in status.parts} | set(status.skipped) == {"objectstore", "traces"}


def test_other_settings_for_the_services_take_effect(stack: Stack) -> None:
    Stack("one", root=stack.root, only=["objectstore"], env={"ATELIER_LOG_LEVEL": "debug"}).up()

    assert stack.environment()["ATELIER_LOG_LEVEL"] == "debug"


def test_a_killed_part_comes_back_at_the_same_address(stack: Stack) -> None:
    before = stack.pid("objectstore")

    stack.kill("objectstore")
    wait_until(lambda: stack.pid("objectstore") not in (None, before), 60)
    stack.wait_ready("objectstore")

    assert httpx.get(f"{stack.environment()['ATELIER_S3_ENDPOINT']}/atelier").status_code == 403


def test_down_leaves_no_process_no_port_and_no_env_file(stack: Stack) -> None:
    port = stack.profile.ports["objectstore"]

    assert stack.down() is True

    assert find_marked(str(stack.home)) == []
    assert not (stack.home / "env").exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert stack.down() is False


def test_when_the_supervisor_is_killed_nothing_outlives_it_and_up_works_again(stack: Stack) -> None:
    dead, part = supervisor(stack), stack.pid("objectstore")
    assert part

    os.kill(dead, signal.SIGKILL)

    assert wait_until(lambda: not is_alive(part), 60)
    stack.up()
    assert supervisor(stack) != dead


def test_a_frozen_supervisor_is_put_away(stack: Stack) -> None:
    os.kill(supervisor(stack), signal.SIGSTOP)

    stack.down()

    assert find_marked(str(stack.home)) == []


def test_a_stale_pid_never_costs_a_stranger_its_life(stack: Stack) -> None:
    stack.down()
    with subprocess.Popen(["sleep", "60"]) as stranger:
        (stack.home / "supervisor.pid").write_text(f"{stranger.pid}\n")

        stack.down()
        stack.up()

        assert stranger.poll() is None
        stranger.kill()


def test_two_stacks_run_side_by_side(stack: Stack) -> None:
    with Stack("two", root=stack.root, only=["objectstore"]) as other:
        assert other.environment()["ATELIER_S3_ENDPOINT"] != stack.environment()["ATELIER_S3_ENDPOINT"]
        other.down()
        assert stack.pid("objectstore") is not None


def test_a_folder_with_a_long_name_is_no_obstacle(tmp_path: Path) -> None:
    with Stack("one", root=tmp_path / ("long" * 30), only=["objectstore"]) as stack:
        assert stack.pid("objectstore") is not None


def test_a_stack_that_cannot_start_says_why_and_leaves_nothing(root: Path) -> None:
    broken = Stack(
        "broken",
        root=root,
        only=["billing"],
        env={"ATELIER_BILLING_OWNER_DATABASE_URL": "postgresql://u:p@127.0.0.1:1/billing"},
    )

    with pytest.raises(StackError, match=r"billing-migrate did not start(.|\n)*Connect call failed"):
        broken.up()

    assert find_marked(str(broken.home)) == []
    with pytest.raises(NotRunning, match="make up"):
        broken.pid("billing")


def test_clean_takes_the_data_too(stack: Stack) -> None:
    stack.clean()

    assert not stack.home.exists()


def test_the_command_says_what_is_up_and_how_to_stop_it(root: Path) -> None:
    environ = {**os.environ, "ATELIER_RUN_DIR": str(root), "PROFILE": "cli"}

    def atelier(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from atelier_local.cli import main; main()", *words]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=150)

    assert "PROFILE=cli make up" in atelier("status").stderr
    up = atelier("up", "--only", "objectstore")
    assert up.returncode == 0, up.stderr
    assert "http://127.0.0.1:" in up.stdout
    assert "PROFILE=cli make down" in up.stdout
    assert "already up" in atelier("up", "--only", "objectstore").stdout
    assert "objectstore" in atelier("status").stdout
    assert atelier("kill-part", "objectstore", "NONSENSE").stderr.startswith("there is no signal")
    assert "is down" in atelier("down").stdout
    assert atelier("logs", "--once").returncode == 0
    assert "no log of teapot" in atelier("logs", "--once", "teapot").stderr
    assert atelier("clean", "--yes").returncode == 0
    assert not (root / "cli").exists()

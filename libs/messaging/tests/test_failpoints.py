"""A failpoint kills once, at the step and the pass it was set for, and nowhere but in a local environment."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from atelier_messaging import failpoints
failpoints.enable("billing", {"ATELIER_FAILPOINTS": sys.argv[1], "ATELIER_ENVIRONMENT": sys.argv[2]})
for number in range(3):
    failpoints.reach("after_commit")
    print(number, flush=True)
"""


def reach_steps(folder: Path, environment: str = "local") -> tuple[int, list[str]]:
    """How a process ended that comes three times to the step, and the passes it lived through."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), environment], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize("passes", [0, 2])
def test_a_process_dies_at_its_step_once_and_its_successor_lives(tmp_path: Path, passes: int) -> None:
    (tmp_path / "billing.after_commit").write_text(str(passes))

    assert reach_steps(tmp_path) == (-9, [str(number) for number in range(passes)])
    assert reach_steps(tmp_path) == (0, ["0", "1", "2"])


@pytest.mark.parametrize("name", ["billing.before_commit", "session.after_commit"])
def test_a_step_of_another_name_or_service_is_passed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("0")

    assert reach_steps(tmp_path)[0] == 0


def test_outside_a_local_environment_nobody_looks(tmp_path: Path) -> None:
    (tmp_path / "billing.after_commit").write_text("0")

    assert reach_steps(tmp_path, environment="production")[0] == 0
    assert (tmp_path / "billing.after_commit").exists()

"""isolation.py says yes only where the forbidden package is truly out of reach."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[1] / "isolation.py"


def check(*forbidden: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, SCRIPT, *forbidden], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout


def test_a_package_within_reach_is_named() -> None:
    assert check("atelier_nowhere", "json") == (1, "json can be imported here, and must not be\n")


def test_a_package_out_of_reach_passes() -> None:
    assert check("atelier_nowhere") == (0, "")

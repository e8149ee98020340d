"""A child of a service, of the same user, reads neither its memory nor its environment."""

import os
import subprocess
import sys

SERVICE = """
import ctypes, os, subprocess
from atelier_telemetry.memory_protection import PR_SET_DUMPABLE, protect_memory
if os.geteuid() == 0:  # root may read everything: become an ordinary user, readable as a freshly started one is
    os.setgid(65534), os.setuid(65534)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)
print(protect_memory())
print(subprocess.run(["cat", f"/proc/{os.getpid()}/environ"], capture_output=True).returncode)
"""


def _run(**environment: str) -> list[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    run = subprocess.run([sys.executable, "-c", SERVICE], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_a_child_cannot_read_the_environment_of_its_service() -> None:
    assert _run(ATELIER_KEY_PEPPER="a secret") == ["True", "1"]


def test_under_the_local_launcher_a_process_stays_recognisable() -> None:
    assert _run(ATELIER_STACK="/a/profile") == ["False", "0"]

"""Named steps at which a test can kill a process with SIGKILL. Off unless the settings say ``local``.

``ATELIER_FAILPOINTS`` names a folder. A file ``<service>.<step>`` in it that holds a number lets that many passes go
by and kills the process at the next. The file is deleted first, so the process that is started next lives.
"""

import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

Step = Literal["before_commit", "after_commit", "before_publish", "after_confirm", "before_ack", "after_ack"]
_armed: Path | None = None


def enable(service: str, environ: Mapping[str, str]) -> None:
    """Called once, by the service's bus; without a folder or outside a local environment it does nothing."""
    global _armed
    folder = environ.get("ATELIER_FAILPOINTS")
    if folder and environ.get("ATELIER_ENVIRONMENT") == "local":
        _armed = Path(folder) / service


def reach(step: Step) -> None:
    """The process is at this step now."""
    if _armed is not None:
        _look(_armed.with_name(f"{_armed.name}.{step}"))


def _look(file: Path) -> None:
    try:
        passes = int(file.read_text())
        if passes > 0:
            file.write_text(str(passes - 1))
            return
        file.unlink()
    except (FileNotFoundError, ValueError):  # not armed, or half written: the next pass sees
        return
    os.kill(os.getpid(), signal.SIGKILL)

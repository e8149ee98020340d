"""``make logs``: the logs of all parts as one stream, each line with its part's name in the part's colour."""

import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from atelier_local.errors import StackError

COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red", "bright_cyan", "bright_magenta")
LOOK_EVERY_S = 0.2


def log_files(folder: Path, parts: Iterable[str]) -> list[Path]:
    """The logs of those parts, or of all. Raises StackError where there is none."""
    files = [folder / f"{part}.log" for part in parts] or sorted(folder.glob("*.log"))
    missing = [file.stem for file in files if not file.exists()]
    if missing or not files:
        raise StackError(f"no log of {', '.join(missing) or 'any part'} in {folder}; `atelier status` names the parts")
    return files


def follow(console: Console, files: list[Path], *, lines: int, once: bool) -> None:
    """Prints the last lines of each, then what is added, until interrupted."""
    width = max(len(file.stem) for file in files)
    tails = [_Tail(file, Text(f"{file.stem:<{width}} ", COLOURS[n % len(COLOURS)])) for n, file in enumerate(files)]
    for tail in tails:
        for line in tail.last(lines):
            console.print(tail.name + line)
    try:
        while not once:
            time.sleep(LOOK_EVERY_S)
            for tail in tails:
                for line in tail.more():
                    console.print(tail.name + line)
    except KeyboardInterrupt:
        return


class _Tail:
    """One log file, which grows and is sometimes rotated."""

    def __init__(self, path: Path, name: Text) -> None:
        self.name = name
        self._path = path
        self._at = 0

    def last(self, lines: int) -> Iterable[str]:
        return deque(self.more(), maxlen=lines)

    def more(self) -> list[str]:
        """Whole lines since the last look; half a line waits for its end."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size < self._at:
            self._at = 0
        if size == self._at:
            return []
        with self._path.open("rb") as file:
            file.seek(self._at)
            whole = file.read(size - self._at).rpartition(b"\n")[0]
        self._at += len(whole) + 1 if whole else 0
        return whole.decode(errors="replace").splitlines()

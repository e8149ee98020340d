"""Installs servers of chosen versions below ``.run/tools/servers``, those that are not there yet.

Its words are such as ``rabbitmq=4.0`` and ``postgres=15``; ``make setup RABBITMQ=4.0`` calls it.
"""

import fcntl
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from atelier_local.errors import MissingPart, StackError
from atelier_local.server_versions import releases
from atelier_local.server_versions.debian_archive import Archive, point_erlang_to

SUITES = ("bookworm", "trixie", "forky", "sid")
"""Debian's releases, oldest first."""
FIRST_SUITES = {
    releases.RABBITMQ: {"3.10": "bookworm", "4.0": "trixie"},
    releases.POSTGRES: {"15": "bookworm", "17": "trixie"},
}
"""Where to look first; a package list is 10 MB."""


def install(server: str, version: str) -> None:
    """Installs it unless it is there. Raises StackError where Debian's archive does not have it."""
    releases.SERVERS.mkdir(parents=True, exist_ok=True)
    with (releases.SERVERS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_installed(server, version):
            _install(server, version)
        home = releases.folder(server, version).resolve()
        point_erlang_to(home, home)  # what an older version of this left undone


def is_installed(server: str, version: str) -> bool:
    """Whether a profile can choose it."""
    find: Callable[[str], object] = {releases.RABBITMQ: releases.rabbitmq, releases.POSTGRES: releases.postgres}[server]
    try:
        find(releases.resolved({server: version})[server])
    except MissingPart:
        return False
    return True


def _install(server: str, version: str) -> None:
    with tempfile.TemporaryDirectory(dir=releases.SERVERS, prefix=".fetching-") as folder:
        seen = []
        for suite in _suites(server, version):
            archive = Archive(suite, Path(folder) / suite)
            archive.refresh()
            package = _package(server, version)
            there = archive.newest(package)
            seen.append(f"{there or 'none'} in {suite}")
            if there and version in (releases.NEWEST, releases.series(server, there)):
                _unpack(archive, package, server, releases.series(server, there))
                if version == releases.NEWEST:
                    _link(releases.folder(server, version), releases.folder(server, releases.series(server, there)))
                return
    raise StackError(f"Debian has no {releases.NAMES[server]} {version}: there is {', '.join(seen)}")


def _unpack(archive: Archive, package: str, server: str, version: str) -> None:
    final = releases.folder(server, version)
    if final.exists():
        return
    draft = archive.folder / "root"
    archive.unpack(package, draft, final)
    draft.rename(final)


def _link(name: Path, to: Path) -> None:
    name.unlink(missing_ok=True)
    name.symlink_to(to.name)


def _package(server: str, version: str) -> str:
    return "rabbitmq-server" if server == releases.RABBITMQ else f"postgresql-{version}"


def _suites(server: str, version: str) -> list[str]:
    if version == releases.NEWEST:
        return ["forky", "sid"]
    first = FIRST_SUITES[server].get(version, "forky")
    return [first, *(suite for suite in SUITES if suite != first)]


def main(words: Iterable[str]) -> None:
    """Installs each ``server=version``; an empty version stands for the machine's own."""
    try:
        for word in words:
            server, _, version = word.partition("=")
            if version:
                install(server, version)
    except StackError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])

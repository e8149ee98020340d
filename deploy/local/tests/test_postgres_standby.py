"""A primary and its synchronous standby: each takes over from the other with every commit."""

import asyncio
import subprocess
from collections.abc import Iterator

import asyncpg
import pytest

from atelier_local.launcher import postgres
from atelier_local.launcher.profile import REPOSITORY
from atelier_local.launcher.stack import Stack
from atelier_local.server_versions import releases
from atelier_messaging.database_hosts import DatabaseHosts

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
RLS = "ENABLE ROW LEVEL SECURITY; ALTER TABLE stories FORCE ROW LEVEL SECURITY"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack("standby", root=tmp_path_factory.mktemp("run"), only=["postgres"]) as stack:
        yield stack
        stack.clean()


async def _write(stack: Stack, note: int) -> None:
    connection = await DatabaseHosts(stack.environment()["ATELIER_BILLING_OWNER_DATABASE_URL"]).connect()
    await connection.execute("CREATE TABLE IF NOT EXISTS notes (id int)")
    await connection.execute("INSERT INTO notes VALUES ($1)", note)
    await connection.close()


async def _read(stack: Stack) -> list[int]:
    connection = await DatabaseHosts(stack.environment()["ATELIER_BILLING_OWNER_DATABASE_URL"]).connect()
    found = [row["id"] for row in await connection.fetch("SELECT id FROM notes ORDER BY id")]
    await connection.close()
    return found


async def _is_synchronous(stack: Stack) -> bool:
    connection = await asyncpg.connect(postgres.admin_url(stack.profile))
    states = await connection.fetch("SELECT sync_state FROM pg_stat_replication")
    await connection.close()
    return [row["sync_state"] for row in states] == ["sync"]


async def test_each_takes_over_from_the_other_and_nothing_confirmed_is_lost(stack: Stack) -> None:
    await _write(stack, 1)
    assert await _is_synchronous(stack)

    first = await asyncio.to_thread(stack.fail_over)
    await _write(stack, 2)
    await asyncio.to_thread(stack.start_part, "postgres")
    assert await _is_synchronous(stack)
    await asyncio.to_thread(stack.down)
    await asyncio.to_thread(stack.up)
    assert await _is_synchronous(stack)
    second = await asyncio.to_thread(stack.fail_over)
    await _write(stack, 3)

    assert (first, second) == ("postgres-2", "postgres")
    assert await _read(stack) == [1, 2, 3]


async def test_a_standby_is_not_written_to(stack: Stack) -> None:
    await asyncio.to_thread(stack.start_part, "postgres-2")  # the test before this one has killed it
    standby = await asyncpg.connect(postgres.node_url(stack.profile, "postgres-2"))

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await standby.execute("CREATE TABLE mine (id int)")
    await standby.close()


def _psql(*words: str) -> "subprocess.CompletedProcess[str]":
    program = str(releases.postgres().programs / words[0])
    return subprocess.run([program, *words[1:]], capture_output=True, text=True)


async def test_the_role_for_backups_dumps_rows_that_their_owner_cannot_and_changes_nothing(stack: Stack) -> None:
    owner = await DatabaseHosts(stack.environment()["ATELIER_GATEWAY_OWNER_DATABASE_URL"]).connect()
    await owner.execute(
        f"CREATE TABLE stories (id text); INSERT INTO stories VALUES ('once'); ALTER TABLE stories {RLS}"
    )
    await owner.close()
    admin = postgres.admin_url(stack.profile)
    script = REPOSITORY / "deploy" / "postgres" / "backup-role.sql"
    made = await asyncio.to_thread(
        _psql, "psql", "-v", "ON_ERROR_STOP=1", "-v", "password=secret", "-f", str(script), admin
    )
    backup = admin.replace(f"postgres:{stack.profile.secrets['postgres_password']}@", "backup:secret@")
    backup = backup.replace("/postgres?", "/gateway?")

    dumped = await asyncio.to_thread(_psql, "pg_dump", backup)

    assert made.returncode == 0, made.stderr
    assert dumped.returncode == 0, dumped.stderr
    assert "once" in dumped.stdout
    connection = await asyncpg.connect(backup)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("DELETE FROM stories")
    await connection.close()

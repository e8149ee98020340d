"""migration_safety.py refuses what would stop the version that runs beside a migration; the services' own pass."""

import sys
import tomllib
from pathlib import Path

import pytest

CHECKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKS))

import migration_safety  # noqa: E402 - found beside the scripts, as they run
import migrations  # noqa: E402

REVISION = """
from alembic import op
from atelier_messaging.migrations import add_check, build_index, replace_check

revision = "0001"
down_revision = None


def upgrade():
    {body}
"""


def rules_broken(folder: Path, body: str) -> set[str]:
    """Of a migration that does this."""
    (folder / "versions").mkdir()
    (folder / "versions/0001.py").write_text(REVISION.format(body=body))
    return set(migration_safety.faults_of(migration_safety.statements_of(folder, "0001")))


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('op.create_index("a_b", "a", ["b"])', "require-concurrent-index-creation"),
        ('op.execute("ALTER TABLE a ADD COLUMN b int NOT NULL")', "adding-required-field"),
        ('op.execute("ALTER TABLE a ADD COLUMN b uuid DEFAULT gen_random_uuid()")', "adding-field-with-default"),
        ('op.execute("ALTER TABLE a ALTER COLUMN b TYPE bigint")', "changing-column-type"),
        ('op.execute("ALTER TABLE a ALTER COLUMN b SET NOT NULL")', "adding-not-nullable-field"),
        ('op.drop_column("a", "b")', "ban-drop-column"),
        ('op.alter_column("a", "b", new_column_name="c")', "renaming-column"),
        ('op.drop_table("a")', "ban-drop-table"),
        ('op.rename_table("a", "b")', "renaming-table"),
        ('op.create_check_constraint("c", "a", "b > 0")', "constraint-missing-not-valid"),
    ],
    ids=lambda value: value if value.replace("-", "").isalpha() else "",
)
def test_what_would_stop_the_version_beside_it_is_refused_by_name(tmp_path: Path, body: str, rule: str) -> None:
    assert rule in rules_broken(tmp_path, body)


@pytest.mark.parametrize(
    "body",
    [
        'build_index("a_b", "a", ["b"])',
        'add_check("a", "c", "b > 0")',
        'replace_check("a", "c", "b > 0")',
        'op.execute("ALTER TABLE a ADD COLUMN b boolean NOT NULL DEFAULT false")',
        'op.execute("CREATE TABLE a (b int)"); op.create_index("a_b", "a", ["b"])',
    ],
    ids=["index", "check", "other-check", "column", "table"],
)
def test_what_runs_beside_the_services_passes(tmp_path: Path, body: str) -> None:
    assert rules_broken(tmp_path, body) == set()


@pytest.mark.parametrize("service", migrations.SERVICES)
def test_the_migrations_of_a_service_are_safe_or_listed_with_a_reason(service: str) -> None:
    reasons = tomllib.loads(migration_safety.EXCEPTIONS.read_text())

    assert list(migration_safety.faults(service, CHECKS.parents[1], reasons.get(service, {}))) == []


def test_a_reason_that_is_no_longer_needed_is_refused() -> None:
    faults = list(migration_safety.faults("session", CHECKS.parents[1], {"0007": {"ban-drop-table": "why not"}}))

    assert "migration_exceptions.toml: session 0007 does not need ban-drop-table: remove it" in faults

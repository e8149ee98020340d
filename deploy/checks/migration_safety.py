"""No migration stops what runs beside it: its statements are read by squawk, a linter of Postgres migrations.

``python deploy/checks/migration_safety.py`` in the root of the repository prints each fault, and exits 1 if there is
one. A migration that must do such a thing is listed with its reason in ``migration_exceptions.toml``. What lies before
a revision that merges branches is history, as in ``migrations.py``.
"""

import io
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from migrations import SERVICES, folder_of, newest_chain

SQUAWK = Path(sys.executable).with_name("squawk")
EXCEPTIONS = Path(__file__).with_name("migration_exceptions.toml")
POSTGRES = "15.0"
"""The oldest that is supported: https://squawkhq.com/docs/rules says which rules depend on it."""
LEFT_OUT = (
    # The runner limits waiting for locks, and undoes and repeats what got none.
    *("require-lock-timeout", "require-statement-timeout", "prefer-robust-stmts", "require-concurrent-index-deletion"),
    # A row that a check refused is no harm to a version that never writes one.
    *("ban-drop-constraint", "renaming-object"),
    # Which type a column has is its reviewer's choice.
    *("prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-text-field", "prefer-identity"),
)


def statements_of(migrations: Path, revision: str) -> str:
    """The SQL of one migration of a service, with its transactions; ``migrations`` is the folder with ``env.py``."""
    said = io.StringIO()
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={"as_sql": True, "output_buffer": said, "transactional_ddl": True, "transaction_per_migration": True},
    )
    script = ScriptDirectory(str(migrations)).get_revision(revision)
    assert script is not None
    with Operations.context(context), context.begin_transaction(_per_migration=True):
        script.module.upgrade()
    return said.getvalue()


def faults_of(statements: str) -> dict[str, str]:
    """What squawk says about them: the first message of each rule that is broken."""
    found = subprocess.run(  # noqa: S603 - our own arguments
        [SQUAWK, "--reporter=json", f"--pg-version={POSTGRES}", *(f"--exclude={rule}" for rule in LEFT_OUT)],
        input=statements, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if not found.stdout:
        raise RuntimeError(f"squawk failed: {found.stderr.strip()}")
    return {fault["rule_name"]: fault["message"] for fault in reversed(json.loads(found.stdout))}


def faults(service: str, root: Path, reasons: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """One sentence a fault: a rule that a migration breaks without a reason, and a reason that is no longer needed."""
    folder = folder_of(service, root)
    for revision in newest_chain(folder):
        excused = reasons.get(revision.id, {})
        found = faults_of(statements_of(folder.parent, revision.id))
        for rule, message in found.items():
            if rule not in excused:
                yield f"{revision.path}:1: {rule}: {message}"
        for rule in excused.keys() - found.keys():
            yield f"{EXCEPTIONS.name}: {service} {revision.id} does not need {rule}: remove it"


def main(root: Path = Path()) -> int:
    """Prints the faults of all services; 1 if there is one."""
    reasons = tomllib.loads(EXCEPTIONS.read_text())
    found = [fault for service in SERVICES for fault in faults(service, root, reasons.get(service, {}))]
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

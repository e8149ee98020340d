"""What a running service is: its release, and whether its database is at the schema that this release expects. Read
before and during an upgrade. Alembic is not loaded for it: services do not carry it."""

import ast
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import SecretStr

from atelier_messaging.database import Pool
from atelier_telemetry.operations import require_token

UNSENT_MAX = 20_000
"""Messages of the outbox that are counted."""
_APPLIED = "SELECT version_num FROM alembic_version ORDER BY version_num"
_UNSENT = f"""
SELECT substring(name FROM '[^.]+$') AS version, count(*) AS number
FROM (SELECT name FROM outbox LIMIT {UNSENT_MAX}) waiting GROUP BY 1
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Release:
    """``schema``: versions that the database is at; ``expected``: those that this release was made for. ``unsent``:
    messages in the outbox by the version of their schema, as ``v1``."""

    service: str
    version: str
    schema: list[str]
    expected: list[str]
    unsent: dict[str, int]


class ReleaseReader:
    """Of one service; what its package says is read once."""

    def __init__(self, service: str, pool: Pool) -> None:
        self._service = service
        self._pool = pool
        self._version = version(f"atelier-{service}")
        self._expected = newest_versions(_migrations_of(f"atelier_{service}"))

    async def read(self) -> Release:
        """As it is now."""
        schema = [row["version_num"] for row in await self._pool.fetch(_APPLIED)]
        unsent = {row["version"]: row["number"] for row in await self._pool.fetch(_UNSENT)}
        return Release(self._service, self._version, schema, self._expected, unsent)


def release_router(service: str, pool: Pool, token: SecretStr) -> APIRouter:
    """``/internal/release``, for holders of the service token."""
    router = APIRouter(prefix="/internal/release", dependencies=require_token(token), include_in_schema=False)
    reader = ReleaseReader(service, pool)

    @router.get("")
    async def read() -> dict[str, Any]:
        return asdict(await reader.read())

    return router


def newest_versions(folder: Path) -> list[str]:
    """The versions of a folder of migrations that no other one follows."""
    known, followed = set[str](), set[str]()
    for file in folder.glob("*.py"):
        values = _constants(ast.parse(file.read_text()))
        known.add(str(values["revision"]))
        before = values.get("down_revision")
        followed |= set(before) if isinstance(before, tuple | list) else {str(before)}
    return sorted(known - followed)


def _constants(module: ast.Module) -> dict[str, Any]:
    return {
        target.id: ast.literal_eval(node.value)
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id in ("revision", "down_revision")
    }


def _migrations_of(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None, "the service is running"
    return Path(spec.origin).parent / "migrations" / "versions"

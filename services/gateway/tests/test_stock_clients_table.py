"""The table of stock clients in ``docs/surfaces/openai.md`` names the versions that ``tests-e2e/clients`` pins."""

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
CLIENTS = REPOSITORY / "tests-e2e" / "clients"


def client_versions() -> Iterator[tuple[str, str]]:
    """(name, version) of every client."""
    for folder in ("node", "trpc"):
        packages = json.loads((CLIENTS / folder / "package-lock.json").read_text())["packages"]
        for name in packages[""]["dependencies"]:
            yield name, packages[f"node_modules/{name}"]["version"]
    for client in tomllib.loads((CLIENTS / "python" / "pyproject.toml").read_text())["project"]["dependencies"]:
        name, _, version = client.partition("==")
        yield name, version


def test_every_client_that_is_run_has_its_row_with_its_version() -> None:
    table = (REPOSITORY / "docs" / "surfaces" / "openai.md").read_text()

    assert [f"`{name}` {version}" for name, version in client_versions() if f"`{name}` {version}" not in table] == []


def test_what_is_installed_for_python_is_what_is_pinned() -> None:
    locked = (CLIENTS / "python" / "requirements.txt").read_text()
    wanted = tomllib.loads((CLIENTS / "python" / "pyproject.toml").read_text())["project"]["dependencies"]

    assert [client for client in wanted if f"{client} \\" not in locked.splitlines()] == []

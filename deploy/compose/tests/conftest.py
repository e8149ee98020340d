"""The compose file as the engine would read it, shared by the tests beside this file."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """docker-compose.yml with its anchors resolved and its ``${…}`` left as they are."""
    parsed: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return parsed


@pytest.fixture(scope="session")
def made(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ``.env`` and the ``secrets`` that make-env.sh makes."""
    where = tmp_path_factory.mktemp("env")
    script = root / "deploy/compose/make-env.sh"
    subprocess.run([script, where / ".env", where / "secrets"], check=True, capture_output=True)
    return where


@pytest.fixture(scope="session")
def secrets_folder(made: Path) -> Path:
    """What is mounted from deploy/compose/.secrets."""
    return made / "secrets"


@pytest.fixture(scope="session")
def variables(made: Path) -> dict[str, str]:
    """What make-env.sh writes."""
    lines = [line for line in (made / ".env").read_text().splitlines() if not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}

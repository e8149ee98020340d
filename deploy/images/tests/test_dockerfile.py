"""The image's recipe knows every package of the workspace, and copies only what the build context lets in."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "deploy/images/Dockerfile").read_text()
COPY = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)


def list_copies() -> set[str]:
    return {source for sources in COPY.findall(DOCKERFILE) for source in sources.split()}


def test_the_dependency_layer_sees_every_member_of_the_workspace() -> None:
    workspace = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["workspace"]
    members = {path for pattern in workspace["members"] for path in ROOT.glob(f"{pattern}/pyproject.toml")}

    assert {str(path.relative_to(ROOT)) for path in members} <= list_copies()


def test_what_is_copied_exists_and_is_let_into_the_build_context() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}

    assert "*" in lines
    for source in list_copies():
        assert (ROOT / source).exists(), source
        assert any(source == entry or source.startswith(f"{entry}/") for entry in let_in), source


def test_the_image_runs_as_an_unprivileged_user_and_says_whether_it_is_alive() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]

    assert "\nUSER 10001:10001\n" in final
    assert "/health/live" in final
    assert "pip" not in final


def test_an_extra_reaches_both_steps_that_install_and_is_declared_by_the_service() -> None:
    extras = tomllib.loads((ROOT / "services/render/pyproject.toml").read_text())["project"]["optional-dependencies"]
    steps = [line for line in DOCKERFILE.splitlines() if "uv sync" in line]

    assert len(steps) == 2
    assert all(line.endswith('${EXTRA:+--extra "${EXTRA}"}') for line in steps)
    assert "diffusers" in extras

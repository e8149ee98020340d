"""migrations.py finds branches, unknown parents and ids used twice; the repository itself has one chain a service."""

import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKS))

import migrations  # noqa: E402 - found beside the scripts, as they run


def chain(folder: Path, **parents: str | tuple[str, ...] | None) -> list[str]:
    """The faults of migrations with these parents."""
    for id_, parent in parents.items():
        (folder / f"{id_}.py").write_text(f'revision = "{id_}"\ndown_revision = {parent!r}\n')
    return [fault.removeprefix(f"{folder}") for fault in migrations.faults(migrations.revisions_of(folder))]


def test_one_chain_passes(tmp_path: Path) -> None:
    assert chain(tmp_path, a=None, b="a", c="b") == []


def test_branches_that_a_revision_has_merged_are_history(tmp_path: Path) -> None:
    assert chain(tmp_path, a=None, b="a", c="a", d=("b", "c"), e="d") == []


def test_two_heads_are_refused_by_name(tmp_path: Path) -> None:
    assert chain(tmp_path, a=None, b="a", c="a")[0] == ":1: 2 heads (b, c): let the newest follow the one on main"


def test_a_branch_after_the_merge_is_refused_although_it_has_been_followed(tmp_path: Path) -> None:
    faults = chain(tmp_path, a=None, b="a", c="a", d=("b", "c"), e="d", f="d")

    assert "/d.py:1: 2 revisions follow 'd': put them one after another" in faults


def test_a_parent_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    assert chain(tmp_path, a=None, b="x", c="b")[0] == "/b.py:1: down_revision 'x' does not exist"


def test_an_id_used_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0.py").write_text('revision = "a"\ndown_revision = None\n')

    assert chain(tmp_path, a=None)[0].endswith("revision 'a' is used by 2 files: give each its own")


@pytest.mark.parametrize("service", migrations.SERVICES)
def test_the_migrations_of_a_service_are_one_chain(service: str) -> None:
    folder = migrations.folder_of(service, CHECKS.parents[1])

    assert list(migrations.faults(migrations.revisions_of(folder))) == []

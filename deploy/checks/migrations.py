"""Every service's migrations are one chain with one head, so that two changes cannot pass each other unseen.

``python deploy/checks/migrations.py`` in the root of the repository prints each fault and exits 1 if there is one.
What lies before a revision that merges branches is history and stays as it is; after it a second branch is a fault.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("billing", "gateway", "render", "session")


@dataclass(frozen=True, slots=True)
class Revision:
    """One migration: its file, its id, and the ids it follows (several: it merges branches)."""

    path: Path
    id: str
    parents: tuple[str, ...]


def revisions_of(folder: Path) -> list[Revision]:
    """The migrations of a folder, read without importing them."""
    return [_read(path) for path in sorted(folder.glob("*.py"))]


def _read(path: Path) -> Revision:
    values: dict[str, object] = {}
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in {"revision", "down_revision"}:
                values[name] = ast.literal_eval(node.value)
    parents = values.get("down_revision")
    match parents:
        case None:
            return Revision(path, str(values["revision"]), ())
        case str():
            return Revision(path, str(values["revision"]), (parents,))
        case _:
            return Revision(path, str(values["revision"]), tuple(parents))  # type: ignore[arg-type]


def faults(revisions: list[Revision]) -> Iterator[str]:
    """One sentence a fault: unknown parents, several heads, a revision that two others follow after the last merge."""
    by_id = {revision.id: revision for revision in revisions}
    for id_, count in Counter(revision.id for revision in revisions).items():
        if count > 1:
            yield f"{by_id[id_].path}:1: revision {id_!r} is used by {count} files: give each its own"
    for revision in revisions:
        for parent in revision.parents:
            if parent not in by_id:
                yield f"{revision.path}:1: down_revision {parent!r} does not exist"
    followed = {parent for revision in revisions for parent in revision.parents}
    heads = [revision for revision in revisions if revision.id not in followed]
    if len(heads) != 1:
        names = ", ".join(sorted(revision.id for revision in heads))
        yield f"{revisions[0].path.parent}:1: {len(heads)} heads ({names}): let the newest follow the one on main"
    before = _before_the_last_merge(by_id)
    children = Counter(parent for revision in revisions if revision.id not in before for parent in revision.parents)
    for id_, count in children.items():
        if count > 1 and id_ in by_id:
            yield f"{by_id[id_].path}:1: {count} revisions follow {id_!r}: put them one after another"


def _before_the_last_merge(by_id: Mapping[str, Revision]) -> set[str]:
    """Every ancestor of a merge: those branches are history."""
    waiting = [parent for revision in by_id.values() if len(revision.parents) > 1 for parent in revision.parents]
    found: set[str] = set()
    while waiting:
        id_ = waiting.pop()
        if id_ not in found and id_ in by_id:
            found.add(id_)
            waiting += by_id[id_].parents
    return found


def newest_chain(folder: Path) -> list[Revision]:
    """The migrations after the last that merges branches, in the order of their files."""
    revisions = revisions_of(folder)
    before = _before_the_last_merge({revision.id: revision for revision in revisions})
    return [revision for revision in revisions if revision.id not in before and len(revision.parents) == 1]


def folder_of(service: str, root: Path) -> Path:
    """Where a service keeps its migrations."""
    return root / "services" / service / "src" / f"atelier_{service}" / "migrations" / "versions"


def main(root: Path = Path()) -> int:
    """Prints the faults of all services; 1 if there is one."""
    found = [fault for service in SERVICES for fault in faults(revisions_of(folder_of(service, root)))]
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

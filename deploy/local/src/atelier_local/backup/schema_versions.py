"""Which migrations this version of Atelier knows, read from the services' files without importing them."""

import ast
import importlib.util
from functools import cache
from pathlib import Path

from atelier_local.errors import StackError


@cache
def known_revisions(service: str) -> frozenset[str]:
    """The revisions of a service's chain. Raises StackError where the service is not installed here."""
    found = importlib.util.find_spec(f"atelier_{service}")
    if found is None or found.origin is None:
        raise StackError(f"the package atelier-{service} is not installed here; its migrations are unknown")
    folder = Path(found.origin).parent / "migrations" / "versions"
    return frozenset(revision for file in folder.glob("*.py") if (revision := _revision_of(file)) is not None)


def _revision_of(file: Path) -> str | None:
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "revision":
            return str(ast.literal_eval(node.value))
    return None

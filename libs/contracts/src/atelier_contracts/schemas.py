"""The JSON Schemas of every message, kept in the repository so that a breaking change shows as a diff.

``python -m atelier_contracts.schemas`` writes them; ``--check`` fails when the files and the code differ, naming a
breaking change as such: a removed message, a removed or newly required field, a changed type,
an enum value that is no longer accepted.
"""

import json
import sys
from pathlib import Path
from typing import Any

import atelier_contracts  # noqa: F401 - importing fills the registry
from atelier_contracts.message import REGISTRY, SCHEMA_ROOT

SCHEMA_DIR = Path(__file__).resolve().parents[2] / "schemas"


def schema_of(name: str) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the payload of one message."""
    kind = REGISTRY[name]
    schema = kind.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"{SCHEMA_ROOT}/{name}.json",
        **schema,
    }


def find_breaking_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """The changes from ``old`` to ``new`` that break a reader; empty when the change is safe.

    An enum may grow: readers are deployed before writers, so no reader receives a value that it does not know. It may
    not shrink, for old messages still lie in queues. A default may not change: a message leaves out what has it.
    """
    problems = []
    parts = [("", old, new)]
    parts += [(f"{name}.", part, new.get("$defs", {}).get(name, {})) for name, part in old.get("$defs", {}).items()]
    for prefix, before, after in parts:
        had, has = before.get("properties", {}), after.get("properties", {})
        problems += [f"field {prefix}{field} was removed" for field in had if field not in has]
        problems += [
            f"field {prefix}{field} changed its type"
            for field in had
            if field in has and not _still_reads(_shape(had[field]), _shape(has[field]))
        ]
        problems += [
            f"field {prefix}{field} changed its default"
            for field in had
            if field in has and "default" in had[field] and had[field]["default"] != has[field].get("default")
        ]
        newly = set(after.get("required", [])) - set(before.get("required", []))
        problems += [f"field {prefix}{field} became required" for field in sorted(newly)]
    return problems


def _still_reads(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether ``after`` is ``before``, with at most a grown enum."""
    had, has = before.get("enum"), after.get("enum")
    if not had or not has:
        return before == after
    return set(had) <= set(has) and {**before, "enum": has} == after


def _shape(field: dict[str, Any]) -> dict[str, Any]:
    """A field without its texts, which may change freely, and its default, which is compared apart."""
    return {key: value for key, value in field.items() if key not in {"description", "title", "default"}}


def differences() -> list[str]:
    """Every way in which the stored schemas differ from the code, one sentence each."""
    stored = {path.stem: json.loads(path.read_text()) for path in SCHEMA_DIR.glob("*.json")}
    found = [f"{name}: BREAKING: the message was removed" for name in stored if name not in REGISTRY]
    for name in REGISTRY:
        current = schema_of(name)
        if name not in stored:
            found.append(f"{name}: new message, not written yet")
        elif stored[name] != current:
            broken = find_breaking_changes(stored[name], current)
            found += [f"{name}: BREAKING: {problem}; give it a new version" for problem in broken] or [
                f"{name}: changed"
            ]
    return found


def write() -> None:
    """Writes every schema and removes those of messages that are gone."""
    SCHEMA_DIR.mkdir(exist_ok=True)
    for path in SCHEMA_DIR.glob("*.json"):
        path.unlink()
    for name in REGISTRY:
        (SCHEMA_DIR / f"{name}.json").write_text(json.dumps(schema_of(name), indent=2) + "\n")


def main(arguments: list[str]) -> int:
    """Command line: write, or compare with ``--check``."""
    if "--check" not in arguments:
        write()
        return 0
    found = differences()
    for line in found:
        sys.stdout.write(line + "\n")
    if found:
        sys.stdout.write("Run `python -m atelier_contracts.schemas` if the change is meant.\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

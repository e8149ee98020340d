"""Holds the bill of materials against the lock file: every third-party package a service ships with is named, with its
version and the digest of what is installed.

``python deploy/checks/sbom.py SBOM.json uv.lock``; prints each gap, exits 1 if there is one.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def gaps(sbom: dict[str, Any], lock: dict[str, Any]) -> Iterator[str]:
    """What the bill of materials lacks of the packages that the workspace's members depend on, development aside."""
    named = {(part["name"], part.get("version")): part for part in sbom["components"]}
    packages = {package["name"]: package for package in lock["package"]}
    for name in sorted(_production_packages(packages)):
        package = packages[name]
        part = named.get((name, package["version"]))
        if part is None:
            yield f"{name} {package['version']} is in the lock file and not in the bill of materials"
        elif not any(reference.get("hashes") for reference in part.get("externalReferences", ())):
            yield f"{name} {package['version']} has no digest in the bill of materials"


def _production_packages(packages: dict[str, dict[str, Any]]) -> set[str]:
    """Third-party packages that a member needs at run time, directly or through another."""
    ours = {name for name, package in packages.items() if "registry" not in package["source"]}
    found: set[str] = set()
    waiting = [need["name"] for name in ours for need in packages[name].get("dependencies", ())]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [need["name"] for need in packages[name].get("dependencies", ())]
    return found - ours


def main(sbom: Path, lock: Path) -> int:
    """Prints the gaps; 1 if there is one."""
    found = list(gaps(json.loads(sbom.read_text()), tomllib.loads(lock.read_text())))
    print("\n".join(found))  # noqa: T201 - it talks to a person
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))

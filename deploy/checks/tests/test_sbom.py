"""sbom.py names what a bill of materials lacks of the lock file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SBOM = Path(__file__).resolve().parents[1] / "sbom.py"
LOCK = """
[[package]]
name = "ours"
version = "0.1.0"
source = { editable = "libs/ours" }
dependencies = [{ name = "direct" }]
[package.dev-dependencies]
dev = [{ name = "linter" }]
[[package]]
name = "direct"
version = "2.0"
source = { registry = "https://index.example" }
dependencies = [{ name = "transitive" }]
[[package]]
name = "transitive"
version = "3.0"
source = { registry = "https://index.example" }
[[package]]
name = "linter"
version = "4.0"
source = { registry = "https://index.example" }
"""
HASHED = {"externalReferences": [{"hashes": [{"alg": "SHA-256", "content": "00"}]}]}
DIRECT, TRANSITIVE = (
    {"name": "direct", "version": "2.0"} | HASHED,
    {"name": "transitive", "version": "3.0"} | HASHED,
)


@pytest.mark.parametrize(
    ("components", "gaps"),
    [
        ([DIRECT, TRANSITIVE], ""),
        ([DIRECT], "transitive 3.0 is in the lock file and not in the bill of materials"),
        (
            [DIRECT, TRANSITIVE | {"version": "2.9"}],
            "transitive 3.0 is in the lock file and not in the bill of materials",
        ),
        ([DIRECT, {"name": "transitive", "version": "3.0"}], "transitive 3.0 has no digest in the bill of materials"),
    ],
)
def test_each_shipped_package_is_named_with_its_version_and_digest(
    components: list[object], gaps: str, tmp_path: Path
) -> None:
    (tmp_path / "sbom.json").write_text(json.dumps({"components": components}))
    (tmp_path / "uv.lock").write_text(LOCK)

    done = subprocess.run(
        [sys.executable, SBOM, tmp_path / "sbom.json", tmp_path / "uv.lock"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip

    assert (done.returncode, done.stdout.strip()) == (1 if gaps else 0, gaps)

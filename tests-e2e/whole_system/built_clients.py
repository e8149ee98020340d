"""Our own client packages, built and installed from what was built, as their users have them."""

import fcntl
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copy, copytree, ignore_patterns, rmtree

from whole_system import packages
from whole_system.packages import CLIENTS, INSTALL_S_MAX, INSTALLED, NPM, ROOT, UV

PYTHON = ROOT / "clients" / "python"
TYPESCRIPT = ROOT / "clients" / "typescript"
SDK = CLIENTS / "sdk"
"""The scenarios, and what does them."""
MADE = ("node_modules", "dist", "__pycache__")
QUIET = ("--ignore-scripts", "--no-audit", "--no-fund")


def python_client() -> Path:
    """The interpreter of an environment with the wheel and nothing that it does not declare."""
    interpreter, folder = packages.python_packages("sdk"), INSTALLED / "sdk"

    def build() -> None:
        environment, dist = packages.uv_environment(), folder / "dist"
        packages.run([UV, "build", "--clear", "--out-dir", dist, PYTHON], folder, environment, INSTALL_S_MAX)
        (wheel,) = dist.glob("*.whl")
        install: list[str | Path] = ["install", "--no-deps", "--reinstall", "--python", interpreter, wheel]
        packages.run([UV, "pip", *install], folder, environment, INSTALL_S_MAX)

    _build_once(folder, PYTHON, build)
    return interpreter


def typescript_client() -> Path:
    """A folder with the package installed from its tarball, and the scripts that use it."""
    folder = INSTALLED / "sdk-typescript"

    def build() -> None:
        source = folder / "source"
        rmtree(source, ignore_errors=True)
        copytree(TYPESCRIPT, source, ignore=ignore_patterns(*MADE))
        packages.node(str(NPM), "ci", *QUIET, cwd=source, within_s=INSTALL_S_MAX)
        packages.node(str(NPM), "run", "build", cwd=source)
        tarball = packages.node(str(NPM), "pack", "--silent", cwd=source).strip()
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        rmtree(folder / "node_modules", ignore_errors=True)
        packages.node(str(NPM), "install", *QUIET, f"./source/{tarball}", cwd=folder, within_s=INSTALL_S_MAX)

    _build_once(folder, TYPESCRIPT, build)
    for script in (*SDK.glob("*.mjs"), *SDK.glob("*.html")):
        copy(script, folder)
    return folder


def compile_scripts(folder: Path, sources: Sequence[str]) -> list[str]:
    """The names of these TypeScript programs, compiled beside the installed package with its own compiler and settings.

    Raises ClientFailedError where one does not compile.
    """
    names = [f"script_{number}" for number in range(len(sources))]
    for name, source in zip(names, sources, strict=True):
        (folder / f"{name}.mts").write_text(source)
    settings = folder / "source" / "tsconfig.json"
    own = {"extends": f"./source/{settings.name}", "files": [f"{name}.mts" for name in names], "include": []}
    types = {"typeRoots": ["./source/node_modules/@types"], "rootDir": ".", "outDir": ".", "declaration": False}
    (folder / "tsconfig.json").write_text(json.dumps(own | {"compilerOptions": types}))
    packages.node("source/node_modules/typescript/bin/tsc", "--project", "tsconfig.json", cwd=folder)
    return [f"{name}.mjs" for name in names]


def _build_once(folder: Path, project: Path, build: Callable[[], None]) -> None:
    """Builds unless this very source was built here before; of several processes one builds."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted(path for path in project.rglob("*") if path.is_file() and not set(MADE) & set(path.parts))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    stamp = folder / "built"
    with (folder / "build-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.is_file() or stamp.read_text() != digest:
            build()
            stamp.write_text(digest)

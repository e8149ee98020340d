"""The tracked files hold no secret and nothing of the machine they were written on.

``python deploy/checks/tree.py``, in the root of the repository.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

FORBIDDEN = {
    "a private key": re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a cloud access key": re.compile(rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a package registry's host": re.compile(
        rb"\b(?:(?:test\.)?pypi\.org|pythonhosted\.org|registry\.(?:npmjs\.org|yarnpkg\.com)|deb\.debian\.org|proxy\.golang\.org)\b"
    ),
    "a path of somebody's machine": re.compile(rb"(?<![\w.$}])/(?:home|root|Users|work)/[\w.]"),
}
ALLOWED = {
    ("uv.lock", "a package registry's host"),
    ("deploy/images/Dockerfile", "a path of somebody's machine"),  # root's cache, in the builder
}
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__")
MADE = frozenset({".git", ".venv", ".run", "node_modules", *CACHES})
SECRET_FILES = ("*.pem", "*.key", "*.p12", ".env", ".env.*")


def problems(root: Path) -> list[str]:
    """One sentence a finding; the finding itself is not repeated, for it may be a secret."""
    found = []
    for name in list_files(root):
        if any(PurePosixPath(name).match(pattern) for pattern in SECRET_FILES):
            found.append(f"{name}: a file of this kind holds secrets and is not for the repository")
        found += [f"{name}:{line}: {what}" for line, what in findings(root / name) if (name, what) not in ALLOWED]
    if not is_ignored(root, ".env"):
        found.append(".gitignore: .env must be ignored, deploy/compose/make-env.sh writes secrets to it")
    return found


def findings(path: Path) -> Iterator[tuple[int, str]]:
    """(line, what) for every forbidden thing in one file."""
    content = path.read_bytes() if path.is_file() else b""  # absent: deleted, but not yet committed as such
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(content):
            yield content.count(b"\n", 0, match.start()) + 1, what


def list_files(root: Path) -> list[str]:
    """Names of the tracked files; without a repository (an unpacked archive), of all but what set-up makes."""
    listed = _git(root, "ls-files", "-z")
    if listed.returncode == 0:
        return [name for name in listed.stdout.decode().split("\0") if name]
    files = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    return [str(file) for file in files if MADE.isdisjoint(file.parts)]


def is_ignored(root: Path, name: str) -> bool:
    """Whether git would pass this file over."""
    rules = root / ".gitignore"
    return _git(root, "check-ignore", "-q", name).returncode == 0 or (
        rules.is_file() and name in rules.read_text().splitlines()
    )


def _git(root: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    # Whoever may read the tree may have it checked, whoever owns it.
    command = ["git", "-c", "safe.directory=*", *words]
    return subprocess.run(command, cwd=root, check=False, capture_output=True)  # noqa: S603


def main() -> int:
    found = problems(Path.cwd())
    sys.stdout.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

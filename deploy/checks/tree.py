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
SECRET_FILES = ("*.pem", "*.key", "*.p12", ".env", ".env.*")


def problems(root: Path) -> list[str]:
    """One sentence a finding; the finding itself is not repeated, for it may be a secret."""
    found = []
    for name in tracked(root):
        if any(PurePosixPath(name).match(pattern) for pattern in SECRET_FILES):
            found.append(f"{name}: a file of this kind holds secrets and is not for the repository")
        found += [f"{name}:{line}: {what}" for line, what in findings(root / name) if (name, what) not in ALLOWED]
    if not ignored(root, ".env"):
        found.append(".gitignore: .env must be ignored, deploy/compose/make-env.sh writes secrets to it")
    return found


def findings(path: Path) -> Iterator[tuple[int, str]]:
    """(line, what) for every forbidden thing in one file."""
    content = path.read_bytes() if path.is_file() else b""  # absent: deleted, but not yet committed as such
    for what, pattern in FORBIDDEN.items():
        for match in pattern.finditer(content):
            yield content.count(b"\n", 0, match.start()) + 1, what


def tracked(root: Path) -> list[str]:
    """Names of the tracked files. Raises CalledProcessError where there is no git repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True)  # noqa: S607
    return [name for name in listed.stdout.decode().split("\0") if name]


def ignored(root: Path, name: str) -> bool:
    return subprocess.run(["git", "check-ignore", "-q", name], cwd=root, check=False).returncode == 0  # noqa: S603, S607


def main() -> int:
    found = problems(Path.cwd())
    sys.stdout.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

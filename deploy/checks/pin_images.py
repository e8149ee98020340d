"""Third-party images are pinned by digest, or the reason stands in a comment on the line before: ``# no digest: …``.

``python deploy/checks/pin_images.py --check`` names those with neither. Without ``--check`` (``make pin-images``) each
image that lacks a digest is looked up at its registry, which needs Docker, and gets it in the place of its reason.
"""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

FILES = ("docker-compose.yml", "deploy/images/Dockerfile")
IMAGE = re.compile(
    r"^(?P<reason>[ ]*\# no digest: \S.*\n)?"
    r"(?P<before>[ ]*image: (?:&\w+ )?|ARG \w+_IMAGE=|FROM )"
    r"(?P<name>[\w./-]+:[\w.-]+)(?P<digest>@sha256:[0-9a-f]{64})?$",
    re.MULTILINE,
)
OURS = re.compile(r"atelier-\w+:")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LOOK_UP_S_MAX = 60.0


def find_unexplained(text: str) -> list[str]:
    """The images that have neither a digest nor a reason."""
    return [found["name"] for found in _third_party(text) if not found["digest"] and not found["reason"]]


def pin(text: str, digest_of: Callable[[str], str]) -> str:
    """``text`` with a digest for each image that lacks one; its reason goes."""

    def with_digest(found: re.Match[str]) -> str:
        if found["digest"] or OURS.match(found["name"]):
            return found[0]
        return f"{found['before']}{found['name']}@{digest_of(found['name'])}"

    return IMAGE.sub(with_digest, text)


def look_up(image: str) -> str:
    """The digest of the tag at its registry, of all platforms together. Raises SystemExit where it cannot be had."""
    command = ["docker", "buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=LOOK_UP_S_MAX)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SystemExit(f"{image} cannot be looked up: {error}") from None
    digest = done.stdout.strip()
    if done.returncode or not DIGEST.fullmatch(digest):
        raise SystemExit(f"{image} cannot be looked up: {(done.stderr or done.stdout).strip()}")
    return digest


def _third_party(text: str) -> list[re.Match[str]]:
    return [found for found in IMAGE.finditer(text) if not OURS.match(found["name"])]


def main(arguments: list[str]) -> int:
    texts = {Path(name): Path(name).read_text() for name in FILES}
    if arguments == ["--check"]:
        lost = [
            f"{path}: {image} has neither a digest nor a reason"
            for path in texts
            for image in find_unexplained(texts[path])
        ]
        sys.stdout.writelines(f"{line}\n" for line in lost)
        return 1 if lost else 0
    found = {path: pin(text, look_up) for path, text in texts.items()}  # all of them, or none is written
    for path, text in found.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

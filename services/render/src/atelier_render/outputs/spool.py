"""Pictures that were made but cannot be stored yet: kept on disk, so that nothing is rendered, or paid for, twice.

The folder outlives this process where the operator names it; otherwise it is the process's own and goes with it.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from atelier_render.outputs.analysis import Output

_MANIFEST = "manifest.json"
_THUMBNAIL = ".thumbnail"
_SAID = ("content_type", "width", "height", "colours")


@dataclass(frozen=True, slots=True)
class RenderedOutputs:
    """What a provider delivered and is not stored yet."""

    provider: str
    outputs: tuple[Output, ...]
    fingerprint: bytes | None = None
    model: str | None = None


class Spool:
    """One folder a generation, complete or absent. Blocking: call it from a thread, ``holds`` excepted."""

    def __init__(self, folder: Path | None) -> None:
        self._own = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="atelier-spool-"))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def holds(self, generation_id: UUID) -> bool:
        """Whether pictures of this generation wait here."""
        return self._place(generation_id).exists()

    def keep(self, generation_id: UUID, made: RenderedOutputs) -> None:
        """Writes all of it, or nothing; what lies here already stays."""
        if self.holds(generation_id):
            return
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._folder))
        for index, output in enumerate(made.outputs):
            (draft / str(index)).write_bytes(output.data)
            if output.thumbnail is not None:
                (draft / f"{index}{_THUMBNAIL}").write_bytes(output.thumbnail)
        manifest = {
            "provider": made.provider,
            "model": made.model,
            "fingerprint": made.fingerprint.hex() if made.fingerprint else None,
            "outputs": [{name: getattr(output, name) for name in _SAID} for output in made.outputs],
        }
        (draft / _MANIFEST).write_text(json.dumps(manifest))
        draft.rename(self._place(generation_id))

    def recall(self, generation_id: UUID) -> RenderedOutputs:
        """Reads it back."""
        place = self._place(generation_id)
        manifest = json.loads((place / _MANIFEST).read_text())
        outputs = tuple(_output(place, index, said) for index, said in enumerate(manifest["outputs"]))
        fingerprint = manifest["fingerprint"]
        model = manifest.get("model")  # absent where the process before this one was of an earlier version
        return RenderedOutputs(
            manifest["provider"], outputs, bytes.fromhex(fingerprint) if fingerprint else None, model
        )

    def forget(self, generation_id: UUID) -> None:
        """Removes it; what is not there is gone already."""
        shutil.rmtree(self._place(generation_id), ignore_errors=True)

    def close(self) -> None:
        """Removes a folder that only this process knows."""
        if self._own:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _place(self, generation_id: UUID) -> Path:
        return self._folder / str(generation_id)


def _output(place: Path, index: int, said: dict[str, Any]) -> Output:
    thumbnail = place / f"{index}{_THUMBNAIL}"
    return Output(
        (place / str(index)).read_bytes(),
        said["content_type"],
        said["width"],
        said["height"],
        thumbnail.read_bytes() if thumbnail.exists() else None,
        tuple(said["colours"]),
    )

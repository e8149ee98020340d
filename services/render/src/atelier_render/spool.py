"""Pictures that were made but cannot be stored yet: kept on disk, so that nothing is rendered, or paid for, twice.

The folder outlives this process where the operator names it; otherwise it is the process's own and goes with it.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from atelier_render.providers.protocol import Picture

_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Made:
    """What a provider delivered and nobody has stored."""

    provider: str
    delivered: int
    pictures: tuple[Picture, ...]


class Spool:
    """One folder a generation, complete or absent. Blocking: call it from a thread, ``holds`` excepted."""

    def __init__(self, folder: Path | None) -> None:
        self._own = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="atelier-spool-"))
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def holds(self, generation_id: UUID) -> bool:
        """Whether pictures of this generation wait here."""
        return self._place(generation_id).exists()

    def keep(self, generation_id: UUID, made: Made) -> None:
        """Writes all of it, or nothing; what lies here already stays."""
        if self.holds(generation_id):
            return
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=self._folder))
        for index, picture in enumerate(made.pictures):
            (draft / str(index)).write_bytes(picture.data)
        about = [{"content_type": p.content_type, "width": p.width, "height": p.height} for p in made.pictures]
        manifest = {"provider": made.provider, "delivered": made.delivered, "pictures": about}
        (draft / _MANIFEST).write_text(json.dumps(manifest))
        draft.rename(self._place(generation_id))

    def recall(self, generation_id: UUID) -> Made:
        """Reads it back."""
        place = self._place(generation_id)
        manifest = json.loads((place / _MANIFEST).read_text())
        pictures = [
            Picture((place / str(index)).read_bytes(), about["content_type"], about["width"], about["height"])
            for index, about in enumerate(manifest["pictures"])
        ]
        return Made(manifest["provider"], manifest["delivered"], tuple(pictures))

    def forget(self, generation_id: UUID) -> None:
        """Removes it; what is not there is gone already."""
        shutil.rmtree(self._place(generation_id), ignore_errors=True)

    def close(self) -> None:
        """Removes a folder that nobody else knows of."""
        if self._own:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _place(self, generation_id: UUID) -> Path:
        return self._folder / str(generation_id)

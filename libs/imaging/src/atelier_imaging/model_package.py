"""Where the models of the package ``mediapipe`` lie. Its own code is never imported; OpenCV reads the files."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from atelier_imaging.pictures import POSE_PACKAGE


@cache
def model_file(folder: str, name: str) -> Path | None:
    """The file of one model; None where the package is not installed."""
    package = find_spec(POSE_PACKAGE)  # finds, and does not import
    for place in (package.submodule_search_locations or ()) if package else ():
        path = Path(place) / "modules" / folder / name
        if path.is_file():
            return path
    return None

"""Pictures of try-ons before, by an earlier composer and by today's, and which is better.

``python -m atelier_imaging.try_on_page docs/pictures/try-on EARLIER``; EARLIER is the earlier ``libs/imaging/src``.
"""

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.garment import cut_out
from atelier_imaging.geometry import Pixels, fit_within
from atelier_imaging.pictures import ImageRefused
from atelier_imaging.sample_garments import sample_garment
from atelier_imaging.try_on import SIDE_MAX_PX, SIDE_MIN_PX, try_on
from atelier_imaging.try_on_comparison import Measures, find_regions, measure

SIDE_PX, QUALITY = 560, 84
WORN = {
    "standing": "checked",
    "arms-out": "striped",
    "hands-on-head": "checked",
    "squat": "plain",
    "lunge": "striped",
    "garden": "dress",
    "astronaut": "plain",
    "crew": "striped",
    "hopper": "plain",
    "long-hair": "striped",
    "cup": "plain",
    "strap": "striped",
}
"""The garment of each photograph, by their names."""
EARLIER = """
import sys
import numpy as np
import cv2
from PIL import Image
from atelier_imaging.decode import normalise
from atelier_imaging.try_on import try_on
cv2.setNumThreads(1)
person, garment = (normalise(open(path, "rb").read()) for path in sys.argv[1:3])
Image.fromarray(try_on(person, [garment], seed=1)).save(sys.argv[3])
"""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("earlier", type=Path)
    options.add_argument("--only", nargs="*", default=list(WORN))
    given = options.parse_args()
    cv2.setNumThreads(1)
    rows, better = [], 0
    for name in given.only:
        former, today = compare(given.folder, name, given.earlier)
        better += today.faults < former.faults
        rows.append(_row(name, former, today))
        sys.stdout.write(rows[-1] + "\n")
        sys.stdout.flush()
    verdict = f"Today's is better on {better} of {len(rows)}."
    sys.stdout.write(verdict + "\n")
    if given.only == list(WORN):
        page = given.folder / "README.md"
        head, rest = page.read_text().split("<!-- compared -->\n")
        table = "\n".join([*TABLE, *rows, "", verdict, ""])
        page.write_text(f"{head}<!-- compared -->\n{table}<!-- end -->{rest.split('<!-- end -->')[1]}")


TABLE = (
    "| photograph | colour ΔE | head and background untouched | hair and hands untouched | clothes replaced | better |",
    "|---|---|---|---|---|---|",
)


def compare(folder: Path, name: str, earlier: Path) -> tuple[Measures, Measures]:
    """The measures of the earlier composer's picture and of today's; both are written into the folder."""
    data = (folder / f"{name}.jpg").read_bytes()
    person, garment = _read(data), sample_garment(WORN[name])
    canvas = fit_within(person.rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)
    pictures = {
        "earlier": _earlier(folder / f"{name}.jpg", garment, earlier),
        "today": try_on(person, [garment], seed=1),
    }
    regions = find_regions(canvas)
    assert regions is not None, "there is a person in each of these photographs"
    for which, picture in pictures.items():
        (folder / f"{name}-{which}.jpg").write_bytes(_small(picture))
    former, today = (measure(canvas, regions, cut_out(garment), picture) for picture in pictures.values())
    return former, today


def _earlier(person: Path, garment: Photo, source: Path) -> Pixels:
    scratch = person.parent / ".earlier"
    scratch.mkdir(exist_ok=True)
    cloth, made = scratch / "garment.png", scratch / "made.png"
    Image.fromarray(garment.rgb).save(cloth)
    command = [sys.executable, "-c", EARLIER, str(person), str(cloth), str(made)]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(source)})  # noqa: S603 - our own code
    picture = np.asarray(Image.open(made).convert("RGB"))
    for path in (cloth, made):
        path.unlink()
    scratch.rmdir()
    return picture


def _row(name: str, former: Measures, today: Measures) -> str:
    shares = [f"{a:.1%} → {b:.1%}" for a, b in zip(_shares(former), _shares(today), strict=True)]
    better = "today's" if today.faults < former.faults else "the earlier"
    return f"| {name} | {former.colour:.1f} → {today.colour:.1f} | {' | '.join(shares)} | {better} |"


def _shares(measures: Measures) -> tuple[float, float, float]:
    return measures.untouched, measures.front, measures.covered


def _read(data: bytes) -> Photo:
    photo = normalise(data)
    if isinstance(photo, ImageRefused):
        raise SystemExit(photo.message)
    return photo


def _small(rgb: Pixels) -> bytes:
    picture = Image.fromarray(rgb)
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    main()

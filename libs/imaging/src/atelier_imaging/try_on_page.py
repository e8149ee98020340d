"""Pictures of try-ons before, by an earlier composer and by today's, and which is better.

``python -m atelier_imaging.try_on_page docs/pictures/try-on EARLIER --held-out PHOTOS``; EARLIER is the earlier
``libs/imaging/src``, PHOTOS the folder of ``inter-faces`` with the largest pictures.
"""

import argparse
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.garment import cut_out
from atelier_imaging.geometry import Pixels, fit_within
from atelier_imaging.held_out_photos import choose_photos
from atelier_imaging.pictures import ImageRefused
from atelier_imaging.sample_garments import sample_garment
from atelier_imaging.try_on import SIDE_MAX_PX, SIDE_MIN_PX, try_on
from atelier_imaging.try_on_comparison import Measures, find_regions, measure, read_regions

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


UNTOUCHED_MIN = 0.99


@dataclass(frozen=True, slots=True)
class Page:
    """A page with a table: the photographs lie in ``photos``, the pictures made of them go to ``pictures``; where
    regions were drawn by hand they are in a file."""

    text: Path
    photos: Path
    pictures: Path
    worn: dict[str, str]
    drawn: Path | None = None


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("earlier", type=Path)
    options.add_argument("--held-out", type=Path, metavar="PHOTOS", help="the folder of a set that was held out")
    given = options.parse_args()
    cv2.setNumThreads(1)
    pages = [Page(given.folder / "README.md", given.folder, given.folder, WORN)]
    if given.held_out:
        chosen = choose_photos(given.held_out)
        text, drawn = given.folder / "held-out.md", given.folder / "held-out-regions.json"
        pages.append(Page(text, given.held_out, given.folder / "held-out", chosen, drawn))
    for page in pages:
        fill_page(page, given.earlier)


TABLE = (
    "| photograph | colour ΔE | head and background untouched | hair and hands untouched | clothes replaced | better |",
    "|---|---|---|---|---|---|",
)


def fill_page(page: Page, earlier: Path) -> None:
    """Compare each photograph and write the table and the verdict into the page."""
    rows, better, kept = [], 0, 0
    page.pictures.mkdir(exist_ok=True)
    for name in page.worn:
        former, today = compare(page, name, earlier)
        better += today.faults < former.faults
        kept += today.untouched >= UNTOUCHED_MIN
        rows.append(_row(name, former, today))
        sys.stdout.write(rows[-1] + "\n")
        sys.stdout.flush()
    verdict = (
        f"Today's is better on {better} of {len(rows)}; of head and background it leaves at least"
        f" {UNTOUCHED_MIN:.0%} untouched on {kept}."
    )
    sys.stdout.write(verdict + "\n")
    head, rest = page.text.read_text().split("<!-- compared -->\n")
    table = "\n".join([*TABLE, *rows, "", verdict, ""])
    page.text.write_text(f"{head}<!-- compared -->\n{table}<!-- end -->{rest.split('<!-- end -->')[1]}")


def compare(page: Page, name: str, earlier: Path) -> tuple[Measures, Measures]:
    """The measures of the earlier composer's picture and of today's; both are written beside the photograph."""
    source = page.photos / f"{name}.jpg"
    person, garment = _read(source.read_bytes()), sample_garment(page.worn[name])
    canvas = fit_within(person.rgb, SIDE_MAX_PX, side_min_px=SIDE_MIN_PX)
    pictures = {
        "-earlier": _earlier(source, garment, earlier),
        "-today": try_on(person, [garment], seed=1),
    }
    regions = read_regions(json.loads(page.drawn.read_text())[name], canvas) if page.drawn else find_regions(canvas)
    assert regions is not None, "there is a person in each of these photographs"
    shown = pictures if page.photos == page.pictures else {"": canvas, **pictures}
    for which, picture in shown.items():
        (page.pictures / f"{name}{which}.jpg").write_bytes(_small(picture))
    former, today = (measure(canvas, regions, cut_out(garment), picture) for picture in pictures.values())
    return former, today


def _earlier(person: Path, garment: Photo, source: Path) -> Pixels:
    with TemporaryDirectory() as scratch:
        cloth, made = Path(scratch, "garment.png"), Path(scratch, "made.png")
        Image.fromarray(garment.rgb).save(cloth)
        command = [sys.executable, "-c", EARLIER, str(person), str(cloth), str(made)]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": str(source)})  # noqa: S603 - our own code
        return np.asarray(Image.open(made).convert("RGB"))


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

"""``python -m atelier_render.provenance.bench``: what marking costs of a processor, a format a row.

One picture of 1024 x 1024 pixels, composed here, with its thumbnail: profile, XMP, and a signed manifest in each.
Processor time of this process, not time by the clock, so that other work on the machine does not count.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from atelier_contracts import RenderSpec
from atelier_imaging import Analysis
from atelier_imaging.analysis import analyse
from atelier_imaging.composition import compose
from atelier_imaging.encoder import encode
from atelier_imaging.pictures import CONTENT_TYPES, CompositionSpec
from atelier_render.outputs.analysis import Output
from atelier_render.provenance.identity import make_identity
from atelier_render.provenance.marker import Marker, Origin

SIDE_PX = 1024
PROMPT = "mountains at sunset"
WARM_UP, MARKS = 5, 60


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one format: the size of the picture before it is marked, and the median and the 95th percentile of a mark."""

    image_format: str
    bytes: int
    median_ms: float
    p95_ms: float


def measure(marks: int) -> Iterator[Cost]:
    """One cost a format."""
    marker = Marker(make_identity())
    origin = Origin("local", None, RenderSpec(kind="image", prompt=PROMPT))
    for output in _outputs():
        took = [_mark_ms(marker, output, origin) for _ in range(WARM_UP + marks)][WARM_UP:]
        *_, p95_ms = statistics.quantiles(took, n=20)
        name = output.content_type.removeprefix("image/")
        yield Cost(name, len(output.data), statistics.median(took), p95_ms)
    marker.close()


def _outputs() -> Iterator[Output]:
    pixels = compose(CompositionSpec("image", 7, width=SIDE_PX, height=SIDE_PX, prompt=PROMPT), [])
    for image_format in CONTENT_TYPES:
        made = encode(pixels, image_format)
        found = analyse(made.data)
        assert isinstance(found, Analysis), found
        yield Output(made.data, made.content_type, made.width, made.height, found.thumbnail)


def _mark_ms(marker: Marker, output: Output, origin: Origin) -> float:
    began = time.process_time()
    asyncio.run(marker.mark([output], origin))
    return (time.process_time() - began) * 1_000


def main() -> None:
    """Prints one row a format."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--marks", type=int, default=MARKS, help="how often each picture is marked")
    marks = arguments.parse_args().marks
    sys.stdout.write(f"marking {SIDE_PX} x {SIDE_PX} pixels and the thumbnail, processor time of {marks} marks:\n")
    for cost in measure(marks):
        said = f"{cost.bytes / 1_024:7.0f} kB  median {cost.median_ms:5.1f} ms  p95 {cost.p95_ms:5.1f} ms"
        sys.stdout.write(f"{cost.image_format:>6} {said}\n")


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# numpy 2.4.6 on a Pillow 13.0.0 image.
#
# Guess:     np.ascontiguousarray(pixels[..., :3]) of an RGBA image copies, since a slice of three of four channels is not
#            contiguous; the copy can be written to.
# Behaviour: of an image of one pixel it copies nothing: dimensions of length 1 do not count, the slice is contiguous already,
#            and what comes back is the image's own read-only memory.
# Seen:      2 x 2 pixels: writeable True; 1 x 1 pixel: writeable False
# Here:      libs/imaging copies explicitly, and has a test with a picture of one pixel.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check numpy==2.4.6 pillow==13.0.0
"$folder/venv/bin/python" - <<'PY'
import numpy as np
from PIL import Image

seen = {}
for side in (2, 1):
    pixels = np.asarray(Image.new("RGBA", (side, side)))
    seen[side] = bool(np.ascontiguousarray(pixels[..., :3]).flags.writeable)
print(f"2 x 2 pixels: writeable {seen[2]}; 1 x 1 pixel: writeable {seen[1]}")
assert seen == {2: True, 1: False}, "the behaviour has changed"
PY

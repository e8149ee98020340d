#!/usr/bin/env bash
# Pillow 13.0.0 and PNG greyscale of 4 bits with a transparent grey (tRNS).
#
# Guess:     pixels and info["transparency"] are on one scale, so comparing them tells which pixels are transparent.
# Behaviour: pixels are scaled to 8 bits (15 becomes 255); info["transparency"] keeps the number of the file (15). Pillow's
#            own conversion to RGBA compares the two and makes the fully transparent picture opaque.
# Seen:      mode L, pixel 255, transparency 15, alpha after convert("RGBA") 255
# Here:      libs/imaging rescales the number before it converts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pillow==13.0.0
"$folder/venv/bin/python" - <<'PY'
import io
import struct
import zlib

from PIL import Image


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


# Two by one pixels, 4 bits each, both of grey 15, which tRNS says is transparent.
header = struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)
png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tRNS", struct.pack(">H", 15))
png += chunk(b"IDAT", zlib.compress(b"\x00\xff")) + chunk(b"IEND", b"")
picture = Image.open(io.BytesIO(png))
pixel, said = picture.getpixel((0, 0)), picture.info["transparency"]
alpha = picture.convert("RGBA").getpixel((0, 0))[3]
print(f"mode {picture.mode}, pixel {pixel}, transparency {said}, alpha after convert(\"RGBA\") {alpha}")
assert (picture.mode, pixel, said, alpha) == ("L", 255, 15, 255), "the behaviour has changed"
PY

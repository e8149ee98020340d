"""Pictures and sounds of the simulated providers: real files of the requested size, determined by their inputs."""

import hashlib
import io
import math
import struct
import wave
import zlib
from typing import Literal

from PIL import Image

from atelier_provider_simulator.plans import UploadedImage

PictureFormat = Literal["png", "jpeg", "webp"]
TILES = 12
RATE_HZ = 8_000
SECONDS_A_CHARACTER = 0.01
SECONDS_MAX = 30.0
TOO_WIDE_PX = 16_000
"""A picture of so many pixels squared is above any sensible limit, and yet a few kilobytes."""
_OF_THE_PICTURE = frozenset(
    {
        "jfif",
        "jfif_version",
        "jfif_unit",
        "jfif_density",
        "adobe",
        "adobe_transform",
        "background",
        "loop",
        "transparency",
    }
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def draw_mosaic(
    size: tuple[int, int], file_format: PictureFormat, *seeds: bytes, over: bytes | None = None, quality: int = 85
) -> bytes:
    """A mosaic whose colours depend on ``seeds`` alone, drawn over a picture if one is given."""
    digest = hashlib.shake_256(b"\x00".join(seeds)).digest(TILES * TILES * 3)
    mosaic = Image.frombytes("RGB", (TILES, TILES), digest).resize(size, Image.Resampling.NEAREST)
    if over is not None:
        mosaic = Image.blend(open_picture(over).convert("RGB").resize(size), mosaic, 0.4)
    out = io.BytesIO()
    if file_format == "png":
        mosaic.save(out, "PNG", compress_level=1)
    else:
        mosaic.save(out, file_format.upper(), quality=quality)
    return out.getvalue()


def open_picture(data: bytes) -> Image.Image:
    """The picture in an upload. Raises ValueError where there is none."""
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG", "JPEG", "WEBP"])
        image.load()
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"not a picture: {error}") from error
    return image


def describe_upload(data: bytes, role: Literal["image", "mask"]) -> UploadedImage:
    """What an upload is, and what lies in it beside the picture. Raises ValueError where it is no picture."""
    image = open_picture(data)
    end = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}.get(image.format or "", b"")
    beside = {name for name in image.info if name not in _OF_THE_PICTURE} | ({"exif"} if image.getexif() else set())
    return UploadedImage(
        role=role,
        format=image.format or "",
        mode=image.mode,
        width=image.width,
        height=image.height,
        frames=getattr(image, "n_frames", 1),
        beside=tuple(sorted(map(str, beside | (set() if data.endswith(end) else {"trailing"})))),
        sha256=hashlib.sha256(data).hexdigest(),
    )


def corrupt(data: bytes) -> bytes:
    """The same bytes, but for the last, which are zeros: as a broken disk leaves them."""
    return data[:-20] + bytes(20)


def make_oversized_png() -> bytes:
    """A sound PNG of 256 megapixels."""
    pack, row = zlib.compressobj(1), bytes(1 + TOO_WIDE_PX // 8)
    body = b"".join(pack.compress(row) for _ in range(TOO_WIDE_PX)) + pack.flush()
    head = struct.pack(">IIBBBBB", TOO_WIDE_PX, TOO_WIDE_PX, 1, 0, 0, 0, 0)
    return _PNG_SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def synthesise_tone(text: str) -> bytes:
    """A WAV with one tone: a hundredth of a second per character, its pitch derived from the text."""
    seconds = min(SECONDS_MAX, max(0.05, len(text) * SECONDS_A_CHARACTER))
    hertz = 200 + zlib.crc32(text.encode()) % 400
    period = [int(8_000 * math.sin(2 * math.pi * step / (RATE_HZ // hertz))) for step in range(RATE_HZ // hertz)]
    frames = int(seconds * RATE_HZ)
    tone = struct.pack(f"<{len(period)}h", *period) * (frames // len(period) + 1)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(tone[: frames * 2])
    return _with_unknown_lengths(out.getvalue())


def encode_tone(text: str, sound: str) -> bytes:
    """The same tone as Opus in Ogg, AAC in ADTS, or FLAC."""
    import av  # large, and nearly never needed

    container, codec = {"opus": ("ogg", "libopus"), "aac": ("adts", "aac"), "flac": ("flac", "flac")}[sound]
    out, samples = io.BytesIO(), synthesise_tone(text)[44:]
    with av.open(out, "w", format=container) as file:
        stream = file.add_stream(codec, rate=24_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate = RATE_HZ
        resampler = av.AudioResampler(format=stream.codec_context.format, layout="mono", rate=24_000)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            for packet in stream.encode(part):
                file.mux(packet)
    return out.getvalue()


def mp3_frames(text: str) -> bytes:
    """MPEG-2 layer III at 16 kbit/s and 16 kHz, in frames of 36 ms: silence, with the text's digest beside it."""
    header_and_side, digest = b"\xff\xf3\x28\xc4" + bytes(9), hashlib.shake_256(text.encode()).digest(59)
    frame = header_and_side + bytes(byte & 0x7F for byte in digest)
    return frame * max(2, int(min(SECONDS_MAX, len(text) * SECONDS_A_CHARACTER) / 0.036))


def _with_unknown_lengths(wav: bytes) -> bytes:
    """The WAV as a service sends it that does not know its length in advance: both lengths say as much as they can."""
    return wav[:4] + b"\xff" * 4 + wav[8:40] + b"\xff" * 4 + wav[44:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

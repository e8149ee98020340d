"""Words to find an output by: from what is known of it, never from a guess at what it shows. Pure."""

import colorsys
import re
from collections.abc import Iterable

from atelier_contracts import RenderSpec
from atelier_render.outputs.analysis import Output

KEYWORDS_MAX = 8
TAG_CHARS_MAX = 40
SQUARE = 0.03
"""Sides that differ by less are taken as equal."""
_WORD = re.compile(r"[^\W\d_]{4,}")
_COMMON = frozenset(
    _WORD.findall(
        "about above after again also another around because been before being below between both could does down each"
        " from have having here into itself just like made make many more most must near only other over same should"
        " some such than that their them then there these they this those through under very want were what when where"
        " which while with without would your"
    )
)
_HUES = ((15, "red"), (45, "orange"), (70, "yellow"), (165, "green"), (200, "cyan"), (255, "blue"), (290, "purple"))
_HUES_END = ((335, "pink"), (360, "red"))


def tags_of(spec: RenderSpec, provider: str, output: Output, model: str | None = None) -> tuple[str, ...]:
    """Kind, style, format, orientation, colours, maker, and words of the prompt; none for audio."""
    if output.content_type.startswith("audio/"):
        return ()
    known = (spec.kind, spec.style, output.content_type.removeprefix("image/"), _orientation(output))
    of_model = (provider, model or spec.model)
    named = map(colour_name, output.colours)
    words = (" ".join((word or "").split())[:TAG_CHARS_MAX] for word in (*known, *named, *of_model, *_keywords(spec)))
    return tuple(dict.fromkeys(word.lower() for word in words if word))


def colour_name(colour: str) -> str:
    """The everyday word for ``#rrggbb``."""
    red, green, blue = (channel / 255 for channel in bytes.fromhex(colour[1:]))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    if lightness < 0.12:
        return "black"
    if lightness > 0.93:
        return "white"
    if saturation < 0.12:
        return "grey"
    degrees = hue * 360
    if 15 <= degrees < 45 and lightness < 0.4:
        return "brown"
    return next(name for end, name in (*_HUES, *_HUES_END) if degrees <= end)


def _orientation(output: Output) -> str | None:
    if not output.width or not output.height:
        return None
    if abs(output.width - output.height) <= SQUARE * max(output.width, output.height):
        return "square"
    return "landscape" if output.width > output.height else "portrait"


def _keywords(spec: RenderSpec) -> Iterable[str]:
    words = (word.lower() for word in _WORD.findall(spec.prompt or ""))
    return list(dict.fromkeys(word for word in words if word not in _COMMON))[:KEYWORDS_MAX]

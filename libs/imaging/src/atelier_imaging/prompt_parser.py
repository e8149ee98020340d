"""Parses a prompt: a small vocabulary decides subject, hour, weather and colour, and chance decides the rest.

This is no language model. A word that is not in the vocabulary changes the picture (it is part of the seed), but not
what it shows.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from atelier_imaging.noise import Rng

Colour = tuple[int, int, int]
Hour = Literal["day", "sunset", "dawn", "night"]
Weather = Literal["clear", "cloudy", "foggy", "snowy"]
Land = Literal["mountains", "sea", "forest", "city", "flowers", "desert", "space", "abstract"]
Thing = Literal["boat", "house", "balloon", "birds"]

LANDS: Mapping[Land, str] = {
    "mountains": "mountain alps peak summit hill valley ridge glacier landscape",
    "sea": "sea ocean beach lake water river coast wave shore island harbour harbor",
    "forest": "forest tree wood woods pine fir jungle",
    "city": "city skyline town street building skyscraper urban tower metropolis",
    "flowers": "flower rose tulip daisy meadow garden blossom bouquet spring field",
    "desert": "desert dune sand sahara canyon",
    "space": "space planet galaxy nebula cosmos universe orbit star astronaut",
    "abstract": "abstract pattern texture shapes geometric fluid gradient wallpaper logo",
}
HOURS: Mapping[Hour, str] = {
    "sunset": "sunset dusk evening golden twilight orange",
    "dawn": "dawn sunrise morning pastel pink",
    "night": "night midnight moon moonlight dark starry neon",
    "day": "day noon sunny bright summer",
}
WEATHERS: Mapping[Weather, str] = {
    "cloudy": "cloud cloudy storm stormy rain overcast dramatic",
    "foggy": "fog foggy mist misty haze calm quiet dreamy",
    "snowy": "snow snowy winter ice frozen christmas",
    "clear": "clear blue",
}
THINGS: Mapping[Thing, str] = {
    "boat": "boat ship sail sailing sailboat yacht",
    "house": "house cabin cottage home hut farm",
    "balloon": "balloon airship flight",
    "birds": "bird gull swallow eagle crow",
}
TINTS: Mapping[str, Colour] = {
    "red": (206, 48, 52), "crimson": (176, 26, 60), "orange": (240, 138, 44), "yellow": (246, 206, 70),
    "gold": (222, 174, 66), "golden": (222, 174, 66), "green": (66, 150, 84), "emerald": (24, 140, 104),
    "teal": (26, 140, 146), "turquoise": (50, 190, 186), "blue": (52, 104, 196), "navy": (30, 48, 104),
    "indigo": (74, 62, 160), "purple": (126, 66, 168), "violet": (142, 92, 198), "pink": (238, 140, 172),
    "magenta": (208, 48, 140), "brown": (136, 92, 60), "black": (38, 40, 46), "grey": (138, 142, 150),
    "gray": (138, 142, 150), "white": (240, 240, 236), "silver": (188, 192, 200), "beige": (222, 204, 174),
}  # fmt: skip


T = TypeVar("T")
Name = TypeVar("Name", bound=str)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a picture is to show. ``tints`` are the colours named, in their order."""

    lands: tuple[Land, ...]
    hour: Hour
    weather: Weather
    things: tuple[Thing, ...]
    tints: tuple[Colour, ...]


def parse_prompt(prompt: str, rng: Rng) -> Scene:
    """The brief of a prompt; a prompt that names no land is given an abstract picture or, with an hour, a landscape."""
    words = re.findall(r"[a-z]+", prompt.lower())
    lands, hours, weathers, things = (_match_entries(words, table) for table in (LANDS, HOURS, WEATHERS, THINGS))
    supposed: tuple[Land, ...] = ("sea",) if "boat" in things else ("mountains",)
    return Scene(
        lands=lands or (supposed if things or hours or weathers else ("abstract",)),
        hour=hours[0] if hours else _choose(rng, ("day", "day", "sunset", "dawn")),
        weather=weathers[0] if weathers else _choose(rng, ("clear", "cloudy")),
        things=things,
        tints=tuple(TINTS[word] for word in words if word in TINTS),
    )


def _choose(rng: Rng, choices: tuple[T, ...]) -> T:
    return choices[int(rng.integers(len(choices)))]


def _match_entries(words: list[str], table: Mapping[Name, str]) -> tuple[Name, ...]:
    """The entries whose words occur, in the order of the prompt."""
    meaning = {word: entry for entry, listed in table.items() for word in listed.split()}
    entries = (meaning.get(word) or meaning.get(word.removesuffix("s")) for word in words)
    return tuple(dict.fromkeys(entry for entry in entries if entry))

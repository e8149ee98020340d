"""The mannequins and backgrounds of on-model and flat-lay pictures: the gateway offers them, render draws them. Ids are
strings and never change; the on-model surface shows a numeric one as a number.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Colour = tuple[int, int, int]
"""Red, green, blue; 0..255."""
Backdrop = Literal["plain", "gradient", "planks", "tiles", "linen", "marble"]


@dataclass(frozen=True, slots=True)
class Mannequin:
    """A figure: its colours, and its measures as parts of an average figure's (1.0)."""

    id: str
    name: str
    skin: Colour
    hair: Colour
    height: float = 1.0
    shoulders: float = 1.0
    hips: float = 1.0


@dataclass(frozen=True, slots=True)
class Background:
    """What stands behind, or lies under: a pattern in two colours."""

    id: str
    name: str
    backdrop: Backdrop
    first: Colour
    second: Colour


MANNEQUINS: Mapping[str, Mannequin] = {
    figure.id: figure
    for figure in (
        Mannequin("123", "Ada", (236, 205, 182), (74, 52, 40), 1.00, 0.95, 1.05),
        Mannequin("124", "Bruno", (222, 184, 152), (38, 30, 26), 1.08, 1.15, 0.95),
        Mannequin("125", "Chidi", (112, 74, 52), (20, 18, 18), 1.06, 1.10, 0.95),
        Mannequin("126", "Dara", (176, 126, 92), (32, 24, 22), 0.96, 0.92, 1.08),
        Mannequin("127", "Emi", (244, 218, 192), (24, 20, 24), 0.94, 0.90, 0.98),
        Mannequin("128", "Finn", (246, 220, 204), (176, 122, 72), 1.10, 1.12, 0.98),
        Mannequin("model_abc", "Grey form", (200, 200, 204), (200, 200, 204)),
    )
}

BACKGROUNDS: Mapping[str, Background] = {
    ground.id: ground
    for ground in (
        Background("456", "Warm grey studio", "gradient", (226, 220, 214), (178, 170, 162)),
        Background("457", "Sky", "gradient", (206, 224, 240), (142, 178, 212)),
        Background("458", "Oak planks", "planks", (196, 158, 116), (160, 122, 82)),
        Background("459", "White tiles", "tiles", (240, 240, 238), (206, 206, 204)),
        Background("460", "Natural linen", "linen", (226, 214, 192), (206, 192, 168)),
        Background("461", "Marble", "marble", (242, 242, 244), (188, 188, 196)),
        Background("bg_studio_white", "Studio white", "plain", (250, 250, 250), (236, 236, 236)),
    )
}

"""The figures as a picture: generations a second by level, a line a contender, both axes logarithmic."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from atelier_local.bench.summary import Figures

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 24, 48
COLOURS = ("#0b6e4f", "#7a9e7e", "#9a9a9a", "#444444", "#c8553d", "#3d5a98", "#b8860b", "#7b4b94", "#2a9d8f")


def rates_svg(figures: Sequence[Figures]) -> str:
    """An SVG document; medians with their range."""
    levels = sorted({each.in_flight for each in figures})
    highest = max(each.per_second.high for each in figures)
    lowest = min(each.per_second.low for each in figures)
    decades = range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)

    def x(level: int) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * levels.index(level) / max(1, len(levels) - 1)

    def y(rate: float) -> float:
        share = (math.log10(rate) - decades[0]) / max(1, decades[-1] - decades[0])
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share

    parts = [_line(LEFT, y(10**n), WIDTH - RIGHT, y(10**n), "#dddddd") for n in decades]
    parts += [_text(LEFT - 8, y(10**n) + 4, f"{10**n:g}", "end") for n in decades]
    parts += [_text(x(level), HEIGHT - BOTTOM + 20, str(level), "middle") for level in levels]
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "generations in flight", "middle"))
    for number, name in enumerate(dict.fromkeys(each.contender for each in figures)):
        colour = COLOURS[number % len(COLOURS)]
        mine = [each for each in figures if each.contender == name]
        points = " ".join(f"{x(each.in_flight):.1f},{y(each.per_second.median):.1f}" for each in mine)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for each in mine:
            at = x(each.in_flight)
            parts.append(_line(at, y(each.per_second.low), at, y(each.per_second.high), colour))
            parts.append(f'<circle cx="{at:.1f}" cy="{y(each.per_second.median):.1f}" r="3.5" fill="{colour}"/>')
        top = TOP + 18 * number
        parts.append(_line(WIDTH - RIGHT + 20, top, WIDTH - RIGHT + 40, top, colour, 3))
        parts.append(_text(WIDTH - RIGHT + 46, top + 4, name))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="12">\n'
        "<title>Generations a second by generations in flight</title>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: int = 1) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#333333">{escape(words)}</text>'

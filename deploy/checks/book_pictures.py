"""The diagrams of the book as SVG: the saga from its table, and the four services. No program is needed to see them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from math import hypot

from atelier_session.saga import ENDING, SAGA, TERMINAL

HALF_WIDTH, HALF_HEIGHT = 60, 20
LINE_HEIGHT = 15
STYLE = (
    "text{font:15px system-ui,sans-serif;fill:#1c1d21;text-anchor:middle}"
    ".label{font-size:13px;fill:#5f5c55;paint-order:stroke;stroke:#fbfaf8;stroke-width:5px}"
    "rect{fill:#f0ece4;stroke:#8a4b12}rect.end{stroke-width:3}"
    "path{fill:none;stroke:#5f5c55}marker path{fill:#5f5c55;stroke:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e8e5df}.label{fill:#aaa69d;stroke:#17181b}"
    "rect{fill:#212328;stroke:#e3a869}path{stroke:#aaa69d}marker path{fill:#aaa69d}}"
)
MARKER = (
    '<marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0L8 4L0 8z"/></marker>'
)
STATES: Mapping[str, tuple[int, int]] = {
    "reserving": (80, 90),
    "queued": (330, 90),
    "rendering": (580, 90),
    "capturing": (830, 90),
    "succeeded": (1080, 90),
    "stopping": (580, 240),
    "delivering": (1080, 240),
    "refunding": (580, 390),
    "rejected": (80, 240),
    "failed": (330, 510),
    "cancelled": (580, 510),
    "expired": (830, 510),
}
"""Where each state stands. A new state of the saga needs a place here, or drawing it fails."""
REFUND_ENDS = ("failed", "cancelled", "expired")
SERVICES: Mapping[str, tuple[int, int]] = {
    "API client": (80, 80),
    "gateway": (320, 80),
    "session": (640, 80),
    "billing": (960, 80),
    "render": (640, 260),
    "object store": (960, 260),
}
MESSAGES = (
    ("API client", "gateway", ("HTTP",)),
    ("gateway", "session", ("GenerationRequested",)),
    ("session", "gateway", ("GenerationSucceeded", "GenerationFailed")),
    ("session", "billing", ("ReserveCredit", "CaptureCredit, RefundCredit")),
    ("billing", "session", ("CreditDeducted", "CreditCaptured, CreditRefunded")),
    ("session", "render", ("RequestRender",)),
    ("render", "session", ("RenderCompleted", "RenderFailed")),
    ("render", "object store", ("picture",)),
)


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one box to another, bent sideways by ``bend`` pixels, its label at ``at`` of its length."""

    start: tuple[int, int]
    end: tuple[int, int]
    label: tuple[str, ...]
    bend: int = 0
    at: float = 0.5


def saga_svg() -> str:
    """The saga's states and what leads from one to another; commands that are sent again are left out."""
    labels: dict[tuple[str, str], list[str]] = {}
    for state, steps in SAGA.items():
        for heard, step in steps.items():
            for target in REFUND_ENDS if step.to is ENDING else (str(step.to),):
                if str(state) != target and str(state) != "new":
                    labels.setdefault((str(state), target), []).append(heard.__name__)
    arrows = [_saga_arrow(start, end, names) for (start, end), names in labels.items()]
    return _svg("The saga: states and messages", (1160, 550), STATES, arrows, {str(state) for state in TERMINAL})


def services_svg() -> str:
    """The four services and the messages between them."""
    pairs = {(start, end) for start, end, _ in MESSAGES}
    arrows = [
        Arrow(
            SERVICES[start],
            SERVICES[end],
            label,
            bend=(70 if "render" in (start, end) else 40) if (end, start) in pairs else 0,
        )
        for start, end, label in MESSAGES
    ]
    return _svg("Four services and their messages", (1040, 300), SERVICES, arrows, set())


BENDS: Mapping[tuple[str, str], tuple[int, float]] = {
    ("queued", "capturing"): (-75, 0.5),
    ("queued", "refunding"): (30, 0.5),
    ("reserving", "refunding"): (60, 0.45),
    ("rendering", "refunding"): (-235, 0.5),
    ("queued", "stopping"): (0, 0.55),
    ("stopping", "capturing"): (0, 0.5),
    ("queued", "delivering"): (35, 0.86),
    ("rendering", "delivering"): (-30, 0.62),
    ("delivering", "capturing"): (-25, 0.4),
    ("delivering", "refunding"): (-45, 0.4),
}
"""(bend in pixels, place of the label) of the arrows that would cross a box or another label."""


def _saga_arrow(start: str, end: str, names: list[str]) -> Arrow:
    bend, at = BENDS.get((start, end), (0, 0.5))
    return Arrow(STATES[start], STATES[end], tuple(names), bend, at)


def _svg(
    title: str,
    size: tuple[int, int],
    boxes: Mapping[str, tuple[int, int]],
    arrows: Iterable[Arrow],
    ends: set[str],
) -> str:
    lines, labels = [], []
    for arrow in arrows:
        path, label = _path_and_label(arrow)
        lines.append(path)
        labels.append(label)
    drawn = [_box(name, place, is_end=name in ends) for name, place in boxes.items()]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'width="{size[0]}" height="{size[1]}" aria-label="{escape(title)}">'
    )
    parts = [head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", f"<defs>{MARKER}</defs>"]
    return "\n".join([*parts, *lines, *drawn, *labels, "</svg>", ""])


def _box(name: str, place: tuple[int, int], *, is_end: bool) -> str:
    x, y = place
    kind = ' class="end"' if is_end else ""
    return (
        f'<rect{kind} x="{x - HALF_WIDTH}" y="{y - HALF_HEIGHT}" width="{2 * HALF_WIDTH}" height="{2 * HALF_HEIGHT}" '
        f'rx="6"/><text x="{x}" y="{y + 5}">{escape(name)}</text>'
    )


def _path_and_label(arrow: Arrow) -> tuple[str, str]:
    """The path of an arrow and its label: a curve through a point beside the middle."""
    (x1, y1), (x2, y2) = arrow.start, arrow.end
    length = hypot(x2 - x1, y2 - y1)
    side = (-(y2 - y1) / length * arrow.bend, (x2 - x1) / length * arrow.bend)
    middle = ((x1 + x2) / 2 + 2 * side[0], (y1 + y2) / 2 + 2 * side[1])
    start, end = _border(arrow.start, middle), _border(arrow.end, middle)
    control = (
        2 * ((x1 + x2) / 2 + side[0]) - (start[0] + end[0]) / 2,
        2 * ((y1 + y2) / 2 + side[1]) - (start[1] + end[1]) / 2,
    )
    at, left = arrow.at, 1 - arrow.at
    x, y = (left * left * s + 2 * left * at * c + at * at * e for s, c, e in zip(start, control, end, strict=True))
    points = " ".join(f"{value:.0f}" for value in (*control, *end))
    path = f'<path marker-end="url(#tip)" d="M{start[0]:.0f} {start[1]:.0f}Q{points}"/>'
    first = y + 4 - (len(arrow.label) - 1) * LINE_HEIGHT / 2
    texts = (
        f'<text class="label" x="{x:.0f}" y="{first + row * LINE_HEIGHT:.0f}">{escape(line)}</text>'
        for row, line in enumerate(arrow.label)
    )
    return path, "\n".join(texts)


def _border(box: tuple[int, int], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from the middle of a box leaves it."""
    dx, dy = towards[0] - box[0], towards[1] - box[1]
    scale = min(HALF_WIDTH / abs(dx) if dx else 1e9, HALF_HEIGHT / abs(dy) if dy else 1e9)
    return box[0] + dx * scale, box[1] + dy * scale

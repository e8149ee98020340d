"""The tables of the book that the code knows better: prices, problems, settings, messages, events, saga, decisions.

A page holds a table between ``<!-- generated: NAME -->`` and ``<!-- end -->``. ``python deploy/checks/book.py`` in the
root of the repository writes them all; ``--check`` prints each page whose table is out of date and exits 1.
"""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from book_events import public_events
from book_openai import openai_parameters
from book_pictures import saga_svg, services_svg
from book_settings import settings_tables
from links import anchor

from atelier_contracts.message import REGISTRY
from atelier_contracts.routes import ROUTES, senders_of
from atelier_gateway.surfaces.native.problem_pages import advice_for
from atelier_gateway.web.problems import PROBLEM_TYPES
from atelier_pricing import VERSION, book
from atelier_session.saga import ENDING, LOST_RACES, SAGA, TIMERS

BLOCK = re.compile(r"<!-- generated: (?P<name>[\w-]+) -->\n.*?<!-- end -->", re.DOTALL)
DECISIONS = Path("docs/decisions.md")


def prices() -> str:
    """What each kind costs, from the price book."""
    pictures = [
        _row(name, *(tariff.get(quality, "–") for quality in book.SQUARE))
        for name, tariff in (
            *((f"`{size}`", tariff) for size, tariff in book.IMAGE.items()),
            *((f"others up to {pixels:,} pixels".replace(",", " "), tariff) for pixels, tariff in book.IMAGE_TIERS),
        )
    ]
    others = [
        ("`try_on`", "–", f"{book.TRY_ON_CREDITS}"),
        *(("`product_shot`", f"`{quality}`", f"{credits}") for quality, credits in book.FORM_QUALITY.items()),
        *(("`on_model`, `flat_lay`", f"`{quality}`", f"{credits}") for quality, credits in book.STUDIO_QUALITY.items()),
        ("`narration`", "–", f"1 for each {book.NARRATION_CHARACTERS_PER_CREDIT:,} characters begun".replace(",", " ")),
    ]
    return "\n".join(
        [
            f"Price book `{VERSION}`.",
            "",
            "| kind | quality | credits for one output |",
            "|---|---|---|",
            *(f"| {kind} | {quality} | {credits} |" for kind, quality, credits in others),
            "",
            _row("`image`, credits for one picture", *(f"`{quality}`" for quality in book.SQUARE)),
            _row("---", *("---" for _ in book.SQUARE)),
            *pictures,
            "",
            f"An equal earlier result that is delivered again (`reuse: true`): {book.REUSED_CREDITS} credit an output.",
        ]
    )


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def problems() -> str:
    """Each problem type: status, code, meaning, what to do."""
    rows = (
        f'| {kind.status} | <a id="{code}"></a>`{code}` | {kind.title} | {_cell(advice_for(code, kind.status))} |'
        for code, kind in sorted(PROBLEM_TYPES.items(), key=lambda item: (item[1].status, item[0]))
    )
    return "\n".join(["| status | code | meaning | what to do |", "|---|---|---|---|", *rows])


def messages() -> str:
    """Each message on the bus: name, meaning, who sends it, which queues receive it."""
    rows = []
    for name, message in sorted(REGISTRY.items()):
        queues = [f"`{queue}`" for queue, heard in ROUTES.items() if message in heard]
        meaning = " ".join((message.__doc__ or "").split("\n\n")[0].split())
        rows.append(f"| `{name}` | {_cell(meaning)} | {', '.join(senders_of(message))} | {', '.join(queues) or '–'} |")
    return "\n".join(["| message | meaning | sent by | received by queue |", "|---|---|---|---|", *rows])


def saga() -> str:
    """Each transition of the saga, each timer, each lost race."""
    rows = []
    for state, steps in SAGA.items():
        for heard, step in steps.items():
            sends = ", ".join(f"`{kind.__name__}`" for kind in step.sends) or "–"
            to = "the end that was chosen" if step.to is ENDING else f"`{step.to}`"
            rows.append(f"| `{state}` | `{heard.__name__}` | {sends} | {to} |")
    timers = [f"| `{state}` | `{timer.__name__}` |" for state, timer in TIMERS.items()]
    races = [
        f"| `{state}` | {', '.join(f'`{name}`' for name in sorted(kind.__name__ for kind in kinds))} |"
        for state, kinds in LOST_RACES.items()
    ]
    return "\n".join(
        [
            "| in state | on | sends | next state |",
            "|---|---|---|---|",
            *rows,
            "",
            "| in state | the timer that fires |",
            "|---|---|",
            *timers,
            "",
            "| in state | messages that come too late and change nothing |",
            "|---|---|",
            *races,
        ]
    )


def decisions() -> str:
    """The list of decisions, each a link to its section."""
    titles = re.findall(r"^## (\d+)\. (.+)$", DECISIONS.read_text(), re.MULTILINE)
    return "\n".join(f"- [{number}. {title}](#{anchor(f'{number}. {title}')})" for number, title in titles)


BLOCKS: Mapping[str, Callable[[], str]] = {
    "prices": prices,
    "problems": problems,
    "messages": messages,
    "public-events": public_events,
    "openai-parameters": openai_parameters,
    "saga": saga,
    "settings": settings_tables,
    "decisions": decisions,
}


PICTURES: Mapping[str, Callable[[], str]] = {
    "docs/pictures/saga.svg": saga_svg,
    "docs/pictures/services.svg": services_svg,
}


def rewritten(text: str) -> str:
    """The page with each of its generated tables made again. Raises KeyError for a name that no generator makes."""
    return BLOCK.sub(
        lambda found: f"<!-- generated: {found['name']} -->\n{BLOCKS[found['name']]()}\n<!-- end -->", text
    )


def find_outdated(root: Path) -> Iterator[tuple[Path, str]]:
    """Each page and picture of the book that differs from what the code says, and what it should be."""
    for page in sorted((root / "docs").rglob("*.md")):
        text = page.read_text()
        if (current := rewritten(text)) != text:
            yield page, current
    for name, draw in PICTURES.items():
        picture = root / name
        if not picture.is_file() or picture.read_text() != draw():
            yield picture, draw()


def main(arguments: list[str]) -> int:
    """Command line: write, or compare with ``--check``."""
    pages = list(find_outdated(Path.cwd()))
    for page, text in pages:
        if "--check" in arguments:
            sys.stdout.write(f"{page.relative_to(Path.cwd())} is out of date: run python deploy/checks/book.py\n")
        else:
            page.write_text(text)
    return 1 if pages and "--check" in arguments else 0


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

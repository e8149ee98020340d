"""Draws the saga's table as a Mermaid state diagram into ``docs/design/saga.md``.

``python -m atelier_session.diagram`` writes it; ``--check`` fails when the picture and the table differ.
"""

import sys
from pathlib import Path

from atelier_session.generation import State
from atelier_session.saga import ENDING, SAGA, TERMINAL

PAGE = Path(__file__).resolve().parents[4] / "docs" / "design" / "saga.md"
BEGIN, END = "<!-- saga diagram: begin -->", "<!-- saga diagram: end -->"
REFUND_ENDS = (State.FAILED, State.CANCELLED, State.EXPIRED)


def mermaid() -> str:
    """The diagram, one arrow a transition, labelled with its trigger and the messages it sends."""
    lines = ["```mermaid", "stateDiagram-v2"]
    for state, steps in SAGA.items():
        for trigger, step in steps.items():
            label = (
                f"{trigger.__name__} / {', '.join(kind.__name__ for kind in step.sends)}"
                if step.sends
                else trigger.__name__
            )
            for to in REFUND_ENDS if step.to is ENDING else (step.to,):
                lines.append(f"    {'[*]' if state is State.NEW else state} --> {to}: {label}")
    lines += [f"    {state} --> [*]" for state in sorted(TERMINAL)]
    return "\n".join([*lines, "```"])


def redraw(text: str) -> str:
    """``text`` with a new diagram between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{mermaid()}\n{END}{after}"


def main(arguments: list[str]) -> int:
    """Command line: write, or compare with ``--check``."""
    current = PAGE.read_text()
    if "--check" in arguments:
        if redraw(current) == current:
            return 0
        sys.stdout.write("docs/design/saga.md does not match the saga: run `python -m atelier_session.diagram`\n")
        return 1
    PAGE.write_text(redraw(current))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

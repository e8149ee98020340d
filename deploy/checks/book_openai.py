"""The table of OpenAI's operations and parameters: what each does here, or why it is refused."""

from collections.abc import Iterator

from atelier_gateway.surfaces.openai.parameters import OPERATIONS, Parameter


def openai_parameters() -> str:
    """A row for each method of the SDK without a route, if there are such, then a table for each method with one."""
    absent = [f"| `{name}` | {known.refusal} |" for name, known in OPERATIONS.items() if not known.route]
    tables = ["| not offered | instead |", "|---|---|", *absent] if absent else []
    for name, known in OPERATIONS.items():
        if known.route:
            tables += [""] if tables else []
            tables += [
                f"| `{name}`: `{known.method} {known.route}` | effect | refused, with its reason |",
                "|---|---|---|",
            ]
            tables += [_row(parameter, said) for parameter, said in sorted(known.parameters.items())]
    return "\n".join(tables)


def _row(name: str, known: Parameter) -> str:
    return f"| `{name}` | {known.effect or '–'} | {'; '.join(_refusals(known)) or '–'} |"


def _refusals(known: Parameter) -> Iterator[str]:
    if known.refusal:
        yield f"any value: {known.refusal}"
    reasons: dict[str, list[str]] = {}
    for value, why in known.refused.items():
        reasons.setdefault(why, []).append(f"`{value.lower()}`")
    for why, values in reasons.items():
        yield f"{', '.join(values)}: {why}"

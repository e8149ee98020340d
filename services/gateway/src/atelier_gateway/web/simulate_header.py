"""``X-Atelier-Simulate``: what a test asks the simulator to pretend. In production it is for test accounts alone."""

from pydantic import ValidationError

from atelier_contracts import Owner, RenderSpec, Simulation
from atelier_gateway.web.field_errors import problem_of
from atelier_gateway.web.problems import Problem

SIMULATE_HEADER = "X-Atelier-Simulate"


def parse_simulation(header: str | None, *, allowed: bool) -> Simulation | None:
    """``outcome=succeed|fail|timeout|lost_response|corrupt|partial:2, delay_ms=500, picture=none`` as a value.

    Raises Problem 400 where the simulator is off or the header cannot be read.
    """
    if header is None:
        return None
    if not allowed:
        raise Problem("simulator_off", f"{SIMULATE_HEADER} is taken only where ATELIER_SIMULATOR=on.")
    fields: dict[str, object] = {}
    for part in header.split(","):
        name, _, value = (text.strip() for text in part.partition("="))
        if name in fields:
            raise _unreadable(f"{name} is given twice")
        fields[name] = value
    return _read(fields)


def spec_for(owner: Owner, spec: RenderSpec) -> RenderSpec:
    """What render gets: of a test account always something simulated."""
    return spec.model_copy(update={"simulate": Simulation()}) if owner.is_test and spec.simulate is None else spec


def _read(fields: dict[str, object]) -> Simulation:
    outcome, _, delivered = str(fields.pop("outcome", "succeed")).partition(":")
    picture = fields.pop("picture", "made")
    delay_ms = fields.pop("delay_ms", "0")
    if fields:
        raise _unreadable(f"unknown word {next(iter(fields))!r}")
    if picture not in ("made", "none"):
        raise _unreadable("picture is made or none")
    if (outcome == "partial") != bool(delivered):
        raise _unreadable("partial, and only partial, names how many are made: partial:2")
    values = {"outcome": outcome, "delivered": delivered or None, "delay_ms": delay_ms, "picture": picture == "made"}
    try:
        return Simulation.model_validate(values)
    except ValidationError as error:
        raise _unreadable(problem_of(error.errors(include_url=False)).detail) from None


def _unreadable(why: str) -> Problem:
    return Problem("invalid_request", f"{SIMULATE_HEADER}: {why}.")

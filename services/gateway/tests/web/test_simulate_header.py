"""X-Atelier-Simulate: what can be said in it, and that it says nothing where the simulator is off."""

import pytest

from atelier_contracts import Simulation
from atelier_gateway.web.problems import Problem
from atelier_gateway.web.simulate_header import parse_simulation


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("outcome=succeed", Simulation()),
        ("outcome=fail,delay_ms=500", Simulation(outcome="fail", delay_ms=500)),
        (" outcome = partial:2 , picture = none ", Simulation(outcome="partial", delivered=2, picture=False)),
        ("delay_ms=20", Simulation(delay_ms=20)),
        ("outcome=lost_response", Simulation(outcome="lost_response")),
    ],
)
def test_the_header_says_what_shall_be_pretended(header: str, meant: Simulation) -> None:
    assert parse_simulation(header, allowed=True) == meant


@pytest.mark.parametrize(
    "header",
    ["", "outcome", "outcome=explode", "outcome=partial", "outcome=succeed:2", "outcome=partial:11", "delay_ms=-1",
     "delay_ms=x", "delay_ms=99999999", "picture=yes", "provider=openai", "outcome=fail,outcome=succeed"],
)  # fmt: skip
def test_anything_else_is_refused(header: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_simulation(header, allowed=True)

    assert (refused.value.code, refused.value.status) == ("invalid_request", 400)
    assert "Input" not in refused.value.detail


def test_where_the_simulator_is_off_the_header_is_refused_and_its_absence_is_fine() -> None:
    with pytest.raises(Problem) as refused:
        parse_simulation("outcome=succeed", allowed=False)

    assert (refused.value.code, refused.value.status) == ("simulator_off", 400)
    assert parse_simulation(None, allowed=False) is None

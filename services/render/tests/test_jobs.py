"""Which lane a job takes, and the events of its end."""

from collections.abc import Callable

import pytest

from atelier_contracts import RequestRender, Simulation
from atelier_contracts.value_objects import id_of_test_account
from atelier_render.jobs import Completion, Failure, Job, Lane, lane_of

Ask = Callable[..., RequestRender]


@pytest.mark.parametrize(
    ("simulate", "lane"),
    [
        (None, "paced"),
        (Simulation(), "paced"),
        (Simulation(picture=False), "instant"),
        (Simulation(picture=False, outcome="partial"), "instant"),
        (Simulation(picture=False, outcome="fail"), "instant"),
        (Simulation(picture=False, delay_ms=1), "paced"),
        (Simulation(picture=False, outcome="timeout"), "paced"),
        (Simulation(picture=False, outcome="lost_response"), "paced"),
        (Simulation(picture=False, outcome="corrupt"), "paced"),
    ],
)
def test_only_what_neither_waits_nor_draws_is_instant(ask: Ask, simulate: Simulation | None, lane: Lane) -> None:
    assert _lane(ask(simulate=simulate), simulator=True) == lane


def test_without_the_simulator_nothing_is_instant(ask: Ask) -> None:
    assert _lane(ask(simulate=Simulation(picture=False)), simulator=False) == "paced"


def test_of_a_test_account_all_is_simulated_also_where_the_simulator_is_off(ask: Ask) -> None:
    instant, paced = ask(simulate=Simulation(picture=False)), ask(simulate=None)

    assert [_lane(_of_test_account(each), simulator=False) for each in (instant, paced)] == ["instant", "paced"]


def _of_test_account(request: RequestRender) -> RequestRender:
    owner = request.owner.model_copy(update={"id": id_of_test_account(request.owner.id)})
    return request.model_copy(update={"owner": owner})


def _lane(request: RequestRender, *, simulator: bool) -> Lane:
    return lane_of(request.owner, request.spec, simulator=simulator)


def test_each_attempt_has_a_provider_key_of_its_own(ask: Ask) -> None:
    request = ask()

    keys = {job(request, attempt).key for attempt in (1, 2)}

    assert keys == {f"{request.generation_id}-1", f"{request.generation_id}-2"}


def test_a_completion_says_how_many_of_how_many_and_who_made_them(ask: Ask) -> None:
    event = Completion(job(ask(n=4)), "simulator", 2).event()

    assert (event.delivered, event.requested, event.provider) == (2, 4, "simulator")


def test_a_cancelled_job_is_not_a_failed_one(ask: Ask) -> None:
    states = [Failure(job(ask()), None, code, "why").state for code in ("cancelled", "provider_failed")]

    assert states == ["cancelled", "failed"]


def job(request: RequestRender, attempt: int = 1) -> Job:
    return Job(request.generation_id, attempt, request.owner, request.spec, "paced", None, 60.0)

"""Which faults come next, and which goals are not reached, without a running system."""

import random
from collections.abc import Iterable
from datetime import UTC, datetime

from chaos.faults import deck
from chaos.schedule import OTHERS_A_TURN, SERVICES, STATES, STEPS, FaultOutcome, Goals, Progress, next_turn

NAMES = sorted(deck())
AT_A_STEP = {f"kill {service} {step}" for service in SERVICES for step in STEPS}
KILLS = {name for name in NAMES if name.startswith("kill ")}


def _outcomes(names: Iterable[str], *, done: bool = True) -> list[FaultOutcome]:
    return [FaultOutcome(name, 0.0, datetime.now(UTC), "as told", is_done=done) for name in names]


def test_without_goals_each_fault_is_done_once() -> None:
    assert next_turn(Progress(), Goals(), NAMES, random.Random(1)) == []


def test_steps_that_lack_kills_come_first_among_a_few_other_faults() -> None:
    met = _outcomes(AT_A_STEP - {"kill render after_ack", "kill gateway before_publish"})

    turn = next_turn(Progress(met), Goals(kills=500, each=1), NAMES, random.Random(1))

    assert {name for name in turn if name in KILLS} == {"kill render after_ack", "kill gateway before_publish"}
    assert len(turn) == 2 + OTHERS_A_TURN


def test_a_process_of_which_a_state_lacks_kills_comes_next() -> None:
    states = {(service, state): 1 for service in SERVICES for state in STATES} | {("billing", "capturing"): 0}

    turn = next_turn(Progress(_outcomes(AT_A_STEP), states=states), Goals(each=1), NAMES, random.Random(1))

    assert {name for name in turn if name in KILLS} == {name for name in KILLS if name.startswith("kill billing")}


def test_then_all_kills_until_there_are_enough_generations() -> None:
    goals = Goals(generations=10)

    assert set(next_turn(Progress(generations=9), goals, NAMES, random.Random(1))) >= KILLS
    assert next_turn(Progress(generations=10), goals, NAMES, random.Random(1)) == []


def test_only_kills_that_were_done_count() -> None:
    progress = Progress(
        [*_outcomes(["kill session", "freeze broker"]), *_outcomes(["kill session after_ack"], done=False)]
    )

    assert progress.kills == 1
    assert list(progress.lacking(Goals(generations=1, kills=2)))[:2] == ["0 generations of 1", "1 kills of 2"]
    assert ("session", "after_ack") in progress.lacking_steps(Goals(each=1))


def test_a_kill_at_a_step_or_while_another_is_frozen_is_one_of_its_process() -> None:
    alone, at_step, frozen, broker, everything = _outcomes(
        ["kill session", "kill session after_ack", "kill session while the broker is frozen", "kill broker",
         "kill all services"]
    )  # fmt: skip

    assert [it.killed for it in (alone, at_step, frozen)] == ["session"] * 3
    assert [it.killed for it in (broker, everything)] == [None, None]
    assert [it.cell for it in (alone, at_step, frozen)] == [None, ("session", "after_ack"), None]

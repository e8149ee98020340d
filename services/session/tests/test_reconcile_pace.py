"""Comparisons by the schedule take a small share of the time; one that an operator waits for does not rest."""

from atelier_session.reconcile.pace import Pace

SHARE = 0.04


class Clock:
    """Moves when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_after_a_page_a_recent_run_rests_for_its_share_of_the_time() -> None:
    clock = Clock()
    pace = Pace(SHARE, clock)
    began = clock.now
    assert pace.may_go_on("recent")

    clock.now += 2.0
    pace.note_page("recent", 2.0)
    pace.note_end("recent")  # the rest also holds up the next run: it may be a page long, too

    clock.now = began + 2.0 / SHARE - 0.1
    assert not pace.may_go_on("recent")
    clock.now = began + 2.0 / SHARE + 0.1
    assert pace.may_go_on("recent")


def test_a_run_that_an_operator_waits_for_goes_on_until_it_has_ended() -> None:
    pace = Pace(SHARE, Clock())
    pace.note_page("recent", 2.0)

    pace.hurry("recent")

    pace.note_page("recent", 2.0)
    assert pace.may_go_on("recent")
    pace.note_end("recent")
    assert not pace.may_go_on("recent")


def test_thorough_runs_rest_between_their_rounds_alone() -> None:
    pace = Pace(SHARE, Clock())
    pace.note_page("full", 60.0)

    assert pace.may_go_on("full")

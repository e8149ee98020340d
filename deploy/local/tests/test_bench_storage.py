"""From what was read of a stack to tables: bytes of a generation, dead rows, memory."""

from atelier_local.bench.endurance import Endurance, StackState, TableState, dead_rows_table, memory_lines
from atelier_local.bench.storage import Growth, LogShare, Relation, growth_table, log_table
from atelier_local.launcher.profile import SERVICES


def test_the_log_is_added_up_by_table_rows_apart_from_indexes() -> None:
    log = [
        LogShare("billing", "holds", "Heap INSERT", 1, 150, 0),
        LogShare("billing", "holds", "Heap UPDATE", 1, 90, 8),
        LogShare("billing", "holds.holds_pkey", "Btree INSERT_LEAF", 2, 160, 0),
        LogShare("", "all else", "Transaction COMMIT", 4, 500, 0),
    ]

    lines = log_table(log)

    assert lines[2:] == [
        "| all else | 4.0 | 500 | 0 | 500 | 0 |",
        "| billing `holds` | 4.0 | 240 | 160 | 400 | 8 |",
        "| **all** | 8.0 |  |  | 900 | 8 |",
    ]


def test_a_table_is_shown_with_its_indexes_and_one_that_did_not_grow_is_left_out() -> None:
    growth = [
        Growth(Relation("billing", "holds", "holds", False, 0), 220.4, 150.0),
        Growth(Relation("billing", "holds", "holds_pkey", True, 0), 80.0, 40.0),
        Growth(Relation("billing", "grants", "grants", False, 0), 0.0, 0.0),
    ]

    assert growth_table(growth)[2:] == [
        "| billing `holds` | 300 | 190 | 150 | holds_pkey 40 |",
        "| **all** | 300 | 190 |  |  |",
    ]


def test_dead_rows_are_compared_between_the_halves_and_updates_in_place_are_those_of_the_run() -> None:
    states = [_state(number, dead=dead) for number, dead in enumerate((0, 100, 300, 200, 250))]

    lines = dead_rows_table(Endurance(states))

    assert lines[2:] == ["| billing `holds` | 1 000 | 300 | 300 | 0.0 | 4.0 | 50% |"]


def test_memory_is_compared_with_that_after_a_tenth_of_the_generations() -> None:
    states = [_state(0, memory=90), _state(1, memory=100), _state(10, memory=105)]

    assert memory_lines(Endurance(states))[0] == (
        f"{SERVICES[0]}: 100 MB after 1000 generations, 105 MB after 10000 (+5.0%)"
    )


def _state(number: int, *, dead: int = 0, memory: int = 100) -> StackState:
    held = TableState(1_000, dead, number * 1_000_000, 100 * number, 50 * number)
    memory_of = dict.fromkeys(SERVICES, memory * 1_000_000)
    return StackState(number * 1_000, number * 60.0, {("billing", "holds"): held}, memory_of)

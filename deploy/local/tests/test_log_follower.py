"""One stream of many logs."""

from pathlib import Path

import pytest
from rich.console import Console

from atelier_local.errors import StackError
from atelier_local.launcher.log_follower import _Tail, follow, log_files


def test_each_line_carries_the_name_of_its_part(tmp_path: Path) -> None:
    (tmp_path / "billing.log").write_text("one\ntwo\nthree\n")
    (tmp_path / "gateway.log").write_text("[link=x]four\n")
    console = Console(record=True, width=80, highlight=False)

    follow(console, log_files(tmp_path, ()), lines=2, once=True)

    assert console.export_text().split("\n")[:3] == ["billing two", "billing three", "gateway [link=x]four"]


def test_half_a_line_waits_for_its_end_and_a_log_may_begin_again(tmp_path: Path) -> None:
    log = tmp_path / "billing.log"
    log.write_text("whole\nha")
    tail = _Tail(log, name=None)  # type: ignore[arg-type]

    assert tail.more() == ["whole"]
    log.write_text("whole\nhalf\n")
    assert tail.more() == ["half"]
    log.write_text("new\n")
    assert tail.more() == ["new"]


def test_a_part_without_a_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="no log of teapot"):
        log_files(tmp_path, ["teapot"])

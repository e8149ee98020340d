"""exported_metrics.py tells a metric that is not exported from one that waits for its first event."""

import pytest
from exported_metrics import BROUGHT_BY, Finding, find_missing, list_used, main, read_exposition

TEXT = """\
# HELP atelier_requests_total HTTP requests
# TYPE atelier_requests_total counter
# HELP atelier_outbox_pending Rows
# TYPE atelier_outbox_pending gauge
atelier_outbox_pending 0.0
# HELP atelier_batch_seconds One batch
# TYPE atelier_batch_seconds histogram
atelier_batch_seconds_bucket{le="+Inf",queue="a"} 1.0
atelier_batch_seconds_count{queue="a"} 1.0
atelier_batch_seconds_sum{queue="a"} 0.5
"""


def test_what_is_declared_without_a_sample_comes_with_its_cause_and_what_nobody_declares_with_none() -> None:
    names = ("atelier_requests_total", "atelier_outbox_pending", "atelier_batch_seconds", "atelier_gone_total")
    used = dict.fromkeys(names, ("a panel",))

    assert find_missing(used, [read_exposition(TEXT), read_exposition("")]) == [
        Finding("atelier_requests_total", ("a panel",), BROUGHT_BY["atelier_requests_total"]),
        Finding("atelier_gone_total", ("a panel",), None),
    ]


def test_every_place_that_uses_a_metric_is_named_and_a_histogram_goes_by_its_own_name() -> None:
    used = list_used()

    assert "OutboxNotDraining" in used["atelier_outbox_pending"]
    assert "delivery-and-renders: One batch: claim, handle, commit" in used["atelier_batch_seconds"]
    assert not [name for name in used if name.endswith("_bucket")]


def test_a_cause_is_kept_for_no_metric_that_nothing_uses() -> None:
    assert BROUGHT_BY.keys() - list_used().keys() == set()


def test_a_target_that_does_not_answer_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gateway=http://127.0.0.1:1"]) == 2
    assert "failed" in capsys.readouterr().err

"""Every alert fires on its cause, clears after it and is silent on a near miss: Debian's ``promtool`` says so."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

Case = dict[str, Any]

RULES = Path(__file__).resolve().parents[1] / "prometheus/alerts.yml"
# Read as text: ``0x40`` is a series here, and elsewhere in YAML the number 64.
CASES: dict[str, list[Case]] = {
    alert: cases
    for path in sorted((Path(__file__).parent / "alert_cases").glob("*.yml"))
    for alert, cases in yaml.load(path.read_text(), yaml.BaseLoader).items()
}
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
}
STEP = "1m"
VALUE = re.compile(r"\{\{ \$(?:labels\.)?(\w+) \}\}")


def run_promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """What it says; the test fails where the machine does not have it."""
    program = shutil.which("promtool")
    if program is None:
        pytest.fail("promtool is not installed, and alert rules are tested with it: deploy/local/bootstrap.sh --tests")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)


def run_tests(tests: list[dict[str, Any]], folder: Path) -> subprocess.CompletedProcess[str]:
    """Rules are evaluated as often as the tests' series have a value."""
    file = folder / "cases.yml"
    rules = {"rule_files": [str(RULES)], "evaluation_interval": tests[0]["interval"]}
    file.write_text(yaml.safe_dump(rules | {"tests": tests}))
    return run_promtool("test", "rules", file)


def expected_alert(alert: str, fires: dict[str, Any]) -> dict[str, Any]:
    """The alert as it is sent: labels of the case and the rule, annotations with the values in their places."""
    rule, labels = ALERTS[alert], fires.get("labels", {})
    words = labels | {"value": fires.get("value")}
    annotations = {name: VALUE.sub(lambda found: words[found[1]], text) for name, text in rule["annotations"].items()}
    return {"exp_labels": labels | rule["labels"], "exp_annotations": annotations}


def promtool_tests(alert: str, case: Case) -> list[dict[str, Any]]:
    """A case in the form that promtool reads."""
    looks = [
        {"eval_time": case["fires"]["at"], "alertname": alert, "exp_alerts": [expected_alert(alert, case["fires"])]},
        {"eval_time": case["clears"], "alertname": alert, "exp_alerts": []},
    ]
    step = case.get("step", STEP)
    tests = [{"interval": step, "input_series": series_of(case["series"]), "alert_rule_test": looks}]
    if "silent" in case:
        look = {"eval_time": case["silent"]["at"], "alertname": alert, "exp_alerts": []}
        series = series_of(case["silent"]["series"])
        tests.append({"interval": step, "input_series": series, "alert_rule_test": [look]})
    return tests


def series_of(values: dict[str, str]) -> list[dict[str, str]]:
    return [{"series": name, "values": steps} for name, steps in values.items()]


def test_every_alert_has_a_case_that_fires_and_one_that_stays_silent() -> None:
    assert CASES.keys() == ALERTS.keys()
    assert [alert for alert, cases in CASES.items() if not any("silent" in case for case in cases)] == []


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_fires_on_its_cause_clears_after_it_and_is_silent_otherwise(alert: str, tmp_path: Path) -> None:
    tests = [test for case in CASES[alert] for test in promtool_tests(alert, case)]

    done = run_tests(tests, tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_that_expects_what_does_not_happen_fails(tmp_path: Path) -> None:
    tests = promtool_tests("DeadLetters", CASES["DeadLetters"][0])
    tests[0]["alert_rule_test"][1]["eval_time"] = "7m"  # not clear yet

    done = run_tests(tests, tmp_path)

    assert done.returncode == 1
    assert "alertname: DeadLetters, time: 7m" in done.stdout + done.stderr


def test_prometheus_reads_the_rules_as_they_are() -> None:
    done = run_promtool("check", "rules", RULES)

    assert done.returncode == 0, done.stdout + done.stderr


def test_without_promtool_a_test_fails_and_says_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(pytest.fail.Exception, match=r"bootstrap\.sh --tests"):
        run_promtool("check", "rules", RULES)

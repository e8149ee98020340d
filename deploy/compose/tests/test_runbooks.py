"""Every alert has its runbook, and a runbook's commands are there to be typed."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from atelier_local.cli import app

COMPOSE_DIR = Path(__file__).resolve().parents[1]
PAGE = "docs/operations/runbooks.md"
TEXT = (COMPOSE_DIR.parents[1] / PAGE).read_text()
SECTION = re.compile(r"^### (\w+)\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"`atelier ([^`]+)`")
PARTS = ["Customers notice", "First", "Causes", "Clears"]


def alert_rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((COMPOSE_DIR / "prometheus/alerts.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def sections() -> dict[str, str]:
    return dict(SECTION.findall(TEXT))


def find_unknown_word(words: list[str]) -> str | None:
    """The first word that is no command, group or option; what stands for a value is written in capitals."""
    command: Any = typer.main.get_command(app)
    for word in words:
        if hasattr(command, "get_command"):
            command = command.get_command(typer.Context(command), word)
            if command is None:
                return word
        elif word.startswith("--") and not any(word in option.opts for option in command.params):
            return word
    return None


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    assert {name: rule["annotations"]["runbook"] for name, rule in alert_rules().items()} == {
        name: f"{PAGE}#{name.lower()}" for name in sections()
    }


@pytest.mark.parametrize("alert", sorted(alert_rules()))
def test_a_runbook_says_severity_what_customers_notice_what_to_do_first_causes_and_when_it_clears(alert: str) -> None:
    text = sections()[alert]

    assert text.strip().startswith(f"*{alert_rules()[alert]['labels']['severity']}* · ")
    assert re.findall(r"^- \*\*([^*]+)\*\*: \S", text, re.MULTILINE) == PARTS


def test_every_command_of_a_runbook_exists() -> None:
    commands = COMMAND.findall(TEXT)

    assert len(commands) > 20
    assert [command for command in commands if find_unknown_word(command.split())] == []


@pytest.mark.parametrize("command", ["rescue", "admin explian ID", "admin reconcile --fix"])
def test_a_command_that_does_not_exist_is_found(command: str) -> None:
    assert find_unknown_word(command.split())


def test_every_setting_that_a_runbook_names_is_described() -> None:
    settings = (COMPOSE_DIR.parents[1] / "docs/operations/settings.md").read_text()

    assert [name for name in re.findall(r"`(ATELIER_\w+)`", TEXT) if f"`{name}`" not in settings] == []

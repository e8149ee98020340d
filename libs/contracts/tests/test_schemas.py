"""The stored schemas are those of the code, and a change that breaks a reader is called by its name."""

import json
from pathlib import Path
from typing import Any

import pytest

from atelier_contracts import schemas
from atelier_contracts.message import REGISTRY
from atelier_contracts.schemas import find_breaking_changes

OLD: dict[str, Any] = {
    "properties": {
        "generation_id": {"type": "string", "format": "uuid"},
        "credits": {"type": "integer", "description": "Credits held.", "default": 0},
        "owner": {"$ref": "#/$defs/Owner"},
    },
    "required": ["generation_id"],
    "$defs": {"Owner": {"properties": {"kind": {"enum": ["store", "user"]}}, "required": ["kind"]}},
}


def test_the_stored_schemas_are_those_of_the_code() -> None:
    assert schemas.differences() == []


def test_one_schema_is_stored_for_every_message() -> None:
    assert {path.stem for path in schemas.SCHEMA_DIR.glob("*.json")} == set(REGISTRY)


def test_a_removed_field_breaks() -> None:
    new = _schema_with("properties", {"generation_id": OLD["properties"]["generation_id"], "owner": {}})

    assert "field credits was removed" in find_breaking_changes(OLD, new)


def test_a_field_that_becomes_required_breaks() -> None:
    new = _schema_with("required", ["generation_id", "credits"])

    assert find_breaking_changes(OLD, new) == ["field credits became required"]


def test_a_new_field_that_is_required_breaks() -> None:
    new = _schema_with("properties", {**OLD["properties"], "reason": {"type": "string"}})
    new["required"] = ["generation_id", "reason"]

    assert find_breaking_changes(OLD, new) == ["field reason became required"]


def test_a_changed_type_breaks() -> None:
    new = _schema_with("properties", {**OLD["properties"], "credits": {"type": "string", "default": 0}})

    assert find_breaking_changes(OLD, new) == ["field credits changed its type"]


def test_a_change_inside_a_noun_breaks_too() -> None:
    new = _schema_with("$defs", {"Owner": {"properties": {}, "required": []}})

    assert find_breaking_changes(OLD, new) == ["field Owner.kind was removed"]


def test_a_list_of_words_may_grow() -> None:
    new = _schema_with("$defs", {"Owner": {"properties": {"kind": {"enum": ["store", "user", "team"]}}}})

    assert find_breaking_changes(OLD, new) == []


@pytest.mark.parametrize("kind", [{"enum": ["store"]}, {"enum": ["store", "team"]}, {"type": "string"}])
def test_a_list_of_words_may_not_lose_one(kind: dict[str, Any]) -> None:
    new = _schema_with("$defs", {"Owner": {"properties": {"kind": kind}}})

    assert find_breaking_changes(OLD, new) == ["field Owner.kind changed its type"]


def test_an_added_optional_field_is_safe() -> None:
    new = _schema_with("properties", {**OLD["properties"], "reason": {"anyOf": [{"type": "string"}, {"type": "null"}]}})

    assert find_breaking_changes(OLD, new) == []


def test_other_words_are_safe() -> None:
    credits = {"type": "integer", "description": "How many are held.", "title": "Credits", "default": 0}

    assert find_breaking_changes(OLD, _schema_with("properties", {**OLD["properties"], "credits": credits})) == []


@pytest.mark.parametrize("default", [{"default": 1}, {}])
def test_another_default_breaks_a_reader_for_messages_leave_out_what_has_it(default: dict[str, int]) -> None:
    credits = {"type": "integer", "description": "Credits held."} | default

    new = _schema_with("properties", {**OLD["properties"], "credits": credits})

    assert find_breaking_changes(OLD, new) == ["field credits changed its default"]


def test_the_check_names_a_removed_message_a_new_one_and_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schemas, "SCHEMA_DIR", tmp_path)
    schemas.write()
    (tmp_path / "billing.credit_refunded.v1.json").rename(tmp_path / "billing.credit_thrown.v1.json")
    broken = schemas.schema_of("billing.credit_captured.v1")
    broken["properties"]["tip"] = {"type": "integer"}
    (tmp_path / "billing.credit_captured.v1.json").write_text(json.dumps(broken))

    status = schemas.main(["--check"])

    said = capsys.readouterr().out
    assert status == 1
    assert "billing.credit_thrown.v1: BREAKING: the message was removed" in said
    assert "billing.credit_refunded.v1: new message, not written yet" in said
    assert "billing.credit_captured.v1: BREAKING: field tip was removed; give it a new version" in said


def test_writing_makes_the_check_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas, "SCHEMA_DIR", tmp_path)
    (tmp_path / "billing.credit_thrown.v1.json").write_text("{}")

    schemas.main([])

    assert schemas.main(["--check"]) == 0


def _schema_with(part: str, value: object) -> dict[str, Any]:
    return {**OLD, part: value}

"""The page of the public events, from their AsyncAPI document: each with its fields and an example."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from atelier_contracts.asyncapi import document

ATTRIBUTE_PREFIX = "cloudEvents:"


def public_events() -> str:
    """The attributes that all events have, then a section for each event."""
    messages: Mapping[str, dict[str, Any]] = document()["components"]["messages"]
    first = next(iter(messages.values()))
    parts = ["## Attributes", "", "Headers of each message.", "", *_attributes(first["headers"]["schema"])]
    for type, message in messages.items():
        example = json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False)
        fields = list(_fields(message["payload"]["schema"], ""))
        parts += ["", f"## `{type}`", "", _cell(message["summary"]), "", "| field | type | meaning |", "|---|---|---|"]
        parts += [*fields, "", "```json", example, "```"]
    return "\n".join(parts)


def _attributes(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from ("| header | type | meaning |", "|---|---|---|")
    for name, attribute in schema["properties"].items():
        always = "" if name in schema["required"] else " Not always there."
        meaning = attribute.get("description") or MEANINGS[name.removeprefix(ATTRIBUTE_PREFIX)]
        yield f"| `{name}` | {_type_of(attribute)} | {_cell(meaning + always)} |"


MEANINGS: Mapping[str, str] = {
    "specversion": "`1.0`",
    "id": "The event: handle each once.",
    "source": "The installation.",
    "type": "The event's name and version, as below.",
    "time": "When it happened.",
    "dataschema": "Address of the JSON Schema of the data.",
}


def _fields(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """A row for each field; those of objects in it have paths such as `owner.id` and `outputs[].size`."""
    for name, field in schema["properties"].items():
        optional = "" if name in schema.get("required", ()) else " Not always there."
        yield f"| `{path}{name}` | {_type_of(field)} | {_cell(field.get('description', '') + optional)} |"
        inner, suffix = (field["items"], "[]") if field.get("type") == "array" else (field, "")
        if "properties" in inner:
            yield from _fields(inner, f"{path}{name}{suffix}.")


def _type_of(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type_of(choice) for choice in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type_of(schema['items'])}"
    return str(schema.get("format") or schema["type"])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")

"""The AsyncAPI document of the public events, generated from their models.

``python -m atelier_contracts.asyncapi`` writes the copy in the repository; ``--check`` fails when it and the code
differ, and names a breaking change as such: within a version a subscriber must be able to read every later event.
"""

import json
import sys
from pathlib import Path
from typing import Any

from atelier_contracts.public_event_examples import EXAMPLES
from atelier_contracts.public_events import PUBLIC_EVENTS, SUBSCRIPTIONS, PublicEvent

FILE = Path(__file__).resolve().parents[2] / "asyncapi.json"
EXAMPLE_HOST = "atelier.example"
JSON_SCHEMA = "application/schema+json;version=draft-07"
DRAFT = "http://json-schema.org/draft-07/schema#"
ABOUT = (
    "Facts about generations and credits. One AMQP message is one CloudEvents 1.0 event in binary mode: attributes are "
    "headers, the body is the JSON data. Delivery is at least once, in the order of the attribute `sequence`; handle "
    "each `id` once."
)
CREDENTIALS = "The user and password that `atelier admin subscriptions create` printed; they read this one queue."


def public_schema(type: str, root: str) -> dict[str, Any]:
    """JSON Schema of the data of one public event, without references. ``root`` is the public URL of the gateway."""
    schema = PUBLIC_EVENTS[type].model_json_schema()
    definitions = schema.pop("$defs", {})
    return {"$schema": DRAFT, "$id": f"{root}/schemas/{type}.json", **_inlined(schema, definitions)}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return _inlined({**target, **{key: value for key, value in schema.items() if key != "$ref"}}, definitions)
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def document(*, root: str = f"https://{EXAMPLE_HOST}", broker: str = f"broker.{EXAMPLE_HOST}:5672") -> dict[str, Any]:
    """AsyncAPI 3.1. ``root`` is the gateway's public URL, ``broker`` the host and port that subscribers connect to."""
    return {
        "asyncapi": "3.1.0",
        "id": f"{root}/asyncapi.json",
        "info": {
            "title": "Atelier public events",
            "version": "1.0.0",
            "description": ABOUT,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": broker,
                "protocol": "amqp",
                "protocolVersion": "0.9.1",
                "description": "RabbitMQ",
                "security": [{"$ref": "#/components/securitySchemes/subscriber"}],
            }
        },
        "channels": {"subscription": _channel()},
        "operations": {
            "receiveEvents": {
                "action": "receive",
                "channel": {"$ref": "#/channels/subscription"},
                "summary": f"Receive the events of a subscription; they come through the exchange {SUBSCRIPTIONS}.",
                "messages": [{"$ref": f"#/channels/subscription/messages/{type}"} for type in PUBLIC_EVENTS],
            }
        },
        "components": {
            "messages": {type: _message(kind, root) for type, kind in PUBLIC_EVENTS.items()},
            "securitySchemes": {"subscriber": {"type": "userPassword", "description": CREDENTIALS}},
        },
    }


def _channel() -> dict[str, Any]:
    queue = {"name": "subscriptions.{name}", "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "address": "subscriptions.{name}",
        "title": "The queue of one subscription",
        "parameters": {"name": {"description": "The name of the subscription."}},
        "messages": {type: {"$ref": f"#/components/messages/{type}"} for type in PUBLIC_EVENTS},
        "bindings": {"amqp": {"is": "queue", "queue": queue, "bindingVersion": "0.3.0"}},
    }


def _message(kind: type[PublicEvent], root: str) -> dict[str, Any]:
    return {
        "name": kind.type,
        "title": kind.type,
        "summary": " ".join((kind.__doc__ or "").split()),
        "contentType": "application/json",
        "headers": {"schemaFormat": JSON_SCHEMA, "schema": _headers(kind.type, root)},
        "payload": {"schemaFormat": JSON_SCHEMA, "schema": public_schema(kind.type, root)},
        "examples": [{"name": kind.type, "payload": dict(EXAMPLES[kind.type])}],
    }


def _headers(type: str, root: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "format": "uuid"},
        "source": {"type": "string", "format": "uri"},
        "type": {"type": "string", "const": type},
        "time": {"type": "string", "format": "date-time"},
        "subject": {"type": "string", "format": "uuid", "description": "The generation; of a grant, the grant."},
        "dataschema": {"type": "string", "const": f"{root}/schemas/{type}.json"},
        "sequence": {"type": "string", "description": "Position in the log of all events, in 20 digits; only rises."},
    }
    optional = {"traceparent": {"type": "string", "description": "W3C trace context, also as header `traceparent`."}}
    return {
        "type": "object",
        "properties": {f"cloudEvents:{name}": schema for name, schema in (attributes | optional).items()},
        "required": [f"cloudEvents:{name}" for name in attributes],
    }


def find_document_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What a subscriber of ``old`` cannot read of ``new``, one sentence each."""
    before, after = old["components"]["messages"], new["components"]["messages"]
    problems = [f"{type}: the event was removed" for type in before if type not in after]
    for type in before:
        if type in after:
            had, has = (message[type]["payload"]["schema"] for message in (before, after))
            problems += [f"{type}: {problem}" for problem in _breaking_changes(had, has, "")]
    return problems


def _breaking_changes(old: dict[str, Any], new: dict[str, Any], path: str) -> list[str]:
    """Every field stays, of the same type, and stays present; what it may be does not grow."""
    had, has = old.get("properties"), new.get("properties")
    if had is None or has is None:
        if "items" in old and "items" in new:
            return _breaking_changes(old["items"], new["items"], path)
        return [] if _shape(old) == _shape(new) else [f"field {path.rstrip('.')} changed its type"]
    problems = [f"field {path}{field} was removed" for field in had if field not in has]
    gone = set(old.get("required", [])) - set(new.get("required", []))
    problems += [f"field {path}{field} is no longer always there" for field in sorted(gone) if field in has]
    for field in had:
        if field in has:
            problems += _breaking_changes(had[field], has[field], f"{path}{field}.")
    return problems


def _shape(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key not in {"description", "title", "default", "$id"}}


def main(arguments: list[str]) -> int:
    """Command line: write, or compare with ``--check``."""
    current = document()
    stored = json.loads(FILE.read_text()) if FILE.exists() else None
    broken = find_document_changes(stored, current) if stored else []
    if "--check" in arguments:
        lines = [f"BREAKING: {problem}; give it a new version, subscribers rely on this one" for problem in broken]
        if stored != current and not lines:
            lines = ["asyncapi.json differs; run `python -m atelier_contracts.asyncapi` if the change is meant"]
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return 1 if lines else 0
    FILE.write_text(json.dumps(current, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

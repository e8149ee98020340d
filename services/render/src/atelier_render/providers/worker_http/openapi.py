"""Writes the OpenAPI description of what a worker has to answer, out of the models that render itself uses:
`python -m atelier_render.providers.worker_http.openapi > docs/providers/http-worker.openapi.json`.
"""

import json
import sys
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from atelier_render.providers.worker_http.contract import KEY_CHARS_MAX, Answer, Body, Hint, Job, Problem

Schema = dict[str, Any]
REF = "#/components/schemas/{model}"
SIGNATURE = ("webhook-id", "webhook-timestamp", "webhook-signature")
WHAT = (
    "What a worker answers to render. Every request is signed (Standard Webhooks); its id says what is asked of which "
    "job: `submit_{key}`, `poll_{key}`, `cancel_{key}`."
)
TIME_AND_SIZE = "Longer than `answer_s` counts as no answer; more than `answer_bytes_max` bytes as a failure."


def document() -> str:
    """The description, as indented JSON."""
    return json.dumps(_openapi(), indent=2) + "\n"


def _openapi() -> Schema:
    sent = [(Job, "serialization"), (Hint, "validation"), (Problem, "validation")]
    _, bodies = models_json_schema(sent, ref_template=REF)  # type: ignore[arg-type]
    answer = TypeAdapter[Any](Answer).json_schema(ref_template=REF)
    schemas = bodies["$defs"] | answer.pop("$defs") | {"Answer": answer}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Atelier HTTP worker",
            "version": "1",
            "description": WHAT,
        },
        "paths": {
            "/jobs": {"post": _submit()},
            "/jobs/{key}": {"parameters": [_key("path", "key")], "get": _poll(), "delete": _cancel()},
        },
        "webhooks": {"news": {"post": _news()}},
        "components": {"schemas": schemas, "parameters": {name: _signature(name) for name in SIGNATURE}},
    }


def _submit() -> Schema:
    return {
        "operationId": "submit",
        "summary": "Make this, once a key.",
        "parameters": [*_signed(), _key("header", "Idempotency-Key")],
        "requestBody": {"required": True, "content": _json(Job)},
        "responses": {
            "200": _answer(f"How it ended, at once. {TIME_AND_SIZE}"),
            "202": _answer("Taken, or known already: render polls."),
            "401": {"description": "The signature is not right. Counts as nothing made."},
            "409": {"description": "The same as 202: at work under this key."},
            "422": {"description": "Never acceptable; so 400, 413 and 415.", "content": _json(Problem)},
            "429": {"description": "Nothing was taken; again after Retry-After.", "headers": _retry_after()},
            "502": {"description": "So 504: a proxy does not know. Render asks by the key what became of it."},
            "503": {"description": "So every other status: nothing was taken; trying again may help."},
        },
    }


def _poll() -> Schema:
    return {
        "operationId": "poll",
        "summary": "What became of it?",
        "parameters": _signed(),
        "responses": {
            "200": _answer(f"So far, or for good. {TIME_AND_SIZE}", _retry_after()),
            "404": {
                "description": "This was never taken, or is forgotten without a result; so 410. It may be submitted."
            },
            "default": {"description": "Render asks again."},
        },
    }


def _cancel() -> Schema:
    return {
        "operationId": "cancel",
        "summary": "Nobody wants it any more.",
        "parameters": _signed(),
        "responses": {"204": {"description": "It will come to nothing; so every 2xx, and 404."}},
    }


def _news() -> Schema:
    return {
        "operationId": "news",
        "summary": "From the worker, at the job's `callback_url`: ask again now.",
        "parameters": _signed(),
        "requestBody": {"required": True, "content": _json(Hint)},
        "responses": {
            "204": {"description": "Heard."},
            "401": {"description": "Not signed by a worker that is known."},
        },
    }


def _json(model: type[Body]) -> Schema:
    return {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}}


def _answer(description: str, headers: Schema | None = None) -> Schema:
    body = {"application/json": {"schema": {"$ref": REF.format(model="Answer")}}}
    return {"description": description, "content": body} | ({"headers": headers} if headers else {})


def _retry_after() -> Schema:
    return {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds, or an HTTP date."}}


def _signed() -> list[Schema]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in SIGNATURE]


def _signature(name: str) -> Schema:
    return {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}


def _key(place: str, name: str) -> Schema:
    schema = {"type": "string", "maxLength": KEY_CHARS_MAX}
    return {"name": name, "in": place, "required": True, "schema": schema}


if __name__ == "__main__":
    sys.stdout.write(document())

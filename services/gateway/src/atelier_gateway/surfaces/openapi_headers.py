"""The headers of the OpenAPI document: what each operation reads, and what its answers carry. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]


def header(name: str, schema: Schema, description: str) -> Schema:
    """An optional request header as a parameter."""
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": description}


WORKSPACE = header("X-Workspace-Id", {"type": "string"}, "A user acts for this workspace.")
KEY = header(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    "The same key gives the same answer for 24 hours.",
)
QUOTE_KEY = {**KEY, "description": "Checked as for a create, so that one request serves for both; nothing is kept."}
SIMULATE = header(
    "X-Atelier-Simulate",
    {"type": "string", "examples": ["outcome=succeed, delay_ms=500", "outcome=partial:2", "picture=none"]},
    "How the work ends, where the simulator is on: `outcome=` `succeed`, `fail`, `timeout`, `lost_response`, "
    "`corrupt` or `partial:N`; `delay_ms=`; `picture=none`.",
)
PREFER = header(
    "Prefer",
    {"type": "string", "examples": ["respond-async"]},
    "`respond-async`: the answer does not wait for the result.",
)
RETRY_COUNT = header(
    "X-Stainless-Retry-Count",
    {"type": "integer", "minimum": 0, "default": 0},
    "How often the client has sent this request before, as OpenAI's clients count. A retry whose first attempt was "
    "paid for gets that result.",
)
REASON = header(
    "X-Operator-Reason",
    {"type": "string", "maxLength": 500, "examples": ["ticket%2017"]},
    "Why the operator acts, percent-encoded; kept with the act where the body has no reason.",
)

FOR_WORKSPACES = re.compile(
    r"^/v1/(generations|uploads|capabilities|quotes|credits|images|models|webhooks|audio|generation-batches|files|batches)"
    r"(/|$)"
)
KEYED = re.compile(
    r"^/(api/v1/(generation/create|uploads)|api/(generate|stories|story-generations)|api/ai/images.*"
    r"|v1/admin/credits/grants|v1/(?!admin/|client-tokens|files|batches/|generation-batches/).*)$"
)
UNKEYED = frozenset({"/v1/quotes"})
SIMULATED = frozenset(
    {
        *("/v1/generations", "/v1/quotes", "/v1/images/generations", "/v1/images/edits", "/v1/images/variations"),
        *("/v1/audio/speech", "/v1/generate", "/api/v1/generation/create", "/api/ai/images", "/api/ai/images/batches"),
        *("/api/generate", "/api/story-generations"),
        *("/v1/generation-batches", "/v1/generation-batches/quotes", "/v1/batches"),
    }
)
PREFERRING = frozenset({"/v1/generations", "/v1/generate", "/api/ai/images"})
OPENAI_CREATES = frozenset({"/v1/images/generations", "/v1/images/edits", "/v1/images/variations", "/v1/audio/speech"})
COUNTED = re.compile(r"^/v1/(client-tokens|uploads|files|webhooks/(\{id\}/test|deliveries/\{id\}/replay))$")
"""Creates whose successes say what is left of a rate limit, beside those that simulate."""
LIMITED_READS = frozenset({"/v1/usage", "/v1/statements/{month}"})
"""Reports, which are counted like creates; each may come as a file."""

ANSWER_HEADERS: Mapping[str, Schema] = {
    "X-Request-Id": {
        "schema": {"type": "string"},
        "description": "The id of this request in the operator's logs.",
    },
    "WWW-Authenticate": {"schema": {"type": "string"}, "description": "The kind of credential: `Bearer`."},
    "RateLimit": {
        "schema": {"type": "string", "examples": ['"native-owner";r=59;t=60']},
        "description": "What is left of each limit: `r` requests within the next `t` seconds.",
    },
    "RateLimit-Policy": {
        "schema": {"type": "string", "examples": ['"native-owner";q=60;w=60']},
        "description": "Each limit: `q` requests in `w` seconds.",
    },
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before the next attempt."},
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "The answer to the first request with this Idempotency-Key, again.",
    },
    "Location": {"schema": {"type": "string", "format": "uri"}, "description": "The URL of what was created."},
    "Preference-Applied": {
        "schema": {"type": "string", "examples": ["wait=10"]},
        "description": "The preference that was honoured, with the seconds that were granted.",
    },
    "Deprecation": {
        "schema": {"type": "string", "examples": ["@1767268800"]},
        "description": "Since when the model that was named is deprecated (RFC 9745).",
    },
    "Sunset": {
        "schema": {"type": "string", "examples": ["Thu, 01 Jan 2026 12:00:00 GMT"]},
        "description": "When the model that was named ends (RFC 8594).",
    },
    "Content-Disposition": {
        "schema": {"type": "string", "examples": ['attachment; filename="statement-2026-11.jsonl"']},
        "description": "The name of the file, where the answer is one.",
    },
    "X-Generation-Id": {
        "schema": {"type": "string", "format": "uuid"},
        "description": "The generation, for its receipt at `/v1/generations/{id}/receipt`.",
    },
    "x-should-retry": {
        "schema": {"type": "string", "enum": ["false"]},
        "description": "A retry cannot succeed; OpenAI's clients make none.",
    },
}
"""What our answers carry, beside the security headers that are the same on each of them."""


def declare_headers(path: str, method: str, operation: dict[str, Any]) -> None:
    """Adds the headers that the operation reads and its route does not declare."""
    parameters: list[Schema] = operation.setdefault("parameters", [])
    # A token is a credential, which the security schemes declare.
    parameters[:] = [parameter for parameter in parameters if parameter["name"].lower() != "authorization"]
    creates = method == "post"
    wanted = [WORKSPACE] if FOR_WORKSPACES.match(path) else []
    if creates and KEYED.match(path):
        wanted.append(QUOTE_KEY if path in UNKEYED else KEY)
    wanted += [SIMULATE] if creates and path in SIMULATED else []
    wanted += [PREFER] if creates and path in PREFERRING else []
    wanted += [RETRY_COUNT] if creates and path in {*OPENAI_CREATES, "/v1/batches"} else []
    wanted += [REASON] if method != "get" and path.startswith("/v1/admin/") else []
    known = {(parameter["in"], parameter["name"].lower()) for parameter in parameters}
    parameters += [parameter for parameter in wanted if ("header", parameter["name"].lower()) not in known]


def declare_answer_headers(path: str, method: str, operation: dict[str, Any]) -> None:
    """Adds the headers that each answer of the operation can carry, by reference to their components."""
    names = {parameter["name"] for parameter in operation["parameters"]}
    keyed = KEY["name"] in names and path not in UNKEYED
    for status, response in operation["responses"].items():
        carried = _headers_of(path, method, int(status), keyed=keyed)
        response["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in carried}


def _headers_of(path: str, method: str, status: int, *, keyed: bool) -> Iterator[str]:
    creates = method == "post" and not path.startswith("/v1/admin")
    yield "X-Request-Id"
    if status == 401:
        yield "WWW-Authenticate"
    limited = (creates and (path in SIMULATED or COUNTED.match(path))) or path in LIMITED_READS
    if status == 429 or (limited and status != 401):
        yield from ("RateLimit", "RateLimit-Policy")
    if status in (429, 503):
        yield "Retry-After"
    if status < 300:
        yield from _success_headers(path, method, status, keyed=keyed)
    elif path in OPENAI_CREATES:
        yield "x-should-retry"


def _success_headers(path: str, method: str, status: int, *, keyed: bool) -> Iterator[str]:
    creates = method == "post"
    if keyed:
        yield "Idempotency-Replayed"
    if path in LIMITED_READS:
        yield "Content-Disposition"
    if creates and path == "/v1/generations":
        yield "Preference-Applied"
        if status == 201:
            yield "Location"
    if (creates and path in {"/v1/generations", "/api/ai/images", *OPENAI_CREATES}) or path == "/v1/models/{model}":
        yield from ("Deprecation", "Sunset")
    if creates and path in OPENAI_CREATES:
        yield "X-Generation-Id"

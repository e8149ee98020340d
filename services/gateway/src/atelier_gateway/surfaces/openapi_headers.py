"""The headers of the OpenAPI document: what each operation reads, and what its answers carry. Pure."""

import re
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
SIMULATE = header(
    "X-Atelier-Simulate",
    {"type": "string", "examples": ["outcome=succeed, delay_ms=500", "outcome=partial:2", "picture=none"]},
    "How the work ends, where the simulator is on: `outcome=` `succeed`, `fail`, `timeout`, `lost_response`, "
    "`corrupt` or `partial:N`; `delay_ms=`; `picture=none`.",
)
PREFER = header("Prefer", {"type": "string"}, "`respond-async`: the answer does not wait for the result.")

FOR_WORKSPACES = re.compile(r"^/v1/(generations|uploads|capabilities|quotes|credits|images|models|webhooks)(/|$)")
KEYED = re.compile(
    r"^/(api/v1/(generation/create|uploads)|api/(generate|stories|story-generations)|api/ai/images.*"
    r"|v1/admin/credits/grants|v1/(?!admin/).*)$"
)
UNKEYED = frozenset({"/v1/quotes"})
SIMULATED = frozenset(
    {
        *("/v1/generations", "/v1/quotes", "/v1/images/generations", "/v1/images/edits", "/v1/images/variations"),
        *("/v1/generate", "/api/v1/generation/create", "/api/ai/images", "/api/ai/images/batches"),
        *("/api/generate", "/api/story-generations"),
    }
)
PREFERRING = frozenset({"/v1/generations", "/v1/generate", "/api/ai/images"})


def declare_headers(path: str, method: str, operation: dict[str, Any]) -> None:
    """Adds the headers that the operation reads and its route does not declare."""
    parameters: list[Schema] = operation.setdefault("parameters", [])
    # A token is a credential, which the security schemes declare.
    parameters[:] = [parameter for parameter in parameters if parameter["name"].lower() != "authorization"]
    creates = method == "post"
    wanted = [WORKSPACE] if FOR_WORKSPACES.match(path) else []
    wanted += [KEY] if creates and KEYED.match(path) and path not in UNKEYED else []
    wanted += [SIMULATE] if creates and path in SIMULATED else []
    wanted += [PREFER] if creates and path in PREFERRING else []
    known = {(parameter["in"], parameter["name"].lower()) for parameter in parameters}
    parameters += [parameter for parameter in wanted if ("header", parameter["name"].lower()) not in known]

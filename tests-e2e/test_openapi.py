"""The API is as described: every documented route, under every kind of credential, against the served OpenAPI.

What is sent is derived from the description, valid and invalid; ``make explore`` sends far more of it.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from whole_system.world import World

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
EXAMPLES = os.environ.get("ATELIER_EXPLORE_EXAMPLES")
"""Set by ``make explore``: how many random requests a route gets beyond the derived ones."""
STREAMS = "/events$"
"""Server-sent events do not end while their generation lives."""
CREDITS = 1_000_000


async def test_the_stores_routes_answer_as_described(world: World) -> None:
    store = await world.admin.create_store("described")
    await world.admin.grant("store", store.id, CREDITS, reason="test")

    await _conforms(world, "^/api/v1/", {"X-API-Key": store.api_key})


@pytest.mark.parametrize(
    "paths",
    [
        "^/v1/(generations|uploads|quotes|credits)",
        "^/v1/webhooks",
        "^/v1/(images|models)",
        "^/v1/(generate|onmodel|flatlay|backgrounds)",
        "^/api/(generate|stor)",
        "^/api/ai",
    ],
)
async def test_the_users_routes_answer_as_described(world: World, paths: str) -> None:
    user = await world.admin.create_user(f"{uuid4()}@example.com")
    workspace = await world.admin.create_workspace("described", [user])
    await world.admin.grant("user", user, CREDITS, reason="test")
    await world.admin.grant("workspace", workspace, CREDITS, reason="test")
    headers = {"Authorization": f"Bearer {await world.admin.issue_token(user)}"}

    await _conforms(world, paths, headers | ({"X-Workspace-Id": workspace} if "/ai" in paths else {}))


async def test_the_operators_routes_answer_as_described(world: World) -> None:
    token = world.stack.environment()["ATELIER_ADMIN_TOKEN"]

    await _conforms(world, "^/v1/admin/", {"Authorization": f"Bearer {token}"}, url=world.operations_url)


async def _conforms(world: World, paths: str, headers: Mapping[str, str], *, url: str = "") -> None:
    printed, status = await asyncio.to_thread(_explore, url or world.url, paths, headers)
    assert status == 0, printed[-6_000:]
    assert "generated" in printed, "nothing was sent at all"


def _explore(url: str, paths: str, headers: Mapping[str, str]) -> tuple[str, int]:
    phases = "examples,coverage,fuzzing" if EXAMPLES else "examples,coverage"
    program = Path(sys.executable).with_name("schemathesis")
    arguments = ["run", f"{url}/openapi.json", "--no-color", "--checks", CHECKS, "--phases", phases]
    arguments += ["--include-path-regex", paths, "--exclude-path-regex", STREAMS, "--generation-deterministic"]
    arguments += ["-n", EXAMPLES] if EXAMPLES else []
    for name, value in {**headers, "X-Atelier-Simulate": "outcome=succeed, picture=none"}.items():
        arguments += ["-H", f"{name}: {value}"]
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=900)
    return done.stdout + done.stderr, done.returncode

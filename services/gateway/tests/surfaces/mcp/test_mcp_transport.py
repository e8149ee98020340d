"""Who is let in to ``/mcp``, what is refused before the protocol reads it, and that no session is kept."""

import json
from typing import Any

import httpx
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types.version import LATEST_MODERN_VERSION

from atelier_gateway.surfaces.mcp.endpoint import BODY_BYTES_MAX, METADATA_PATH

from ...support.client_tokens import mint
from ...support.mcp import ERAS, agent
from ...support.world import World

pytestmark = pytest.mark.stack
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
LIST = {"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}}


async def post(world: World, body: Any, headers: dict[str, str]) -> httpx.Response:
    return await world.public.post("/mcp", json=body, headers=ACCEPT | headers)


@pytest.mark.parametrize("credential", [{}, {"Authorization": "Bearer atl_wrong"}, {"X-API-Key": "atl_wrong"}])
async def test_without_a_good_credential_the_answer_says_where_to_learn_how_to_be_let_in(
    world: World, credential: dict[str, str]
) -> None:
    refused = await post(world, INITIALIZE, credential)
    challenge = refused.headers["WWW-Authenticate"]
    address = challenge.partition('resource_metadata="')[2].rstrip('"')
    metadata = (await world.public.get(address.partition("8000")[2])).json()

    assert refused.status_code == 401
    assert refused.json()["error"]["data"]["code"] == "unauthorized"
    assert challenge.startswith("Bearer ")
    assert ('error="invalid_token"' in challenge) == ("Authorization" in credential)
    assert address.endswith(METADATA_PATH)
    assert metadata["resource"] == address.removesuffix(METADATA_PATH) + "/mcp"
    assert metadata["bearer_methods_supported"] == ["header"]


async def test_a_key_and_a_token_are_let_in_either_way(world: World) -> None:
    (_, store), (_, user) = await world.store(), await world.user()
    bearer = {"Authorization": f"Bearer {store['X-API-Key']}"}

    for headers in (store, bearer, user):
        assert (await post(world, INITIALIZE, headers)).status_code == 200


async def test_a_client_token_which_is_for_pages_is_refused(world: World) -> None:
    _, store = await world.store()
    minted = await mint(world, store)

    refused = await post(world, INITIALIZE, {"Authorization": f"Bearer {minted['token']}"})

    assert (refused.status_code, refused.json()["error"]["data"]["code"]) == (403, "token_scope")


async def test_a_page_of_a_foreign_origin_is_refused_even_with_a_good_key(world: World) -> None:
    """Its name may have been pointed at this address (DNS rebinding)."""
    _, headers = await world.store()

    foreign = await post(world, INITIALIZE, headers | {"Origin": "http://evil.example:8000"})
    null = await post(world, INITIALIZE, headers | {"Origin": "null"})
    own = await post(world, INITIALIZE, headers | {"Origin": "http://127.0.0.1:8000"})

    assert (foreign.status_code, null.status_code, own.status_code) == (403, 403, 200)
    assert foreign.json()["error"]["data"]["code"] == "role_required"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_only_post_is_taken(world: World, method: str) -> None:
    _, headers = await world.store()

    refused = await world.public.request(method, "/mcp", headers=headers)

    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


async def test_nothing_is_kept_between_requests(world: World) -> None:
    """So every replica answers every request."""
    _, headers = await world.store()

    opened = await post(world, INITIALIZE, headers)
    listed = await post(world, LIST, headers | {"MCP-Protocol-Version": "2025-11-25", "Mcp-Session-Id": "unknown"})

    assert "mcp-session-id" not in opened.headers
    assert listed.status_code == 200
    assert "create_generation" in listed.text


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"[]", 400), (b"[" * 100_000, 400), (b"x" * (BODY_BYTES_MAX + 1), 413)],
    ids=["cut off", "a batch", "too deep", "too large"],
)
@pytest.mark.parametrize("version", ["2025-11-25", LATEST_MODERN_VERSION])
async def test_what_is_no_request_is_refused_in_the_words_of_the_protocol(
    world: World, version: str, body: bytes, status: int
) -> None:
    _, headers = await world.store()

    refused = await world.public.post(
        "/mcp", content=body, headers=ACCEPT | headers | {"MCP-Protocol-Version": version}
    )

    assert refused.status_code == status
    assert "error" in json.loads(refused.text)


async def test_an_unknown_revision_is_told_which_there_are(world: World) -> None:
    _, headers = await world.store()

    envelope = {"protocolVersion": "1999-01-01", "clientCapabilities": {}}
    meta = {f"io.modelcontextprotocol/{name}": value for name, value in envelope.items()}
    body = LIST | {"params": {"_meta": meta}}
    refused = await post(world, body, headers | {"MCP-Protocol-Version": "1999-01-01", "Mcp-Method": "tools/list"})

    assert refused.status_code == 400
    assert LATEST_MODERN_VERSION in refused.text


@pytest.mark.parametrize("era", ERAS)
async def test_an_unknown_tool_is_an_error_of_the_protocol(world: World, era: str) -> None:
    _, headers = await world.store()
    async with agent(world, headers, era) as client:
        with pytest.raises(MCPError, match="no tool 'drop_tables'"):
            await client.call_tool("drop_tables", {})

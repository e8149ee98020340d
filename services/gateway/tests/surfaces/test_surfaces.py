"""The surfaces on real servers: who gets in, whose resources they see, and the answers."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import AnyHttpUrl

from atelier_contracts import (
    Artefact,
    GenerationFailed,
    GenerationSucceeded,
    RenderProgressed,
    RenderStarted,
)
from atelier_gateway.media import uploads
from atelier_gateway.web.problems import Problem
from atelier_storage.errors import UploadIdentityUnfit
from atelier_storage.keys import artefact_key
from atelier_storage.settings import StorageSettings
from atelier_storage.upload_identity import UploadIdentity

from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}


async def create_generation(world: World, headers: dict[str, str]) -> UUID:
    return UUID((await world.create(headers)).json()["data"]["session_id"])


async def test_a_store_follows_its_generation_to_the_picture(world: World) -> None:
    store, headers = await world.store()
    generation = await create_generation(world, headers)
    key = artefact_key("store", store, generation, 0, "png")
    made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)

    await world.neighbours.say(RenderStarted(generation_id=generation, attempt=1))
    await _status(world, headers, generation, "processing")
    await world.neighbours.say(
        GenerationSucceeded(
            generation_id=generation, outputs=(made,), delivered=1, captured=1, refunded=0, provider="local"
        )
    )
    await world.neighbours.say(RenderProgressed(generation_id=generation, progress=50))
    await _status(world, headers, generation, "completed")

    shown = (await world.client.get(f"/api/v1/generation/{generation}", headers=headers)).json()["data"]
    assert f"/{key}?" in shown["generated_image_url"] and shown["error_message"] is None
    native = (await world.client.get(f"/v1/generations/{generation}", headers=headers)).json()
    assert (native["status"], native["progress"], native["credits"]["captured"]) == ("succeeded", 100, 1)
    assert native["outputs"][0]["checksum"] == f"sha256:{'ab' * 32}"


async def test_a_forged_success_never_opens_another_tenants_picture(world: World) -> None:
    victim, _ = await world.store()
    _, headers = await world.store()
    generation = await create_generation(world, headers)
    foreign = Artefact(
        key=artefact_key("store", victim, uuid4(), 0, "png"), content_type="image/png", size=3, sha256="ab" * 32
    )

    await world.neighbours.say(
        GenerationSucceeded(
            generation_id=generation, outputs=(foreign,), delivered=1, captured=1, refunded=0, provider="local"
        )
    )
    await _status(world, headers, generation, "completed")

    shown = (await world.client.get(f"/api/v1/generation/{generation}", headers=headers)).json()["data"]
    native = (await world.client.get(f"/v1/generations/{generation}", headers=headers)).json()
    assert (shown["generated_image_url"], native["outputs"]) == (None, [])
    assert await world.pool.fetchval("SELECT count(*) FROM files WHERE key = $1", foreign.key) == 0


async def test_a_failure_tells_the_store_why(world: World) -> None:
    _, headers = await world.store()
    generation = await create_generation(world, headers)

    await world.neighbours.say(
        GenerationFailed(
            generation_id=generation, outcome="failed", code="provider_failed", reason="no face found", refunded=1
        )
    )
    await _status(world, headers, generation, "failed")

    shown = (await world.client.get(f"/api/v1/generation/{generation}", headers=headers)).json()
    assert (shown["data"]["error_message"], shown["error"]) == ("no face found", None)


async def test_another_tenants_id_is_answered_exactly_as_an_unknown_one(world: World) -> None:
    _, headers = await world.store()
    generation = await create_generation(world, headers)
    _, other_store = await world.store()
    _, user = await world.user()

    for path in ("/api/v1/generation/{}", "/v1/generations/{}", "/v1/generations/{}/receipt"):
        for stranger in (other_store, user) if path.startswith("/v1") else (other_store,):
            replies = [
                await world.client.get(path.format(id_), headers=stranger) for id_ in (generation, uuid4(), "../x", "1")
            ]
            assert {reply.status_code for reply in replies} == {404}
            assert replies[0].content == replies[1].content


async def test_unknown_revoked_and_absent_keys_are_answered_alike(world: World) -> None:
    store, headers = await world.store()
    made = await world.client.post(f"/v1/admin/stores/{store}/keys", headers=ADMIN)
    second = {"X-API-Key": made.json()["api_key"]}
    assert (await world.create(second)).status_code == 201

    revoked = await world.client.delete(f"/v1/admin/stores/{store}/keys/{made.json()['id']}", headers=ADMIN)
    refusals = [
        await world.create(second),
        await world.create({"X-API-Key": headers["X-API-Key"][:-1] + "g"}),
        await world.create({"Authorization": "Bearer nonsense"}),
        await world.create({}),
    ]

    assert revoked.status_code == 204
    assert {(refusal.status_code, refusal.content) for refusal in refusals} == {(401, refusals[0].content)}
    assert (await world.create({"Authorization": f"Bearer {headers['X-API-Key']}"})).status_code == 201


async def test_a_store_has_at_most_two_active_keys_whoever_asks_at_once(world: World) -> None:
    store, _ = await world.store()

    replies = await asyncio.gather(
        *(world.client.post(f"/v1/admin/stores/{store}/keys", headers=ADMIN) for _ in range(5))
    )

    assert sorted(reply.status_code for reply in replies) == [201, 409, 409, 409, 409]


async def test_a_key_is_shown_once_and_kept_nowhere(world: World) -> None:
    _, headers = await world.store()
    secret = headers["X-API-Key"].split("_")[2]

    rows = await world.pool.fetch("SELECT k::text AS row FROM api_keys k")

    assert len(rows) == 1 and secret not in rows[0]["row"]


async def test_a_disabled_user_is_403_until_enabled_again(world: World) -> None:
    user, headers = await world.user()

    for disabled, status in ((True, 403), (False, 201)):
        changed = await world.client.patch(f"/v1/admin/users/{user}", headers=ADMIN, json={"disabled": disabled})
        answered = await world.client.post("/v1/generations", headers=headers, json=IMAGE)
        assert (changed.status_code, answered.status_code) == (200, status)
    assert (await world.client.get("/api/v1/generation/x", headers=headers)).status_code == 401


async def test_a_member_acts_for_the_workspace_and_nobody_else_does(world: World) -> None:
    member, headers = await world.user()
    _, stranger = await world.user()
    _, store = await world.store()
    made = await world.client.post(
        "/v1/admin/workspaces", headers=ADMIN, json={"name": "W", "member_ids": [str(member)]}
    )
    workspace = {"X-Workspace-Id": made.json()["id"]}

    accepted = await world.client.post("/v1/generations", headers=headers | workspace, json=IMAGE)
    unknown = {"X-Workspace-Id": str(uuid4())}
    refusals = [
        await world.client.post("/v1/generations", headers=who | where, json=IMAGE)
        for who, where in (
            (stranger, workspace),
            (headers, unknown),
            (headers, {"X-Workspace-Id": "x"}),
            (store, workspace),
        )
    ]

    assert accepted.status_code == 201
    assert {(refusal.status_code, refusal.content) for refusal in refusals} == {(403, refusals[0].content)}
    path = f"/v1/generations/{accepted.json()['id']}"
    assert (await world.client.get(path, headers=headers)).status_code == 404
    assert (await world.client.get(path, headers=headers | workspace)).status_code == 200


@pytest.mark.parametrize("body", [{"store_id": str(uuid4())}, {"credits": 0}, {"image_urls": []}, {"prompt": 1}])
async def test_a_field_that_is_not_ours_to_take_is_400_in_the_envelope(world: World, body: dict[str, Any]) -> None:
    _, headers = await world.store()

    refused = await world.create(headers, **body)

    assert (refused.status_code, refused.json()["data"]) == (400, None)
    assert refused.json()["error"]["details"]["errors"][0]["field"] == next(iter(body))


async def test_an_unpriced_request_is_422_and_writes_nothing(world: World) -> None:
    _, headers = await world.user()

    refused = await world.client.post("/v1/generations", headers=headers, json=IMAGE | {"quality": "hd"})

    assert (refused.status_code, refused.json()["code"]) == (422, "unpriced")
    assert (await world.rows())["generations"] == 0


async def test_an_upload_lies_under_its_owners_prefix_and_is_repeated_by_its_key(world: World) -> None:
    store, store_headers = await world.store()
    user, user_headers = await world.user()
    body = {"filename": "../me.png", "content_type": "image/png", "size_bytes": 10}

    keyed = store_headers | {"Idempotency-Key": "u1"}
    first = await world.client.post("/api/v1/uploads", headers=keyed, json=body)
    again = await world.client.post("/api/v1/uploads", headers=keyed, json=body)
    native = await world.client.post("/v1/uploads", headers=user_headers, json=body)

    assert first.json()["data"]["key"].startswith(f"stores/{store}/uploads/")
    assert first.json()["data"]["headers"] == {"Content-Type": "image/png", "Content-Length": "10"}
    assert (first.content, again.headers["Idempotency-Replayed"]) == (again.content, "true")
    assert native.json()["key"].startswith(f"users/{user}/uploads/")


async def test_an_operator_grants_credits_once_per_key(world: World) -> None:
    store, _ = await world.store()
    grant = {"owner": {"kind": "store", "id": str(store)}, "credits": 5, "reason": "hello"}
    keyed = ADMIN | {"Idempotency-Key": "g1"}

    replies = [await world.client.post("/v1/admin/credits/grants", headers=keyed, json=grant) for _ in range(2)]
    unknown = grant | {"owner": {"kind": "user", "id": str(store)}}

    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].content == replies[1].content
    assert replies[0].json()["available"] == 5
    assert len(world.neighbours.heard) == 1
    assert (await world.client.post("/v1/admin/credits/grants", headers=ADMIN, json=unknown)).status_code == 404
    balance = await world.client.get(f"/v1/admin/credits/store/{store}", headers=ADMIN)
    assert balance.json() == {"available": 7, "held": 0, "captured": 0, "granted": 7, "expired": 0}


@pytest.mark.parametrize("credits", [0, -1, 1.5, "5", True, 10**12])
async def test_strange_amounts_are_refused(world: World, credits: object) -> None:
    store, _ = await world.store()
    grant = {"owner": {"kind": "store", "id": str(store)}, "credits": credits, "reason": "x"}

    assert (await world.client.post("/v1/admin/credits/grants", headers=ADMIN, json=grant)).status_code == 400


async def test_the_operators_routes_are_closed_to_everybody_else(world: World) -> None:
    _, store = await world.store()
    _, user = await world.user()

    for headers in ({}, store, user, {"Authorization": "Bearer "}):
        proof = f"/v1/admin/ledger/proofs/{uuid4()}"
        for path in (f"/v1/admin/generations/{uuid4()}/explain", "/v1/admin/ledger/verify", proof):
            assert (await world.client.get(path, headers=headers)).status_code == 401
        assert (await world.client.post("/v1/admin/stores", headers=headers, json={"name": "x"})).status_code == 401


async def test_a_service_that_does_not_answer_is_named(world: World) -> None:
    for method, path in (("GET", "/v1/admin/ledger/verify"), ("POST", "/v1/admin/ledger/proofs")):
        silent = await world.client.request(method, path, headers=ADMIN)

        assert (silent.status_code, silent.json()["code"]) == (503, "unavailable")
        assert "billing" in silent.json()["detail"]


async def test_a_proof_nobody_ordered_is_404(world: World) -> None:
    assert (await world.client.get(f"/v1/admin/ledger/proofs/{uuid4()}", headers=ADMIN)).status_code == 404


async def test_the_story_of_a_generation_nobody_knows_is_404(world: World) -> None:
    assert (await world.client.get(f"/v1/admin/generations/{uuid4()}/explain", headers=ADMIN)).status_code == 404


async def _status(world: World, headers: dict[str, str], generation: UUID, status: str) -> None:
    async def has_status() -> bool:
        shown = await world.client.get(f"/api/v1/generation/{generation}", headers=headers)
        return bool(shown.json()["data"]["status"] == status)

    await world.until(has_status)


async def test_a_gateway_whose_upload_identity_may_read_refuses_to_start(storage_settings: StorageSettings) -> None:
    """SECURITY: what the holder of an upload URL can do."""
    own = {"upload_access_key": storage_settings.access_key, "upload_secret_key": storage_settings.secret_key}

    with pytest.raises(UploadIdentityUnfit, match="must not be able to read an upload"):
        await uploads.prove_at_start(UploadIdentity(storage_settings.model_copy(update=own)))


async def test_no_upload_is_offered_while_its_identity_is_not_proven(storage_settings: StorageSettings) -> None:
    unproven = UploadIdentity(storage_settings.model_copy(update={"endpoint": AnyHttpUrl("http://127.0.0.1:1")}))
    await uploads.prove_at_start(unproven)

    with pytest.raises(Problem) as refused:
        await uploads.prove(unproven)

    assert refused.value.status == 503

"""How to make a tenant and an object of theirs, for each family of routes that takes an id (``test_isolation.py``).

A route that is not under one of ``FAMILIES`` and takes an id fails the test: add its family here.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from atelier_gateway.surfaces.onmodel.requests import EXAMPLE as FLAT_LAY

from . import batches
from .form import FORM
from .world import ADMIN, TRY_ON, World

Headers = dict[str, str]
AT_ONCE = {"Prefer": "respond-async"}
UPLOAD = {"filename": "me.png", "content_type": "image/png", "size_bytes": 3}
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}

NO_TENANTS: Mapping[str, str] = {
    "/v1/admin/": "the operator's: one token, all tenants",
    "/problems/": "pages about errors, the same for everybody",
    "/v1/log/": "proofs for anyone, made of hashes",
    "/v1/statements/": "a month, of whose account the credential says",
    "/v1/models/": "the catalogue, the same for everybody",
}
"""Paths whose ids have no owner, and why."""


@dataclass(frozen=True)
class Family:
    """``tenant`` makes one more of the kind that the routes serve; ``make`` makes an object of theirs: its id."""

    tenant: Callable[[World], Awaitable[Headers]]
    make: Callable[[World, Headers], Awaitable[str]]
    own: str
    """Where the object's owner reads it; with ``{id}``."""
    strangers: tuple[Callable[[World], Awaitable[Headers]], ...] = ()
    """Who else the routes let in, beside another tenant of the same kind."""


async def store(world: World) -> Headers:
    """A store."""
    return (await world.store())[1]


async def user(world: World) -> Headers:
    """A user for themselves."""
    return (await world.user())[1]


async def member(world: World) -> Headers:
    """A user for their workspace."""
    user_id, headers = await world.user()
    made = await world.client.post(
        "/v1/admin/workspaces", headers=ADMIN, json={"name": "W", "member_ids": [str(user_id)]}
    )
    return headers | {"X-Workspace-Id": made.json()["id"]}


def posting(path: str, body: Mapping[str, object], *where: str) -> Callable[[World, Headers], Awaitable[str]]:
    """Makes an object with a POST; ``where`` its id stands in the reply."""

    async def make(world: World, headers: Headers) -> str:
        made = await world.client.post(path, headers=headers | AT_ONCE, json=body)
        assert made.is_success, made.text
        found = made.json()
        for name in where:
            found = found[name]
        return str(found)

    return make


tell = posting("/api/stories", {"title": "The lighthouse", "text": "The old keeper climbed the stairs."}, "id")


hook = posting("/v1/webhooks", {"url": "http://127.0.0.1:9/nobody-listens"}, "id")


async def narrate(world: World, headers: Headers) -> str:
    """The narration of a story of their own."""
    story = await tell(world, headers)
    return await posting("/api/story-generations", {"story_id": story}, "id")(world, headers)


async def create_story(world: World, headers: Headers) -> str:
    """A delivery to an endpoint of their own."""
    webhook = await hook(world, headers)
    return await posting(f"/v1/webhooks/{webhook}/test", {}, "id")(world, headers)


async def create_batch(world: World, headers: Headers) -> str:
    """A native batch of one row."""
    batches.willing(world)
    made = await batches.create(world, headers, {"rows": batches.rows(1)})
    return str((await batches.wait_until(world, headers, made["id"], "completed"))["id"])


async def upload_lines(world: World, headers: Headers) -> str:
    """A file of OpenAI's surface."""
    return await batches.upload(world, headers, batches.lines(1))


async def create_openai_batch(world: World, headers: Headers) -> str:
    """A batch of OpenAI's surface."""
    batches.willing(world)
    order = batches.ORDER | {"input_file_id": await upload_lines(world, headers)}
    made = await posting("/v1/batches", order, "id")(world, headers)

    async def has_ended() -> bool:
        return bool((await world.client.get(f"/v1/batches/{made}", headers=headers)).json()["status"] == "completed")

    await world.until(has_ended)
    return made


FAMILIES: Mapping[str, Family] = {
    "/api/v1/generation/": Family(
        store, posting("/api/v1/generation/create", TRY_ON, "data", "session_id"), "/api/v1/generation/{id}"
    ),
    "/v1/generations/": Family(
        store, posting("/v1/generations", IMAGE, "id"), "/v1/generations/{id}", strangers=(user, member)
    ),
    "/v1/client-tokens/": Family(store, posting("/v1/client-tokens", {"credits": 5}, "id"), "/v1/client-tokens/{id}"),
    "/v1/uploads/": Family(store, posting("/v1/uploads", UPLOAD, "id"), "/v1/uploads/{id}", strangers=(user, member)),
    "/v1/generation-batches/": Family(store, create_batch, "/v1/generation-batches/{id}", strangers=(user, member)),
    "/v1/files/": Family(store, upload_lines, "/v1/files/{id}", strangers=(user, member)),
    "/v1/batches/": Family(store, create_openai_batch, "/v1/batches/{id}", strangers=(user, member)),
    "/api/generate/": Family(user, posting("/api/generate", FORM, "data", "_id"), "/api/generate/{id}"),
    "/api/ai/images/": Family(
        member, posting("/api/ai/images", {"prompt": "a cat"}, "data", "id"), "/api/ai/images/{id}"
    ),
    "/v1/onmodel/status/": Family(
        user, posting("/v1/generate?onmodel", FLAT_LAY | {"modelId": "123"}, "job_id"), "/v1/onmodel/status/{id}"
    ),
    "/v1/flatlay/status/": Family(user, posting("/v1/generate?flatlay", FLAT_LAY, "job_id"), "/v1/flatlay/status/{id}"),
    "/v1/webhooks/deliveries/": Family(user, create_story, "/v1/webhooks/deliveries/{id}", strangers=(store, member)),
    "/v1/webhooks/": Family(store, hook, "/v1/webhooks/{id}", strangers=(user, member)),
    "/api/stories/": Family(user, tell, "/api/stories/{id}"),
    "/api/story-generations/": Family(user, narrate, "/api/story-generations/{id}"),
}

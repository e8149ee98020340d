"""What only operators reach answers on a listener of their own, and nowhere else."""

import re
from typing import Any

import pytest

from atelier_gateway.listeners import Listeners
from atelier_gateway.surfaces import OPERATIONS, PUBLIC, ROUTED

from .support.world import ADMIN, World

stack = pytest.mark.stack


@stack
async def test_the_public_listener_knows_no_operators_route_even_with_the_token(world: World) -> None:
    described = (await world.operations.get("/openapi.json")).json()["paths"]
    paths = [(method, re.sub(r"\{[^}]*\}", "x", path)) for path, routes in described.items() for method in routes]

    answers = {(await world.public.request(method, path, headers=ADMIN)).status_code for method, path in paths}

    assert len(paths) > 15 and answers == {404}
    assert (await world.public.get("/metrics")).status_code == 404
    assert (await world.public.post("/v1/admin/stores", headers=ADMIN, json={"name": "x"})).json()[
        "code"
    ] == "not_found"


@stack
async def test_the_public_description_lists_no_operators_route_and_theirs_lists_no_other(world: World) -> None:
    public, operations = [(await door.get("/openapi.json")).json() for door in (world.public, world.operations)]

    assert not [path for path in public["paths"] if path.startswith("/v1/admin")]
    assert all(path.startswith("/v1/admin/") for path in operations["paths"])
    assert [tag["name"] for tag in operations["tags"]] == ["Admin"]
    assert "Admin" not in [tag["name"] for tag in public["tags"]]


@stack
async def test_strangers_learn_whether_we_are_ready_and_not_what_we_are_made_of(world: World) -> None:
    public = await world.public.get("/health/ready")
    operations = await world.operations.get("/health/ready")

    assert (public.status_code, public.json()) == (200, {"status": "ready"})
    assert operations.json()["parts"].keys() >= {"broker", "database", "storage"}
    assert (await world.public.get("/health/live")).json() == {"status": "live"}
    assert "atelier_requests_total" in (await world.operations.get("/metrics")).text


@stack
async def test_the_operations_listener_serves_no_client(world: World) -> None:
    _, headers = await world.store()

    assert (await world.operations.get("/v1/generations", headers=headers)).status_code == 404


def test_every_surface_is_behind_exactly_one_door() -> None:
    assert set(PUBLIC).isdisjoint(OPERATIONS)
    assert {*PUBLIC, *OPERATIONS} == set(ROUTED)


@pytest.mark.parametrize(
    ("server", "headers", "door"),
    [
        (("127.0.0.1", 8090), [], "operations"),
        (("::1", 8090), [], "operations"),
        (("127.0.0.1", 8000), [], "public"),
        (("127.0.0.1", 8000), [(b"host", b"127.0.0.1:8090"), (b"x-forwarded-port", b"8090")], "public"),
        (None, [], "public"),
    ],
)
async def test_the_door_is_the_socket_that_took_the_request_whatever_its_headers_say(
    server: object, headers: list[tuple[bytes, bytes]], door: str
) -> None:
    went: list[str] = []

    def app(name: str) -> Any:
        async def take(*_: object) -> None:
            went.append(name)

        return take

    listeners = Listeners(app("public"), app("operations"), operations_port=8090)
    scope = {"type": "http", "path": "/", "server": server, "headers": headers}

    await listeners(scope, None, None)  # type: ignore[arg-type]

    assert went == [door]

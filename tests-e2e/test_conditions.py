"""Conditions of one request on the running system: its outputs go once they are delivered, its start is waited for."""

import datetime as dt
import hashlib
import signal

import httpx
from minio import Minio

from test_delivery import PRICE, balance, make_ready, read, signed_outputs, wait_until_ended, wait_until_withdrawn
from test_delivery import shopper as shopper
from whole_system.waits import becomes
from whole_system.world import World


async def test_what_is_not_to_be_stored_is_gone_once_it_is_delivered_and_charged(
    world: World, shopper: httpx.AsyncClient
) -> None:
    ready = await make_ready(shopper, store="none", retry="never")
    output = ready["outputs"][0]

    fetched = await shopper.get(output["url"])
    ended = await wait_until_ended(shopper, ready["id"])
    await wait_until_withdrawn(world, output["key"])

    async def told() -> str | None:
        error = (await read(shopper, ready["id"]))["error"]
        return str(error["code"]) if error else None

    await becomes("outputs_expired", told)
    receipt = (await shopper.get(f"/v1/generations/{ready['id']}/receipt")).json()
    assert fetched.status_code == 200 and fetched.content
    assert (ended["status"], ended["outputs"], ended["store"], ended["retry"]) == ("succeeded", [], "none", "never")
    assert receipt["credits"]["captured"] == PRICE == (await balance(shopper))["captured"]
    assert [f"sha256:{each['sha256']}" for each in await signed_outputs(shopper, ready["id"])] == [output["checksum"]]
    assert (await shopper.get(output["url"])).status_code == 404


async def test_what_starts_too_late_costs_nothing(world: World, shopper: httpx.AsyncClient) -> None:
    """Render is not there to start anything."""
    world.stack.kill("render", signal.SIGSTOP)
    try:
        body = {"kind": "image", "prompt": "a red bicycle", "size": "256x256", "start_within_s": 2}
        made = (await shopper.post("/v1/generations", json=body)).json()
        ended = await wait_until_ended(shopper, made["id"])
    finally:
        world.stack.kill("render", signal.SIGCONT)

    assert (ended["status"], ended["error"]["code"]) == ("expired", "not_started")
    assert ended["credits"]["captured"] == 0
    assert (await balance(shopper))["held"] == 0


async def test_outputs_go_into_the_clients_own_bucket_and_are_charged_there(
    world: World, shopper: httpx.AsyncClient
) -> None:
    """The bucket is a real one: the stack's own, by URLs that a client of S3 has signed."""
    known = world.stack.environment()
    endpoint = httpx.URL(known["ATELIER_S3_ENDPOINT"])
    s3 = Minio(
        endpoint.netloc.decode(),
        access_key=known["ATELIER_S3_ACCESS_KEY"],
        secret_key=known["ATELIER_S3_SECRET_KEY"],
        secure=endpoint.scheme == "https",
        region="us-east-1",
    )
    bucket, keys = (
        known["ATELIER_S3_BUCKET"],
        [f"customers/{shopper.headers['X-API-Key'][-8:]}/{n}.png" for n in (0, 1)],
    )
    urls = [s3.presigned_put_object(bucket, key, expires=dt.timedelta(minutes=5)) for key in keys]
    body = {"kind": "image", "prompt": "a red bicycle", "size": "256x256", "n": 2, "charge": "on_delivery"}

    made = (await shopper.post("/v1/generations", json=body | {"deliver_to": urls, "store": "none"})).json()
    ended = await wait_until_ended(shopper, made["id"])

    assert (ended["status"], ended["credits"]["captured"]) == ("succeeded", 2 * PRICE), ended
    assert [each["how"] for each in ended["delivery"]["delivered"]] == ["bucket", "bucket"]
    stored = [s3.get_object(bucket, key).read() for key in keys]
    assert [hashlib.sha256(data).hexdigest() for data in stored] == [
        each["sha256"] for each in await signed_outputs(shopper, made["id"])
    ]


async def test_a_bucket_that_refuses_costs_nothing_and_the_reason_is_told(shopper: httpx.AsyncClient) -> None:
    body = {"kind": "image", "prompt": "a red bicycle", "size": "256x256", "charge": "on_delivery"}
    nowhere = f"{shopper.base_url}/v1/nothing-takes-a-put"

    made = (await shopper.post("/v1/generations", json=body | {"deliver_to": [nowhere]})).json()
    ended = await wait_until_ended(shopper, made["id"])

    assert (ended["status"], ended["error"]["code"]) == ("failed", "delivery_failed"), ended
    assert "it answered 40" in ended["error"]["message"]
    assert (ended["credits"]["captured"], (await balance(shopper))["held"]) == (0, 0)

"""The object store: signed requests only, and what was stored stays."""

import io
import socket
import ssl
import stat
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from minio import Minio
from minio.error import S3Error

from atelier_local.launcher.processes import find_marked, tcp_addresses, wait_until
from atelier_local.launcher.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack("one", root=tmp_path_factory.mktemp("run"), only=["objectstore"]) as stack:
        yield stack


def client(stack: Stack, secret: str | None = None, access_key: str | None = None) -> Minio:
    env = stack.environment()
    return Minio(
        urlsplit(env["ATELIER_S3_ENDPOINT"]).netloc,
        access_key or env["ATELIER_S3_ACCESS_KEY"],
        secret or env["ATELIER_S3_SECRET_KEY"],
        secure=False,
        region=env["ATELIER_S3_REGION"],
    )


@pytest.fixture
def key() -> str:
    return f"tests/{uuid.uuid4()}"


def test_a_presigned_address_takes_and_gives_one_object(stack: Stack, key: str) -> None:
    there = client(stack)

    put = httpx.put(there.presigned_put_object("atelier", key, timedelta(minutes=5)), content=b"picture")
    got = httpx.get(there.presigned_get_object("atelier", key, timedelta(minutes=5)))

    assert put.status_code == 200
    assert got.content == b"picture"


def test_without_a_signature_nothing_is_given(stack: Stack, key: str) -> None:
    client(stack).put_object("atelier", key, io.BytesIO(b"x"), 1)

    assert httpx.get(f"{stack.environment()['ATELIER_S3_ENDPOINT']}/atelier/{key}").status_code == 403


def test_an_address_signed_with_another_secret_is_refused(stack: Stack, key: str) -> None:
    url = client(stack, secret="another").presigned_put_object("atelier", key, timedelta(minutes=5))

    assert httpx.put(url, content=b"x").status_code == 403


def test_another_access_key_is_refused(stack: Stack) -> None:
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        list(client(stack, access_key="another").list_objects("atelier"))


def test_what_was_stored_outlives_a_crash(stack: Stack, key: str) -> None:
    client(stack).put_object("atelier", key, io.BytesIO(b"kept"), 4)
    before = stack.pid("objectstore")

    stack.kill("objectstore")
    assert wait_until(lambda: stack.pid("objectstore") not in (None, before), 60)
    stack.wait_ready("objectstore")

    assert client(stack).get_object("atelier", key).read() == b"kept"


def test_it_listens_on_loopback_only(stack: Stack) -> None:
    own = {f"127.0.0.1:{port}" for name, port in stack.profile.ports.items() if name.startswith("objectstore")}

    assert tcp_addresses(find_marked(str(stack.home))) == own


@pytest.mark.parametrize("part", ["master", "filer"])
def test_its_parts_give_and_take_nothing_over_http(stack: Stack, key: str, part: str) -> None:
    client(stack).put_object("atelier", key, io.BytesIO(b"x"), 1)
    address = f"http://127.0.0.1:{stack.profile.ports[f'objectstore_{part}']}"

    answers = [
        httpx.get(f"{address}/dir/assign"),
        httpx.get(f"{address}/buckets/atelier/{key}"),
        httpx.put(f"{address}/buckets/atelier/{key}", content=b"y"),
        httpx.delete(f"{address}/buckets/atelier/{key}"),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert client(stack).get_object("atelier", key).read() == b"x"


def test_bytes_are_not_taken_without_the_key_of_its_parts(stack: Stack) -> None:
    volume = f"http://127.0.0.1:{stack.profile.ports['objectstore_volume']}"

    assert httpx.post(f"{volume}/1,0123456789", files={"file": b"x"}).status_code == 401
    assert httpx.get(f"{volume}/1,0123456789").status_code == 401


@pytest.mark.parametrize("part", ["s3", "master", "filer", "volume", "admin"])
def test_its_parts_speak_to_each_other_alone(stack: Stack, part: str) -> None:
    port = stack.profile.ports[f"objectstore_{part}_grpc"]
    stranger = ssl.create_default_context()
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE

    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        stranger.wrap_socket(plain) as secured,
        pytest.raises(ssl.SSLError, match="certificate required"),
    ):
        secured.recv(1)


def test_a_page_of_any_origin_may_use_a_signed_url(tmp_path: Path) -> None:
    with Stack("two", root=tmp_path, only=["objectstore"]) as stack:
        answer = _preflight(stack, "https://shop.example")

    assert answer == (200, "https://shop.example")


def _preflight(stack: Stack, origin: str) -> tuple[int, str | None]:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    answer = httpx.options(f"{stack.environment()['ATELIER_S3_ENDPOINT']}/atelier/any", headers=asked)
    return answer.status_code, answer.headers.get("access-control-allow-origin")


def test_a_stack_that_is_down_leaves_no_socket_behind(tmp_path: Path) -> None:
    with Stack("two", root=tmp_path, only=["objectstore"]) as stack:
        ports = [port for name, port in stack.profile.ports.items() if name.startswith("objectstore")]
        before = sockets_of(ports)

    assert before
    assert sockets_of(ports) == []


def sockets_of(ports: list[int]) -> list[Path]:
    return [socket for port in ports for socket in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]


def test_its_objects_are_for_its_owner_alone(stack: Stack) -> None:
    assert stat.S_IMODE((stack.home / "objectstore").stat().st_mode) == 0o700

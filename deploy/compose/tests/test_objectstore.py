"""The object store of the compose file, started here by its own command, environment and files at other addresses."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from atelier_storage.embedded_server import PORTS, EmbeddedServer, program
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import artefact_key, upload_key
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings
from atelier_storage.upload_identity import UploadIdentity

from .test_settings_match import interpolate

Compose = dict[str, Any]

START_TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def served(
    compose: Compose, variables: dict[str, str], secrets_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of the container ``bucket`` with the address of the store, once that one-shot has run."""
    home, ports = tmp_path_factory.mktemp("objectstore"), {name: _free_port() for name in PORTS}
    here = EmbeddedServer(home, ports)
    service, weed = compose["services"]["objectstore"], program()
    assert weed is not None
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [weed, *_moved(service["command"], here, variables, secrets_folder)],
            env=_filled(service["environment"], variables, secrets_folder) | {"HOME": str(home)},
            cwd=home,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_until_healthy(server, service["healthcheck"]["test"][-1], ports["s3"], home / "log")
            one_shot = compose["services"]["bucket"]
            known = _filled(one_shot["environment"], variables, secrets_folder)
            known |= {"ATELIER_S3_ENDPOINT": f"http://127.0.0.1:{ports['s3']}"}
            command = [sys.executable, *one_shot["command"][1:]]
            for _ in range(2):
                subprocess.run(command, env={"PATH": os.environ["PATH"]} | known, check=True, timeout=150)
            yield known
        finally:
            server.terminate()
            server.wait(timeout=30)
            here.remove_sockets()


@pytest.fixture
def settings(served: dict[str, str], variables: dict[str, str]) -> StorageSettings:
    """What the gateway gets."""
    names = ("access_key", "secret_key", "upload_access_key", "upload_secret_key")
    keys = {name: variables[f"ATELIER_S3_{name.upper()}"] for name in names}
    return StorageSettings.model_validate({"endpoint": served["ATELIER_S3_ENDPOINT"], "bucket": "atelier", **keys})


@pytest.mark.stack
async def test_the_services_put_list_copy_get_and_remove_objects(settings: StorageSettings) -> None:
    store, owner = ObjectStore(settings), uuid4()
    first, second = (artefact_key("user", owner, uuid4(), 0, "png") for _ in range(2))

    assert await store.ready()
    await store.put(first, b"picture" * 200_000, "image/png")
    await store.copy(first, second)
    await store.remove(first)

    assert await store.get(second, 2_000_000) == b"picture" * 200_000
    assert [entry.key for entry in await store.list_page(f"users/{owner}/", after="", limit=5)] == [second]
    store.close()


@pytest.mark.stack
async def test_the_identity_for_uploads_is_what_the_gateway_wants_of_it(settings: StorageSettings) -> None:
    await UploadIdentity(settings).verify()


@pytest.mark.stack
async def test_the_services_reach_their_own_bucket_alone(settings: StorageSettings) -> None:
    elsewhere = ObjectStore(settings.model_copy(update={"bucket": "another"}))

    with pytest.raises(StorageUnavailable, match="AccessDenied"):
        await elsewhere.ensure_bucket()
    elsewhere.close()


@pytest.mark.stack
def test_a_page_of_any_origin_may_use_a_signed_url(settings: StorageSettings) -> None:
    url = ObjectStore(settings).presign_put(upload_key("store", uuid4(), uuid4(), "me.png"), "image/png", 60).url

    assert _preflight(url, "https://shop.example") == 200


def test_it_is_as_closed_as_that_of_a_local_stack(compose: Compose, tmp_path: Path) -> None:
    service, local = compose["services"]["objectstore"], EmbeddedServer(tmp_path, dict.fromkeys(PORTS, 1))
    elsewhere = {"dir", "ip.bind", "s3.config", "volume.max", "s3.externalUrl"}
    ports = {f"{name.replace('_', '.port.')}" if "_" in name else f"{name}.port" for name in PORTS}

    wanted = _options(local.command("weed")[1:]).items()
    assert {pair for pair in wanted if pair[0] not in elsewhere | ports} == {
        pair for pair in _options(service["command"]).items() if pair[0] not in elsewhere
    }
    assert local.environment().keys() == service["environment"].keys()


def test_its_files_are_for_it_alone(compose: Compose) -> None:
    holders = {name for name, service in compose["services"].items() if ".secrets/objectstore" in str(service)}
    key_holders = {name for name, service in compose["services"].items() if "OBJECTSTORE_PARTS_KEY" in str(service)}
    admins = {name for name, service in compose["services"].items() if "S3_ADMIN_SECRET_KEY" in str(service)}

    assert (holders, key_holders, admins) == ({"objectstore"}, {"objectstore"}, {"bucket"})


def _options(command: list[str] | tuple[str, ...]) -> dict[str, str]:
    """What follows the name of the command."""
    words = [word.removeprefix("-").partition("=") for word in command if "=" in word]
    return {name: value for name, _, value in words if name != "logtostderr"}


def _moved(command: list[str], here: EmbeddedServer, variables: dict[str, str], secrets_folder: Path) -> list[str]:
    """The command at ports and folders of this machine; a later option wins over an earlier one."""
    (here.home / "data").mkdir()
    ports = [word for word in here.command("weed") if re.match(r"-\w+\.port(\.grpc)?=", word)]
    replaced = [_here(interpolate(word, variables), secrets_folder) for word in command]
    return [*replaced, f"-dir={here.home / 'data'}", "-ip.bind=127.0.0.1", *ports]


def _filled(environment: dict[str, str | None], variables: dict[str, str], secrets_folder: Path) -> dict[str, str]:
    given = {name: variables.get(name) if value is None else value for name, value in environment.items()}
    return {name: _here(interpolate(str(value), variables), secrets_folder) for name, value in given.items() if value}


def _here(text: str, secrets_folder: Path) -> str:
    return text.replace("/etc/objectstore", str(secrets_folder / "objectstore"))


def _wait_until_healthy(server: subprocess.Popen[bytes], url: str, port: int, log: Path) -> None:
    give_up = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url.replace(":8333", f":{port}"), timeout=2).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < give_up, log.read_text()[-2000:]
            time.sleep(0.1)


def _preflight(url: str, origin: str) -> int:
    asked = {"Origin": origin, "Access-Control-Request-Method": "PUT"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="OPTIONS", headers=asked), timeout=5) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

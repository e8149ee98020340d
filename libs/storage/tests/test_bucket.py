"""The bucket is set up once and again, for pages that have a signed URL."""

import os
import subprocess
import sys

import pytest
from minio import Minio

from atelier_storage.bucket import set_up_bucket
from atelier_storage.client import http_pool, minio_client
from atelier_storage.settings import StorageSettings

from .test_objects import exchange


@pytest.fixture
def client(s3_settings: StorageSettings) -> Minio:
    return minio_client(s3_settings, http_pool(s3_settings))


@pytest.mark.stack
async def test_pages_of_any_origin_may_use_a_signed_url_and_nothing_else(
    client: Minio, s3_settings: StorageSettings
) -> None:
    for _ in range(2):
        set_up_bucket(client, "fresh", "us-east-1")
    address, page = f"{s3_settings.endpoint}fresh/any", {"Origin": "https://shop.example"}
    asked = {"Access-Control-Request-Headers": "content-type", "Access-Control-Request-Method": "PUT"}
    signed = {"put": client.presigned_put_object("fresh", "any"), "get": client.presigned_get_object("fresh", "any")}

    put_asked, asked_headers, _ = await exchange("OPTIONS", address, headers=page | asked)
    unsigned, _, _ = await exchange("PUT", address, body=b"x", headers=page)
    stored, _, _ = await exchange("PUT", signed["put"], body=b"x", headers=page)
    read, shown, content = await exchange("GET", signed["get"], headers=page)

    assert (put_asked, unsigned, stored, read, content) == (200, 403, 200, 200, b"x")
    answered = [{name.lower(): value for name, value in headers.items()} for headers in (asked_headers, shown)]
    assert all(headers["access-control-allow-origin"] in ("*", page["Origin"]) for headers in answered)
    assert "DELETE" not in answered[0]["access-control-allow-methods"]
    assert not any("access-control-allow-credentials" in headers for headers in answered)


@pytest.mark.stack
def test_the_command_makes_the_bucket_and_says_so(s3_settings: StorageSettings) -> None:
    done = _run(s3_settings, ATELIER_S3_BUCKET="commanded")

    assert (done.returncode, done.stdout) == (
        0,
        "The bucket commanded is ready; pages that have a signed URL may use it.\n",
    )


@pytest.mark.stack
def test_the_command_says_in_one_line_that_the_store_refuses(s3_settings: StorageSettings) -> None:
    done = _run(s3_settings, ATELIER_S3_SECRET_KEY="wrong")

    assert done.returncode == 1
    assert done.stderr.startswith("Could not set up the bucket pictures: The object store answered")


def _run(settings: StorageSettings, **more: str) -> subprocess.CompletedProcess[str]:
    known = {
        "PATH": os.environ["PATH"],
        "ATELIER_S3_ENDPOINT": str(settings.endpoint),
        "ATELIER_S3_ACCESS_KEY": settings.access_key,
        "ATELIER_S3_SECRET_KEY": settings.secret_key.get_secret_value(),
        "ATELIER_S3_BUCKET": settings.bucket,
    }
    command = [sys.executable, "-m", "atelier_storage.bucket"]
    return subprocess.run(command, env=known | more, check=False, capture_output=True, text=True, timeout=150)

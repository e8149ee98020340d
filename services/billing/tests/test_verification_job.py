"""The verification of the log as a job: in slices, on a schedule, with its last result. The stores of checkpoints."""

from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from minio.error import S3Error

from atelier_billing.proof import verification_job
from atelier_billing.proof.checkpoint_stores import CheckpointBucket, CheckpointFile, CheckpointWebhook
from atelier_billing.proof.checkpoints import open_checkpoint
from atelier_billing.proof.sequencer import LogSequencer
from atelier_billing.proof.verification_job import LogVerificationJob
from atelier_storage.client import http_pool, minio_client
from atelier_storage.settings import StorageSettings
from atelier_storage.testing import object_store
from atelier_telemetry import metrics

from .receipts import ORIGIN
from .test_log import Log, open_log

pytestmark = pytest.mark.stack


@pytest.fixture
async def log(postgres: str, tmp_path: Path) -> AsyncIterator[Log]:
    async with open_log(postgres, tmp_path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification_job, "SLICE", 7)


@pytest.fixture(scope="module")
def bucket_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StorageSettings]:
    """A real object store with an empty bucket."""
    with object_store("billing-store", tmp_path_factory.mktemp("store")) as settings:
        yield settings


def job_of(log: Log, every_s: float = 0.0) -> LogVerificationJob:
    return LogVerificationJob(log.unit.pool, log.keys.public, log.sequencer.open_outside, every_s=every_s, share=0.999)


async def test_slices_come_to_the_same_as_the_verification_in_one_go(log: Log) -> None:
    await log.add_generations(40)
    job = job_of(log)
    await job.start()

    await job.work()

    whole, last = await log.verify(), (await job.status())["last"]
    assert (last["state"], last["violations"]) == ("passed", [])
    assert last["size"] == last["total"] == last["compared_size"] == whole.size
    assert metrics.LOG_VERIFICATION_FAILED._value.get() == 0
    assert metrics.LOG_VERIFIED_AT._value.get() == pytest.approx(last["ended_at"].timestamp())


@pytest.mark.parametrize(
    ("statement", "violation"),
    [
        ("UPDATE postings SET credits = credits + 1 WHERE id = (SELECT max(id::text)::uuid FROM postings)", "entered"),
        ("DELETE FROM log_entries WHERE position = 20", "entry 20: it is missing"),
        ("DELETE FROM log_entries WHERE position >= 30", "the checkpoint outside signs"),
        (
            "UPDATE log_entries SET leaf_hash = sha256('x') WHERE position = 3",
            "are not those that the checkpoint outside signs",
        ),
    ],
    ids=["posting", "hole", "cut-off", "leaf"],
)
async def test_a_job_names_what_a_superuser_changed_and_raises_the_alert(
    log: Log, statement: str, violation: str
) -> None:
    await log.add_generations(40)
    await log.cheat(statement)
    job = job_of(log)
    await job.start()

    await job.work()

    last = (await job.status())["last"]
    assert last["state"] == "failed"
    assert any(violation in line for line in last["violations"]), last["violations"]
    assert metrics.LOG_VERIFICATION_FAILED._value.get() == 1


async def test_another_process_continues_where_one_stopped(log: Log) -> None:
    await log.add_generations(20)
    first, second = job_of(log), job_of(log)
    started = await first.start()
    await first._advance()

    again = await second.start()
    await second.work()

    assert again["id"] == started["id"] and again["size"] == 7
    assert (await first.status())["last"]["state"] == "passed"


async def test_a_job_starts_by_itself_when_it_is_due_and_not_before(log: Log) -> None:
    await log.add_generations(3)
    job = job_of(log, every_s=3_600)

    for _ in range(3):
        await job.work()
    await log.unit.pool.execute("UPDATE log_verifications SET started_at = started_at - interval '2 hours'")
    await job.work()
    await job_of(log).work()

    assert await log.unit.pool.fetchval("SELECT count(*) FROM log_verifications") == 2


async def test_an_unreadable_checkpoint_outside_is_a_violation_of_the_job(log: Log) -> None:
    await log.add_generations(3)
    log.file.write_bytes(b"\xff\xfe")
    job = job_of(log)
    await job.start()

    await job.work()

    assert "cannot be read" in (await job.status())["last"]["violations"][0]


async def test_a_bucket_keeps_the_last_checkpoint_and_contradicts_a_log_that_was_cut_off(
    log: Log, bucket_settings: StorageSettings
) -> None:
    bucket = CheckpointBucket(bucket_settings, f"{ORIGIN}/{log.file.parent.name}")
    sequencer = LogSequencer(log.unit.pool, log.issuer, log.keys, ORIGIN, stores=[CheckpointFile(log.file), bucket])
    assert await bucket.read() is None
    await log.add_generations(5)
    await sequencer.run_once()
    kept = await bucket.read()

    # The file is rolled back with the log: the bucket still knows better.
    await log.cheat("DELETE FROM log_entries WHERE position >= 6", "DELETE FROM log_checkpoints")
    log.file.unlink()
    await sequencer.run_once()

    assert kept and open_checkpoint(kept, ORIGIN, log.keys.public).size == 16
    assert (await bucket.read(), log.file.exists()) == (kept, False)
    assert metrics.LOG_CONTRADICTED._value.get() == 1


async def test_versions_in_a_bucket_with_object_lock_cannot_be_removed(bucket_settings: StorageSettings) -> None:
    client = minio_client(bucket_settings, http_pool(bucket_settings))
    client.make_bucket("locked-checkpoints", object_lock=True)
    store = CheckpointBucket(bucket_settings.model_copy(update={"bucket": "locked-checkpoints"}), ORIGIN, lock_days=1)

    for note in ("first", "second"):
        await store.write(note)

    versions = list(client.list_objects("locked-checkpoints", recursive=True, include_version=True))
    assert (await store.read(), len(versions)) == ("second", 2)
    for version in versions:
        with pytest.raises(S3Error, match="AccessDenied"):
            client.remove_object("locked-checkpoints", str(version.object_name), version_id=version.version_id)


async def test_a_bucket_that_is_away_holds_nothing_up_and_is_told_of(log: Log) -> None:
    away = StorageSettings.model_validate(
        {"endpoint": "http://127.0.0.1:9", "access_key": "a", "secret_key": "b" * 8, "bucket": "checkpoints"}
    )
    bucket = CheckpointBucket(away, ORIGIN)
    sequencer = LogSequencer(log.unit.pool, log.issuer, log.keys, ORIGIN, stores=[bucket, CheckpointFile(log.file)])

    await log.add_generations(2)
    log.file.unlink()
    await sequencer.run_once()

    assert log.file.exists()
    assert metrics.LOG_CHECKPOINT_UNWRITTEN.labels(bucket.name)._value.get() == 1
    [away_now, file_now] = await sequencer.describe_outside()
    assert away_now["error"] and (file_now["size"], file_now["error"]) == (7, None)


async def test_an_address_gets_each_checkpoint_once(log: Log) -> None:
    received: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    store = CheckpointWebhook(f"http://127.0.0.1:{server.server_port}/keep")
    sequencer = LogSequencer(log.unit.pool, log.issuer, log.keys, ORIGIN, stores=[store])
    try:
        for count in (2, 3):
            await log.add_generations(count)
            for _ in range(2):
                await sequencer.run_once()
    finally:
        server.shutdown()

    assert [open_checkpoint(note, ORIGIN, log.keys.public).size for note in received] == [7, 17]

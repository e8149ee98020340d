"""Render processes on a real Postgres, with an object store in memory."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from opentelemetry.trace import INVALID_SPAN
from uuid_utils.compat import uuid7

from atelier_contracts import Message, Owner, RenderSpec, RequestRender, Simulation, wrap
from atelier_contracts.message import REGISTRY
from atelier_contracts.word_filter import BannedWords
from atelier_imaging import Analysis, ImageRefused
from atelier_imaging.analysis import analyse
from atelier_imaging.pool import ImageWorkers
from atelier_messaging import Delivery, UnitOfWork
from atelier_messaging.database import Pool
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher
from atelier_render.cost_table import CostTable
from atelier_render.eta.estimator import EtaEstimator
from atelier_render.execution.completions import Completions
from atelier_render.execution.input_normaliser import InputNormaliser
from atelier_render.execution.inputs import Inputs
from atelier_render.execution.previews import Previews
from atelier_render.execution.progress import Progress
from atelier_render.execution.scheduler import Scheduler
from atelier_render.execution.worker import Worker
from atelier_render.handlers import handle_commands
from atelier_render.jobs import Attempt, Job, JobResult
from atelier_render.moderation.moderators import BannedWordsModerator, ContentModeration
from atelier_render.outputs.analysis import OutputAnalyser
from atelier_render.outputs.artefact_writer import ArtefactWriter
from atelier_render.outputs.garbage_collector import GarbageCollector
from atelier_render.outputs.result_cache import ResultCache
from atelier_render.outputs.spool import Spool
from atelier_render.provider_calls.caller import ProviderCaller
from atelier_render.provider_calls.concurrency_gate import ProviderGate
from atelier_render.provider_calls.retry_policy import RetryPolicy
from atelier_render.provider_calls.submission_log import SubmissionLog
from atelier_render.providers.local.images import Local
from atelier_render.providers.local.narration import Narration
from atelier_render.providers.protocol import Provider
from atelier_render.providers.simulator import Simulator
from atelier_render.speech.process_pool import SpeechProcessPool
from atelier_storage.errors import ObjectMissing, StorageUnavailable
from atelier_storage.objects import ListedObject, StoredObject
from atelier_storage.safe_fetcher import SafeFetcher

LEASE_S = 60.0
"""No lease runs out unless a test says so."""
PATIENCE_S = 60.0
"""For what comes in milliseconds on an idle machine."""
RULES = RetryPolicy(backoff_s=0.01, recall_s=0.02, recall_s_max=0.05, reconcile_s=1.0)


@dataclass
class MemoryStore:
    """An object store in memory that can be away."""

    objects: dict[str, bytes] = field(default_factory=dict)
    written: dict[str, datetime] = field(default_factory=dict)
    puts: int = 0
    away: bool = False

    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        if self.away:
            raise StorageUnavailable("away")
        self.puts += 1
        self.objects[key] = data
        self.written[key] = datetime.now(UTC)
        return StoredObject(key, len(data), hashlib.sha256(data).hexdigest(), content_type)

    async def get(self, key: str, max_bytes: int) -> bytes:
        if key not in self.objects:
            raise ObjectMissing(key)
        return self.objects[key]

    async def copy(self, source: str, key: str) -> None:
        await self.put(key, await self.get(source, 0), "")

    async def list_page(self, folder: str, *, after: str, limit: int) -> list[ListedObject]:
        keys = sorted(key for key in self.objects if key.startswith(folder) and key > after)
        return [ListedObject(key, len(self.objects[key]), self.written[key]) for key in keys[:limit]]

    async def remove(self, key: str) -> None:
        if self.away:
            raise StorageUnavailable("away")
        self.objects.pop(key, None)

    def key_of(self, url: str) -> str | None:
        return url.removeprefix("https://our.store/") if url.startswith("https://our.store/") else None


@dataclass
class Process:
    """One render process of a test: its scheduler and its loops."""

    scheduler: Scheduler
    collector: GarbageCollector
    owner: str
    unit: UnitOfWork
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def handle(self, *messages: Message) -> None:
        """Receives messages in one batch."""
        deliveries = [Delivery(wrap(message, source="test")) for message in messages]
        async with self.unit.once("render.commands", deliveries) as tx:
            await handle_commands(tx, scheduler=self.scheduler, collector=self.collector, simulator=True)

    def start(self) -> None:
        """Begins to claim, to beat and to take over."""
        loops = [
            self.scheduler.run_lane("paced"),
            self.scheduler.run_lane("instant"),
            self.scheduler.renew_leases_forever(),
        ]
        self.tasks = [asyncio.create_task(loop) for loop in [*loops, self._take_over()]]

    async def kill(self) -> None:
        """Dies as by SIGKILL: nothing is given back, no lease is renewed."""
        dying = [*self.tasks, *(a.task for a in self.scheduler._attempts.values() if a.task)]
        for task in dying:
            task.cancel("lost")  # a provider that could still call its service would cancel there
        await asyncio.gather(*dying, return_exceptions=True)

    async def _take_over(self) -> None:
        while True:
            await asyncio.sleep(0.1)
            await self.scheduler.release_lost_leases()


@dataclass
class World:
    """A database, an object store, and as many render processes as a test wants."""

    pool: Pool
    objects: MemoryStore
    spool: Spool
    images: ImageWorkers
    processes: list[Process] = field(default_factory=list)
    costs: CostTable | None = None
    """What the processes price submissions with."""

    def process(self, *, slots: int = 4, lease_s: float = LEASE_S, preferred: Sequence[Provider] = ()) -> Process:
        """Another process, not started, with these providers before its own."""
        owner = f"worker-{len(self.processes) + 1}"
        unit = UnitOfWork(self.pool, Outbox(self.pool, Publisher("amqp://nowhere", "test")), "atelier/render")
        artefacts = ArtefactWriter(self.objects, self.spool, self.pool)  # type: ignore[arg-type]
        progress, costs = Progress(unit), self.costs
        worker = worker_of(self.objects, artefacts, self.images, progress, self.pool, owner, preferred, costs)
        completions = Completions(unit, artefacts, owner=owner)
        eta_estimator = EtaEstimator(self.pool, (Local(self.images),), Simulator(self.images, attempt_s=0.3))
        scheduler = Scheduler(unit, worker, completions, eta_estimator, owner=owner, lease_s=lease_s, slots=slots)
        collector = GarbageCollector(unit, self.objects, retention_days=30, jobs_keep_days=30, grace_s=60)  # type: ignore[arg-type]
        self.processes.append(Process(scheduler, collector, owner, unit))
        return self.processes[-1]

    async def events(self, generation_id: UUID) -> list[str]:
        """Names of what was said about a generation, oldest first, without owner and version."""
        rows = await self.pool.fetch("SELECT name, body FROM outbox ORDER BY created_at, id")
        return [row["name"].split(".")[1] for row in rows if str(generation_id) in row["body"]]

    async def message_of(self, generation_id: UUID, name: str) -> dict[str, Any]:
        """The fields of the one message of that name about a generation; what was left out has its default."""
        sql = "SELECT body::jsonb AS body FROM outbox WHERE name = $1 AND body::jsonb ->> 'generation_id' = $2"
        rows = await self.pool.fetch(sql, f"render.{name}.v1", str(generation_id))
        assert len(rows) == 1, f"{len(rows)} messages {name} about {generation_id}"
        return REGISTRY[f"render.{name}.v1"].model_validate(rows[0]["body"]).model_dump(mode="json")

    async def job(self, generation_id: UUID) -> asyncpg.Record:
        """The job's row."""
        row: asyncpg.Record | None = await self.pool.fetchrow(
            "SELECT * FROM jobs WHERE generation_id = $1", generation_id
        )
        assert row is not None
        return row

    async def until(self, generation_id: UUID, *states: str) -> asyncpg.Record:
        """Waits for a job to be in one of the states."""
        row = await self.job(generation_id)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while row["state"] not in states:
                    await asyncio.sleep(0.01)
                    row = await self.job(generation_id)
        except TimeoutError:
            raise TimeoutError(f"the job {generation_id} is {row['state']}, not {' or '.join(states)}") from None
        return row

    async def find_miscounts(self) -> list[asyncpg.Record]:
        """Tenant queues whose counters differ from the jobs there are; empty when all is well."""
        return await self.pool.fetch(
            """SELECT * FROM tenant_queues t FULL JOIN (
                   SELECT lane, owner_id, count(*) FILTER (WHERE state = 'queued') AS q,
                          count(*) FILTER (WHERE state = 'running') AS r
                   FROM jobs WHERE owner_id IS NOT NULL GROUP BY lane, owner_id) j USING (lane, owner_id)
               WHERE (t.queued, t.running) IS DISTINCT FROM (coalesce(j.q, 0), coalesce(j.r, 0))"""
        )


@dataclass
class Studio:
    """One worker without a queue: attempts as they are, in memory."""

    objects: MemoryStore
    spool: Spool
    worker: Worker

    async def render(self, request: RequestRender, *, attempt: int = 1, remaining_s: float = 30.0) -> JobResult:
        """The result of one attempt."""
        job = Job(request.generation_id, attempt, request.owner, request.spec, "paced", None, remaining_s)
        return await self.worker.perform(Attempt(job, INVALID_SPAN))


async def look(data: bytes) -> Analysis | ImageRefused:
    """What an image worker would say, without the wait for one."""
    return analyse(data)


def worker_of(
    objects: MemoryStore,
    artefacts: ArtefactWriter,
    images: ImageWorkers,
    progress: Progress,
    pool: Pool | None = None,
    owner: str = "worker",
    preferred: Sequence[Provider] = (),
    costs: CostTable | None = None,
) -> Worker:
    """A worker with all its providers, the preferred ones first, impatient."""
    inputs = Inputs(objects, SafeFetcher())  # type: ignore[arg-type]
    providers = (*preferred, Local(images), Narration(SpeechProcessPool(readers=1)))
    gates = {p.name: ProviderGate(p.name, calls_max=4) for p in preferred if p.capabilities.remote}
    log = SubmissionLog(pool, owner=owner, costs=costs)  # type: ignore[arg-type]
    caller = ProviderCaller(providers, gates, log, RULES)
    reuse = ResultCache(objects, pool, days_max=30)  # type: ignore[arg-type]
    simulator = Simulator(images, attempt_s=0.3)
    rules = ContentModeration([BannedWordsModerator(BannedWords.from_list("gore", whole=True))], when_away="refuse")
    return Worker(
        providers,
        simulator,
        caller,
        rules,
        inputs,
        InputNormaliser(images),
        artefacts,
        reuse,
        OutputAnalyser(look),
        progress,
        Previews(objects, pool, None),  # type: ignore[arg-type]
    )


def new_request(owner: Owner | None = None, *, deadline_s: float = 60.0, **spec: Any) -> RequestRender:
    """A request, instant unless ``simulate`` says otherwise."""
    simulate = spec.pop("simulate", Simulation(picture=False))
    return RequestRender(
        generation_id=uuid7(),
        owner=owner or tenant(),
        spec=RenderSpec(kind=spec.pop("kind", "try_on"), simulate=simulate, **spec),
        deadline_at=datetime.now(UTC) + timedelta(seconds=deadline_s),
    )


def tenant() -> Owner:
    """A new store."""
    return Owner(kind="store", id=uuid4())

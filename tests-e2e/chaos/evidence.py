"""Everything the four services, the object store and the broker know of a run's generations, read once it is quiet."""

import asyncio
import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from minio import Minio
from minio.error import S3Error

from chaos.load import Load
from whole_system.world import World

Row = Mapping[str, Any]
_SAGAS = """
SELECT generation_id::text AS id, owner_id::text AS owner, state, credits, request::text AS request,
       result::text AS result, delivery::text AS delivery FROM sagas WHERE owner_id = ANY($1::uuid[])
"""
_PROJECTED = """
SELECT id::text AS id, state, credits_captured, request::text AS request, outputs::text AS outputs
FROM generations WHERE owner_id = ANY($1::uuid[])
"""
_HOLDS = """
SELECT generation_id::text AS id, state, unit_credits * units AS credits, captured, refunded FROM holds
"""
_JOBS = """
SELECT generation_id::text AS id, state, attempt, provider, delivered, code, reason FROM jobs
"""
_ARTEFACTS = "SELECT key, generation_id::text AS id, sha256, thumbnail FROM artefacts"
_ATTEMPTS = "SELECT generation_id::text AS id, attempt, outcome FROM attempts"


@dataclass
class Evidence:
    """By generation id, of this run's owners alone; ``objects`` by key."""

    sagas: dict[str, Row]
    projected: dict[str, Row]
    holds: dict[str, Row]
    jobs: dict[str, Row]
    attempts: dict[str, list[Row]]
    artefacts: dict[str, Row]
    """By key."""
    checksums: dict[str, str]
    """Of the objects under this run's owners, as they lie in the store."""
    by_marker: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Prompt → generations that any service knows under it."""

    @classmethod
    async def gather(cls, world: World, load: Load) -> "Evidence":
        """Reads everything."""
        owners = [account.id for account in load.accounts]
        databases = world.databases
        sagas = _by_id(await databases["session"].fetch(_SAGAS, owners))
        projected = _by_id(await databases["gateway"].fetch(_PROJECTED, owners))
        ours = sagas.keys() | projected.keys()
        attempts: dict[str, list[Row]] = defaultdict(list)
        for row in await databases["render"].fetch(_ATTEMPTS):
            if row["id"] in ours:
                attempts[row["id"]].append(row)
        artefacts = await databases["render"].fetch(_ARTEFACTS)
        found = cls(
            sagas=sagas,
            projected=projected,
            holds=_only(ours, await databases["billing"].fetch(_HOLDS)),
            jobs=_only(ours, await databases["render"].fetch(_JOBS)),
            attempts=attempts,
            artefacts={row["key"]: dict(row) for row in artefacts if row["id"] in ours},
            checksums=await asyncio.to_thread(_checksums, world.stack.environment(), owners),
        )
        for id_, row in sagas.items():
            found.by_marker[json.loads(row["request"])["spec"]["prompt"]].add(id_)
        for id_, row in projected.items():
            found.by_marker[json.loads(row["request"])["prompt"]].add(id_)
        return found

    def orphans(self) -> list[str]:
        """Objects that were made for a generation and that no artefact names."""
        named = {key for row in self.artefacts.values() for key in (row["key"], row["thumbnail"])}
        return [key for key in self.checksums if "/generated/" in key and key not in named]


def _by_id(rows: list[asyncpg.Record]) -> dict[str, Row]:
    return {row["id"]: dict(row) for row in rows}


def _only(ids: Collection[str], rows: list[asyncpg.Record]) -> dict[str, Row]:
    return {row["id"]: dict(row) for row in rows if row["id"] in ids}


def _checksums(known: Mapping[str, str], owners: Collection[str]) -> dict[str, str]:
    host, bucket = known["ATELIER_S3_ENDPOINT"].partition("://")[2], known["ATELIER_S3_BUCKET"]
    client = Minio(host, known["ATELIER_S3_ACCESS_KEY"], known["ATELIER_S3_SECRET_KEY"], secure=False)
    found = {}
    for listed in client.list_objects(bucket, recursive=True):
        key = str(listed.object_name)
        if key.split("/")[1] in owners:
            with suppress(S3Error):  # collected since it was listed
                answer = client.get_object(bucket, key)
                found[key] = hashlib.sha256(answer.read()).hexdigest()
                answer.close()
                answer.release_conn()
    return found

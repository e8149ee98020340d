"""Everything the four services, the object store and the broker know of a run's generations, read once it is quiet."""

import asyncio
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from c2pa import C2paError, Reader
from minio import Minio
from minio.error import S3Error

from atelier_render.provenance.marker import UNSIGNED
from atelier_render.providers.toolkit.file_checks import type_of
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
    unmarked: dict[str, str]
    """Of those made for a generation: what C2PA's reader says of the files that are not valid under a manifest."""
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
        checksums, unmarked = await asyncio.to_thread(_look_at_objects, world.stack.environment(), owners)
        found = cls(
            sagas=sagas,
            projected=projected,
            holds=_only(ours, await databases["billing"].fetch(_HOLDS)),
            jobs=_only(ours, await databases["render"].fetch(_JOBS)),
            attempts=attempts,
            artefacts={row["key"]: dict(row) for row in artefacts if row["id"] in ours},
            checksums=checksums,
            unmarked=unmarked,
        )
        for id_, row in sagas.items():
            found.by_marker[json.loads(row["request"])["spec"]["prompt"]].add(id_)
        for id_, row in projected.items():
            found.by_marker[json.loads(row["request"])["prompt"]].add(id_)
        return found

    @property
    def made(self) -> list[str]:
        """The keys of the objects that were made for a generation."""
        return [key for key in self.checksums if "/generated/" in key]

    def orphans(self) -> list[str]:
        """Objects that were made for a generation and that no artefact names."""
        named = {key for row in self.artefacts.values() for key in (row["key"], row["thumbnail"])}
        return [key for key in self.made if key not in named]


def _by_id(rows: list[asyncpg.Record]) -> dict[str, Row]:
    return {row["id"]: dict(row) for row in rows}


def _only(ids: Collection[str], rows: list[asyncpg.Record]) -> dict[str, Row]:
    return {row["id"]: dict(row) for row in rows if row["id"] in ids}


def _look_at_objects(known: Mapping[str, str], owners: Collection[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Checksums of all objects; and what is wrong with the marks of those that were made."""
    host, bucket = known["ATELIER_S3_ENDPOINT"].partition("://")[2], known["ATELIER_S3_BUCKET"]
    client = Minio(host, known["ATELIER_S3_ACCESS_KEY"], known["ATELIER_S3_SECRET_KEY"], secure=False)
    found, unmarked = dict[str, str](), dict[str, str]()
    for listed in client.list_objects(bucket, recursive=True):
        key = str(listed.object_name)
        if key.split("/")[1] in owners:
            with suppress(S3Error):  # collected since it was listed
                answer = client.get_object(bucket, key)
                data = answer.read()
                found[key] = hashlib.sha256(data).hexdigest()
                if "/generated/" in key and (wrong := _flaw_of_marks(data)):
                    unmarked[key] = wrong
                answer.close()
                answer.release_conn()
    return found, unmarked


def _flaw_of_marks(data: bytes) -> str | None:
    """None for what cannot carry a manifest, and for what carries a valid one."""
    content_type = type_of(data) or ""
    if content_type in UNSIGNED:
        return None
    try:
        with Reader(content_type, io.BytesIO(data)) as reader:
            state = reader.get_validation_state()
    except C2paError as error:
        return str(error)
    return None if state == "Valid" else str(state)

"""A running system whose records a test changes behind the services' backs, and what reconciliation finds."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
from minio import Minio
from typer.testing import CliRunner, Result

from atelier_local.api_client.operations_client import RECONCILE, OperationsClient
from atelier_local.cli import app
from atelier_local.launcher.postgres import admin_url
from whole_system.waits import eventually
from whole_system.world import World

IMAGE = {"kind": "image", "prompt": "a bicycle by the lake", "size": "512x512", "n": 2}


async def run_command(world: World, *words: str) -> Result:
    """A command of ``atelier admin``."""
    known = world.stack.environment() | {"COLUMNS": "400"}
    return await asyncio.to_thread(CliRunner().invoke, app, ["admin", *words], env={**known, "PROFILE": None})


class Site:
    """A system, an owner of credits, and the keys to everything."""

    def __init__(self, world: World, shopper: httpx.AsyncClient, admin: OperationsClient) -> None:
        self.world = world
        self.shopper = shopper
        self.admin = admin

    async def generate(self, outcome: str = "succeed") -> dict[str, Any]:
        headers = {"X-Atelier-Simulate": f"outcome={outcome}", "Prefer": "wait=30"}
        answer = await self.shopper.post("/v1/generations", json=IMAGE, headers=headers)
        made: dict[str, Any] = answer.json()
        assert made["status"] == ("succeeded" if outcome == "succeed" else "failed"), answer.text
        return made

    async def tamper(self, service: str, statement: str, *arguments: object) -> None:
        """As the database's superuser, with all triggers off."""
        at = urlsplit(self.world.stack.environment()[f"ATELIER_{service.upper()}_DATABASE_URL"])
        connection = await asyncpg.connect(
            urlsplit(admin_url(self.world.stack.profile))._replace(path=at.path).geturl()
        )
        try:
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(statement, *arguments)
        finally:
            await connection.close()

    async def resolved_findings(self, generation: dict[str, Any]) -> list[dict[str, Any]]:
        rows = await self.admin.list_rows("findings", f"{RECONCILE}/findings", 1_000, resolved="true")
        return [row for row in rows if row["subject"] == generation["id"] and row["resolved_at"]]

    def bucket(self) -> tuple[Minio, str]:
        known = self.world.stack.environment()
        host, access = known["ATELIER_S3_ENDPOINT"].partition("://")[2], known["ATELIER_S3_ACCESS_KEY"]
        return Minio(host, access, known["ATELIER_S3_SECRET_KEY"], secure=False), known["ATELIER_S3_BUCKET"]

    async def findings_of(self, *generations: dict[str, Any], scope: str = "recent") -> list[set[str]]:
        """The kinds that a run finds, of each generation, once no records are in flight."""

        async def settled() -> list[set[str]] | None:
            run = await self.admin.reconcile(scope, lambda _: None)
            if run["in_flight"]:
                return None
            rows = await self.admin.list_rows("findings", f"{RECONCILE}/findings", 1_000)
            return [{row["kind"] for row in rows if row["subject"] == made["id"]} for made in generations]

        return await eventually(settled)


Tamper = Callable[[Site, dict[str, Any]], Awaitable[None]]
"""Changes the records of a generation."""


def in_database(service: str, statement: str) -> Tamper:
    """Runs the statement with the generation's id."""

    async def tamper(site: Site, generation: dict[str, Any]) -> None:
        await site.tamper(service, statement, generation["id"])

    return tamper


async def remove_object(site: Site, generation: dict[str, Any]) -> None:
    """Loses its first output."""
    client, bucket = site.bucket()
    client.remove_object(bucket, generation["outputs"][0]["key"])


async def cut_object(site: Site, generation: dict[str, Any]) -> None:
    """Leaves five bytes of its first output."""
    client, bucket = site.bucket()
    client.put_object(bucket, generation["outputs"][0]["key"], io.BytesIO(b"short"), 5)

"""Routes for operators: credits that have been held for long, and whether the installation is ready for an upgrade."""

import asyncio
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_contracts.routes import SERVICES
from atelier_gateway.container import Container
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.dead_letters import DeadLetterOffice
from atelier_gateway.projection import operator_lists
from atelier_gateway.surfaces.admin.access import operators_routes
from atelier_gateway.surfaces.admin.generation_openapi import AGE_S_MAX
from atelier_gateway.surfaces.admin.installation_openapi import Service
from atelier_gateway.surfaces.admin.openapi import made, refusals
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.openapi_responses import LIMIT, Responses, query
from atelier_gateway.web.pagination import parse_number
from atelier_messaging.release_api import ReleaseReader

OWN = "gateway"
HOUR_S = 3_600


class OpenHold(BaseModel):
    """Credits that are set aside for a generation, neither charged nor returned yet."""

    generation_id: UUID
    owner: Owner | None
    credits: int
    created_at: datetime


class OpenHolds(BaseModel):
    """Open holds of this age, the oldest first; ``number`` and ``credits`` are of all of them."""

    older_than_s: int
    number: int
    credits: int
    data: list[OpenHold]


class ServiceRelease(BaseModel):
    """One process of a service. ``schema_at``: what its database is at; ``schema_expected``: what its release was made
    for; ``unsent``: messages in its outbox by the version of their schema."""

    service: Service
    answers: bool
    reason: str | None
    version: str | None
    schema_at: list[str]
    schema_expected: list[str]
    unsent: dict[str, int]
    dead_letters: int | None


class UpgradeReadiness(BaseModel):
    """``ready``: nothing stands against it; ``obstacles`` says what does, in words."""

    ready: bool
    obstacles: list[str]
    services: list[ServiceRelease]
    open: dict[str, int]
    """Generations that have not ended, by state: they go on through an upgrade."""


HOLDS: Responses = {200: made(OpenHolds, "The oldest first"), **refusals("invalid_request")}
READINESS: Responses = {200: made(UpgradeReadiness, "Now"), **refusals()}
OLDER: dict[str, Any] = {
    "parameters": [
        query(
            "older_than_s", {"type": "integer", "minimum": 1, "maximum": AGE_S_MAX, "default": HOUR_S}, "Of this age."
        ),
        LIMIT,
    ]
}


def router(container: Container) -> APIRouter:
    """``/v1/admin/holds`` and ``/v1/admin/upgrade``, for operators."""
    routes = operators_routes(container)
    own, office = ReleaseReader(OWN, container.pool), DeadLetterOffice(container.bus, container.peers)

    @routes.get("/holds", responses=HOLDS, openapi_extra=OLDER)
    async def list_open_holds(request: Request) -> Response:
        """List the holds that have been open for long, the oldest first."""
        parameters = request.query_params
        age_s = parse_number(parameters, "older_than_s", default=HOUR_S, most=AGE_S_MAX)
        limit = parse_number(parameters, "limit", default=LIST_DEFAULT, most=LIST_MAX)
        try:
            asked = f"/internal/open-holds?older_than_s={age_s}&limit={limit}"
            found = await container.peers.ask("GET", "billing", asked)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        counted = {"older_than_s": age_s, "number": found["number"], "credits": found["credits"]}
        return json_response(counted | {"data": [_hold_view(row) for row in found["holds"]]})

    @routes.get("/upgrade", responses=READINESS)
    async def get_upgrade_readiness() -> Response:
        """Get whether the installation is ready for an upgrade: releases, schemas, what is in work and unsent."""
        releases, dead, states = await asyncio.gather(
            asyncio.gather(*(_release(container, own, service) for service in SERVICES)),
            office.describe(),
            operator_lists.count_open(container.pool),
        )
        counted = {each["service"]: _dead_of(each) for each in dead}
        services = [release | {"dead_letters": counted[release["service"]]} for release in releases]
        obstacles = obstacles_of(services)
        return json_response(
            {
                "ready": not obstacles,
                "obstacles": obstacles,
                "services": services,
                "open": {each.state: each.number for each in states},
            }
        )

    return routes


def obstacles_of(services: list[dict[str, Any]]) -> list[str]:
    """What stands against an upgrade, in words. Pure."""
    found = []
    for each in services:
        if not each["answers"]:
            found.append(f"{each['service']} does not answer: {each['reason']}.")
            continue
        if each["schema_at"] != each["schema_expected"]:
            at, expected = ", ".join(each["schema_at"]) or "none", ", ".join(each["schema_expected"])
            found.append(f"The database of {each['service']} is at {at}, its release expects {expected}.")
        if each["dead_letters"]:
            found.append(f"{each['service']} has {each['dead_letters']} dead letters; redrive or discard them first.")
    versions = sorted({each["version"] for each in services if each["version"]})
    if len(versions) > 1:
        found.append(f"The services run {' and '.join(versions)}: an upgrade is under way.")
    return found


async def _release(container: Container, own: ReleaseReader, service: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"version": None, "schema_at": [], "schema_expected": [], "unsent": {}}
    try:
        known = (
            asdict(await own.read())
            if service == OWN
            else await container.peers.ask("GET", service, "/internal/release")
        )
    except PeerUnavailable as error:
        return {"service": service, "answers": False, "reason": str(error).partition(": ")[2], **nothing}
    schema = {"schema_at": known["schema"], "schema_expected": known["expected"]}
    release = {"version": known["version"], **schema, "unsent": known["unsent"]}
    return {"service": service, "answers": True, "reason": None, **release}


def _dead_of(known: dict[str, Any]) -> int | None:
    numbers = [queue["dead"] for queue in known["queues"]]
    return None if None in numbers else sum(numbers)


def _hold_view(row: dict[str, Any]) -> dict[str, Any]:
    owner = {"kind": row["owner_kind"], "id": row["owner_id"]} if row["owner_kind"] else None
    return {name: row[name] for name in ("generation_id", "credits", "created_at")} | {"owner": owner}

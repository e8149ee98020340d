"""The search of operators: what a text may be decides where it is looked for. No look-up reads without a bound."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from atelier_gateway.identity import api_keys
from atelier_gateway.identity import search as accounts
from atelier_gateway.identity.search import Hit
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.projection import operator_lists
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.operator_lists import RANDOM_BITS, SCAN_MAX, first_id_at
from atelier_messaging.database import Pool

HITS_MAX = 20
UUID_CHARS = 36
REQUEST_BEFORE_MS, REQUEST_AFTER_MS = 5_000, 60_000
"""How long before and after its own time a request's generations are looked for: ids of both are ordered by time."""
_TRACE = re.compile(r"[0-9a-f]{32}", re.ASCII)
_REQUEST_ID = re.compile(r"[A-Za-z0-9][\w.:-]{7,127}", re.ASCII)
"""What a provider's own id of a request may look like; also the key that we send, which begins with a generation."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


async def search(pool: Pool, peers: PeerClient, text: str) -> dict[str, Any]:
    """``{data, read_as, scanned, missing}`` for a text of one line."""
    read_as, missing, hits, scanned = [], list[str](), list[dict[str, Any]](), None
    if (id_ := _id_in(text)) is not None:
        read_as.append("id")
        hits += await _find_by_id(pool, id_)
    if (prefix := _key_in(text)) is not None:
        read_as.append("key")
        hits += _views(await accounts.find_key(pool, prefix))
    if _EMAIL.fullmatch(text):
        read_as.append("e-mail")
        hits += _views(await accounts.find_user(pool, text))
    if not hits and _REQUEST_ID.fullmatch(text):
        read_as.append("a provider's request id")
        try:
            hits += await _generations(pool, await _find_provider_request(peers, text))
        except PeerUnavailable as error:
            missing.append(str(error))
    if not hits:
        read_as.append("trace or metadata" if _TRACE.fullmatch(text.lower()) else "name or metadata")
        scanned = SCAN_MAX
        hits += _views(await accounts.find_by_name(pool, text, HITS_MAX))
        wanted = text.lower() if _TRACE.fullmatch(text.lower()) else text
        hits += await _generations(pool, await operator_lists.find_by_text(pool, wanted, HITS_MAX))
    return {"data": hits, "read_as": read_as, "scanned": scanned, "missing": missing}


async def _find_by_id(pool: Pool, id_: UUID) -> list[dict[str, Any]]:
    hits = await _generations(pool, [id_])
    hits += _views(await accounts.find_by_id(pool, id_))
    if id_.version == 7:
        at_ms = id_.int >> RANDOM_BITS
        first, last = first_id_at(at_ms - REQUEST_BEFORE_MS), first_id_at(at_ms + REQUEST_AFTER_MS)
        made = await operator_lists.find_by_request(pool, str(id_), first, last, HITS_MAX)
        hits += await _generations(pool, made)
    return hits


async def _find_provider_request(peers: PeerClient, text: str) -> list[UUID]:
    """The generations that a provider answered under this id. Raises PeerUnavailable."""
    if (generation := _id_in(text[:UUID_CHARS])) is not None:
        return [generation]
    found = await peers.ask("GET", "render", f"/internal/providers/requests/{quote(text, safe='')}")
    return [UUID(id_) for id_ in found["generations"]]


async def _generations(pool: Pool, ids: Iterable[UUID]) -> list[dict[str, Any]]:
    found = [await projection_store.find_by_id(pool, id_) for id_ in ids]
    return [
        {
            "kind": "generation",
            "id": generation.id,
            "title": f"{generation.kind}, {generation.snapshot.state}, {_minute(generation.created_at)}",
            "parent_id": None,
        }
        for generation in found
        if generation is not None
    ]


def _views(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    return [{"kind": hit.kind, "id": hit.id, "title": hit.title, "parent_id": hit.parent} for hit in hits]


def _id_in(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _key_in(text: str) -> str | None:
    """The prefix of a key, also of a whole one, whose secret goes no further."""
    return api_keys.prefix_of(text) or api_keys.bare_prefix(text)


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}"

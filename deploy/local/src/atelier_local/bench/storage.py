"""Where a generation's bytes go: write-ahead log by table and kind of record, tables and indexes as they are stored.

The log is read with ``pg_walinspect``. A record that touches several pages is counted with its first one. What a table
or an index takes is measured twice: as it is, dead rows and free space included, and rewritten without either.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import asyncpg

from atelier_local.bench.builds import Build
from atelier_local.bench.report import head, row
from atelier_local.launcher.profile import SERVICES

_RECORDS = """
WITH first_block AS (
    SELECT DISTINCT ON (start_lsn) start_lsn, reldatabase, relfilenode
    FROM pg_get_wal_block_info($1, $2, false) ORDER BY start_lsn, block_id
)
SELECT d.datname AS database, b.relfilenode::bigint AS filenode, r.resource_manager || ' ' || r.record_type AS kind,
       count(*) AS records, sum(r.record_length)::bigint AS bytes, sum(r.fpi_length)::bigint AS full_pages
FROM pg_get_wal_records_info($1, $2) r LEFT JOIN first_block b USING (start_lsn)
     LEFT JOIN pg_database d ON d.oid = b.reldatabase
GROUP BY 1, 2, 3
"""
_RELATIONS = """
SELECT c.relname AS name, COALESCE(t.relname, c.relname) AS table, c.relkind::text IN ('i', 'I') AS is_index,
       pg_relation_filenode(c.oid)::bigint AS filenode, pg_relation_size(c.oid) AS bytes,
       COALESCE(pg_relation_filenode(c.reltoastrelid)::bigint, 0) AS toast_filenode,
       CASE WHEN c.reltoastrelid <> 0 THEN pg_total_relation_size(c.reltoastrelid) ELSE 0 END AS toast_bytes
FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid LEFT JOIN pg_class t ON t.oid = i.indrelid
WHERE c.relnamespace = 'public'::regnamespace AND pg_relation_filenode(c.oid) IS NOT NULL AND c.relkind <> 'S'
"""
REST = "all else"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table or an index of one service; the bytes of a table include its TOAST."""

    service: str
    table: str
    name: str
    is_index: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class LogShare:
    """What one kind of record about one relation took of the write-ahead log, for one generation."""

    service: str
    relation: str
    kind: str
    records: float
    bytes: float
    full_pages: float


@dataclass(frozen=True, slots=True)
class Growth:
    """What a relation takes for one generation, in bytes: as it is stored, and rewritten."""

    relation: Relation
    stored: float
    rewritten: float


@dataclass(frozen=True, slots=True)
class Storage:
    """Of one generation."""

    log: list[LogShare]
    growth: list[Growth]


async def measure_storage(build: Build, act: Callable[[], Awaitable[object]], generations: int) -> Storage:
    """What ``act`` writes, shared out among its generations. Rewrites every table of the stack afterwards."""
    postgres = await asyncpg.connect(build.database_url("postgres"))
    try:
        await postgres.execute("CREATE EXTENSION IF NOT EXISTS pg_walinspect")
        await _rewrite(build)
        before = {_key(each): each.bytes for each in await list_relations(build)}
        began = await postgres.fetchval("SELECT pg_current_wal_flush_lsn()")
        names = await _names(build)
        await act()
        ended = await postgres.fetchval("SELECT pg_current_wal_flush_lsn()")
        records = await postgres.fetch(_RECORDS, began, ended, timeout=600)
    finally:
        await postgres.close()
    stored = await list_relations(build)
    await _rewrite(build)
    rewritten = {_key(each): each.bytes for each in await list_relations(build)}
    growth = []
    for each in stored:
        start = before.get(_key(each), 0)
        growth.append(Growth(each, (each.bytes - start) / generations, (rewritten[_key(each)] - start) / generations))
    return Storage(_shares(records, names, generations), growth)


async def list_relations(build: Build) -> list[Relation]:
    """The tables and indexes of the four services."""
    found = []
    for service in SERVICES:
        for each in await _fetch(build, service, _RELATIONS):
            size = each["bytes"] + each["toast_bytes"]
            found.append(Relation(service, each["table"], each["name"], each["is_index"], size))
    return found


def log_table(log: Sequence[LogShare]) -> list[str]:
    """By table: its rows, its indexes, and how many records that were."""
    lines = head(["write-ahead log of a generation", "records", "rows", "indexes", "bytes", "full pages"])
    groups: defaultdict[tuple[str, str], list[LogShare]] = defaultdict(list)
    for share in log:
        groups[share.service, share.relation.partition(".")[0]].append(share)
    for (service, table), shares in sorted(groups.items(), key=lambda item: -_total(item[1])):
        indexes = [share for share in shares if share.kind.startswith("Btree")]
        cells = [sum(share.records for share in shares), _total(shares) - _total(indexes), _total(indexes)]
        cells += [_total(shares), sum(share.full_pages for share in shares)]
        lines.append(row([f"{service} `{table}`" if service else table, f"{cells[0]:.1f}", *map(_rounded, cells[1:])]))
    totals = [sum(share.records for share in log), _total(log), sum(share.full_pages for share in log)]
    lines.append(row(["**all**", f"{totals[0]:.1f}", "", "", _rounded(totals[1]), _rounded(totals[2])]))
    return lines


def growth_table(growth: Sequence[Growth]) -> list[str]:
    """By table: rows and each index, as stored and rewritten."""
    lines = head(["bytes of a generation", "as stored", "rewritten", "rows", "indexes"])
    tables: defaultdict[tuple[str, str], list[Growth]] = defaultdict(list)
    for each in growth:
        tables[each.relation.service, each.relation.table].append(each)
    for (service, table), parts in sorted(tables.items(), key=lambda item: -_rewritten(item[1])):
        stored = sum(part.stored for part in parts)
        if max(stored, _rewritten(parts)) < 1:
            continue
        rows = _rewritten(part for part in parts if not part.relation.is_index)
        indexes = [part for part in parts if part.relation.is_index and part.rewritten >= 1]
        names = ", ".join(f"{part.relation.name} {part.rewritten:.0f}" for part in indexes)
        lines.append(row([f"{service} `{table}`", *map(_rounded, (stored, _rewritten(parts), rows)), names]))
    lines.append(row(["**all**", _rounded(sum(each.stored for each in growth)), _rounded(_rewritten(growth)), "", ""]))
    return lines


def _shares(records: Sequence[asyncpg.Record], names: dict[tuple[str, int], str], generations: int) -> list[LogShare]:
    found = []
    for each in records:
        service = each["database"] if each["database"] in SERVICES else ""
        relation = names.get((service, each["filenode"]), REST) if service else REST
        counts = [each[name] / generations for name in ("records", "bytes", "full_pages")]
        found.append(LogShare(service, relation, each["kind"], *counts))
    return found


async def _names(build: Build) -> dict[tuple[str, int], str]:
    """Tables as ``table``, indexes as ``table.index``, by service and file."""
    names = {}
    for service in SERVICES:
        for each in await _fetch(build, service, _RELATIONS):
            name = f"{each['table']}.{each['name']}" if each["is_index"] else each["name"]
            names[service, each["filenode"]] = name
            names[service, each["toast_filenode"]] = each["name"]
    return names


async def _rewrite(build: Build) -> None:
    for service in SERVICES:
        await _fetch(build, service, "VACUUM FULL")


async def _fetch(build: Build, service: str, sql: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(build.database_url(service))
    try:
        rows: list[asyncpg.Record] = await connection.fetch(sql, timeout=600)
    finally:
        await connection.close()
    return rows


def _key(relation: Relation) -> tuple[str, str]:
    return relation.service, relation.name


def _rewritten(growth: Iterable[Growth]) -> float:
    return sum(each.rewritten for each in growth)


def _total(shares: Iterable[LogShare]) -> float:
    return sum(share.bytes for share in shares)


def _rounded(value: float) -> str:
    return f"{value:.0f}"

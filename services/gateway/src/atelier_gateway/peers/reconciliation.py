"""Client of the session's reconciliation: its runs, its findings, its repairs."""

from typing import Any
from uuid import UUID

from atelier_gateway.peers.client import PeerClient

ROOT = "/internal/reconcile"


async def start_run(peers: PeerClient, scope: str) -> dict[str, Any]:
    """Starts a run, or returns the one that is running. Raises PeerUnavailable."""
    return await peers.ask("POST", "session", f"{ROOT}/runs?scope={scope}")


async def get_run(peers: PeerClient, id_: UUID) -> dict[str, Any] | None:
    """The progress of a run; None where there is none with this id. Raises PeerUnavailable."""
    return await peers.get_or_none("session", f"{ROOT}/runs/{id_}")


async def list_findings(peers: PeerClient, *, before: UUID | None, limit: int, resolved: bool) -> list[dict[str, Any]]:
    """Findings, the newest first, those older than ``before``. Raises PeerUnavailable."""
    older = f"&before={before}" if before else ""
    path = f"{ROOT}/findings?limit={limit}&resolved={str(resolved).lower()}{older}"
    found: list[dict[str, Any]] = (await peers.ask("GET", "session", path))["findings"]
    return found


async def repair(peers: PeerClient) -> list[str]:
    """Sends the repairs of the open findings; a sentence for each that was sent. Raises PeerUnavailable."""
    sent: list[str] = (await peers.ask("POST", "session", f"{ROOT}/repairs"))["sent"]
    return sent

"""Client of billing's log: checkpoints, proofs, verification."""

from typing import Any
from uuid import UUID

from atelier_gateway.peers.client import PeerClient

ROOT = "/internal/log"
STATUS_S_MAX = 20.0
"""Stores outside the database are read, too."""
VERIFY_S_MAX = 120.0
"""Seconds that a verification of the whole log may take."""


async def find_checkpoint(peers: PeerClient) -> str | None:
    """The last signed checkpoint; None before the first. Raises PeerUnavailable."""
    found = await peers.get_or_none("billing", f"{ROOT}/checkpoint")
    return str(found["checkpoint"]) if found else None


async def prove_inclusion(peers: PeerClient, entry: UUID) -> dict[str, Any] | None:
    """``{leaf_index, tree_size, hashes, checkpoint}``; None where no checkpoint covers it. Raises PeerUnavailable."""
    return await peers.get_or_none("billing", f"{ROOT}/inclusion/{entry}")


async def prove_consistency(peers: PeerClient, old: int, new: int | None) -> dict[str, Any] | None:
    """``{old_size, tree_size, hashes}``; None where there are no such trees. Raises PeerUnavailable."""
    newer = "" if new is None else f"&new={new}"
    return await peers.get_or_none("billing", f"{ROOT}/consistency?old={old}{newer}")


async def get_status(peers: PeerClient) -> dict[str, Any]:
    """``{size, signed_size, outside, running, last}``. Raises PeerUnavailable."""
    return await peers.ask("GET", "billing", f"{ROOT}/status", timeout_s=STATUS_S_MAX)


async def start_verification(peers: PeerClient) -> dict[str, Any]:
    """The verification that runs now as a job. Raises PeerUnavailable."""
    return await peers.ask("POST", "billing", f"{ROOT}/verifications", timeout_s=STATUS_S_MAX)


async def verify(peers: PeerClient, checkpoint: str | None) -> dict[str, Any]:
    """``{ok, size, root, compared_size, violations}``. Raises PeerUnavailable."""
    return await peers.ask("POST", "billing", f"{ROOT}/verify", {"checkpoint": checkpoint}, timeout_s=VERIFY_S_MAX)

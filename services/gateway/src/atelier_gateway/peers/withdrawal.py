"""A withdrawal whose answer was lost is tried again: twice it is as once, and a promise depends on its answer."""

import asyncio
import time
from uuid import UUID

from atelier_gateway.peers.client import PeerClient, PeerUnavailable

IN_DOUBT_S_MAX = 10.0
"""Longer than a session takes to start again."""
PAUSE_S = 0.3


class WithdrawalInDoubt(Exception):
    """The session may have withdrawn it or not, and does not answer."""


async def withdraw_surely(peers: PeerClient, id_: UUID) -> str:
    """``withdrawn``, or the state of the saga. Where the session may have done it without a word, it is asked again for
    ``IN_DOUBT_S_MAX`` seconds. Raises WithdrawalInDoubt after that, and PeerUnavailable where nothing was withdrawn."""
    until, is_in_doubt = time.monotonic() + IN_DOUBT_S_MAX, False
    while True:
        try:
            return await peers.withdraw(id_)
        except PeerUnavailable as error:
            is_in_doubt = is_in_doubt or error.is_in_doubt
            if not is_in_doubt:
                raise
            if time.monotonic() >= until:
                raise WithdrawalInDoubt(str(error)) from error
        await asyncio.sleep(PAUSE_S)

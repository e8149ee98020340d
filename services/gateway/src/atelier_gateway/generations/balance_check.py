"""The balance, looked at before anything costly is done for a request: who has no credits has no picture decoded.

It only refuses what is certain to be declined. The hold decides, as ever: between this look and it credits may go.
"""

from atelier_contracts import Owner
from atelier_gateway.media.fair_turns import FairTurns
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_gateway.web.problems import Problem

LOOKS_AT_ONCE = 8
WAIT_S_MAX = 60.0


class BalanceCheck:
    """Asks billing what an owner has; one owner's requests one after the other, so that a flood of what is refused
    takes its own time and not that of others."""

    def __init__(self, internal: PeerClient) -> None:
        self._internal = internal
        self._turns = FairTurns(at_once=LOOKS_AT_ONCE, per_owner=1)

    async def require(self, owner: Owner, price: int | None, *, shows_balance: bool = True) -> None:
        """Raises Problem 402 where fewer credits are available than the price; where that depends on what is not known
        yet (None), where there are none at all. Passes while billing does not answer. ``shows_balance``: whether the
        caller may know it."""
        if owner.is_test:
            return  # its credits are refilled when they are needed
        try:
            async with self._turns.turn(owner, timeout_s=WAIT_S_MAX):
                available = int((await self._internal.get_account(owner))["available"])
        except (PeerUnavailable, TimeoutError):
            return
        if available >= (price or 1):
            return
        if price is None:
            shown = {"available": available} if shows_balance else {}
            raise Problem("insufficient_credits", "No credits are available.", details=shown)
        needed = f"{price} {'credit' if price == 1 else 'credits'} required, {available} available."
        raise Problem("insufficient_credits", needed, details={"required": price, "available": available})

"""A ledger in a few lines of plain Python, made from the promises, not from the code: Postgres must agree with it."""

from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from atelier_contracts import CaptureCredit, GrantCredit, RefundCredit, ReserveCredit
from atelier_messaging import Poison

NEVER = float("inf")
Command = ReserveCredit | CaptureCredit | RefundCredit | GrantCredit


@dataclass
class Oracle:
    """Grants by id, holds by generation, what was charged and what has expired by owner."""

    grants: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    holds: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    charged: Counter[UUID] = field(default_factory=Counter)
    expired: Counter[UUID] = field(default_factory=Counter)
    taken: Counter[UUID] = field(default_factory=Counter)
    """Granted by mistake and taken back, by owner."""

    def after(self, *batches: list[Command]) -> "tuple[Oracle, list[list[tuple[Any, ...]] | None]]":
        """The books after these batches in this order, and each one's answers; None for a batch that holds poison,
        which changes nothing."""
        now, answers = deepcopy(self), list[list[tuple[Any, ...]] | None]()
        for batch in batches:
            tried = deepcopy(now)
            try:
                answers.append([tried.apply(command) for command in batch])
            except Poison:
                answers.append(None)
            else:
                now = tried
        return now, answers

    def balances(self, owner: UUID) -> tuple[int, int, int, int, int]:
        """Granted, available, held, captured, expired."""
        given = [grant for grant in self.grants.values() if grant["owner"] == owner]
        held = sum(h["credits"] for h in self.holds.values() if h["owner"] == owner and h["state"] == "open")
        granted = sum(g["credits"] for g in given) - self.taken[owner]
        available = sum(g["left"] for g in given)
        return granted, available, held, self.charged[owner], self.expired[owner]

    def state(self) -> dict[UUID, tuple[str, int, int]]:
        """Each hold: its state, what was charged and what went back."""
        return {id_: (hold["state"], hold["captured"], hold["refunded"]) for id_, hold in self.holds.items()}

    def apply(self, command: Command) -> tuple[Any, ...]:
        """Carries it out; the answer in a few words. Raises Poison."""
        match command:
            case GrantCredit():
                return self._grant(command)
            case ReserveCredit():
                return self._reserve(command)
            case CaptureCredit(generation_id=id_, delivered=delivered):
                hold = self.holds.get(id_)
                if hold is None or hold["state"] == "refunded" or delivered > hold["credits"]:
                    raise Poison("nothing to capture")
                if hold["state"] == "open":
                    self._settle(hold, delivered, "captured")
                return "captured", hold["captured"], hold["refunded"]
            case RefundCredit(generation_id=id_):
                nothing: dict[str, Any] = {
                    "owner": None,
                    "credits": 0,
                    "lots": [],
                    "state": "refunded",
                    "captured": 0,
                    "refunded": 0,
                }
                hold = self.holds.setdefault(id_, nothing)
                if hold["state"] == "captured":
                    raise Poison("captured already")
                if hold["state"] == "open":
                    self._settle(hold, 0, "refunded")
                return "refunded", hold["refunded"]

    def return_credit(self, generation: UUID, credits: int | None) -> int | None:
        """Gives back so many credits of a charge, all where it is None; answers how many, None for a refusal."""
        hold = self.holds.get(generation, {"charged": []})
        charged = hold.get("charged", [])
        total = sum(lot[1] for lot in charged)
        wanted = total if credits is None else credits
        if not total or wanted > total:
            return None
        left = wanted
        for lot in reversed(charged):
            moved = min(left, lot[1])
            lot[1] -= moved
            left -= moved
            self.grants[lot[0]]["left"] += moved
        self.charged[hold["owner"]] -= wanted
        self._expire(hold["owner"])
        return wanted

    def take_back(self, owner: UUID, credits: int | None) -> int:
        """Takes so many of the owner's available credits, all where it is None; answers how many there were."""
        self._expire(owner)
        mine = [(id_, grant) for id_, grant in self.grants.items() if grant["owner"] == owner]
        wanted, taken = sum(grant["left"] for _, grant in mine) if credits is None else credits, 0
        for _, grant in sorted(mine, key=lambda pair: (pair[1]["priority"], pair[1]["expires"], pair[0])):
            part = min(wanted - taken, grant["left"])
            grant["left"] -= part
            taken += part
        self.taken[owner] += taken
        return taken

    def run_out(self, grant: UUID) -> None:
        """Its time has passed; its remainder expires with the next command or sweep."""
        self.grants[grant]["expires"] = -1.0

    def sweep(self) -> None:
        """Expires the due grants of every owner."""
        for owner in {grant["owner"] for grant in self.grants.values()}:
            self._expire(owner)

    def _grant(self, command: GrantCredit) -> tuple[Any, ...]:
        owner, hours = command.owner.id, NEVER
        if command.expires_at is not None:
            hours = command.expires_at.timestamp()
        if command.grant_id not in self.grants:
            given = {"owner": owner, "credits": command.credits, "left": command.credits}
            self.grants[command.grant_id] = given | {"priority": command.priority, "expires": hours}
            self._expire(owner)
        return "granted", self.grants[command.grant_id]["credits"]

    def _reserve(self, command: ReserveCredit) -> tuple[Any, ...]:
        hold, owner, wanted = self.holds.get(command.generation_id), command.owner.id, command.work.n
        if hold is not None:
            return ("deducted", hold["credits"]) if hold["state"] == "open" else ("declined", "withdrawn")
        self._expire(owner)
        mine = [(id_, grant) for id_, grant in self.grants.items() if grant["owner"] == owner]
        if sum(grant["left"] for _, grant in mine) < wanted:
            return "declined", "insufficient_credits"
        lots: list[tuple[UUID, int]] = []
        for id_, grant in sorted(mine, key=lambda one: (one[1]["priority"], one[1]["expires"], one[0])):
            taken = min(wanted - sum(credits for _, credits in lots), grant["left"])
            grant["left"] -= taken
            lots.append((id_, taken))
        placed = {"owner": owner, "credits": wanted, "lots": lots, "state": "open", "captured": 0, "refunded": 0}
        self.holds[command.generation_id] = placed
        return "deducted", wanted

    def _settle(self, hold: dict[str, Any], charge: int, state: str) -> None:
        hold |= {"state": state, "captured": charge, "refunded": hold["credits"] - charge, "charged": []}
        self.charged[hold["owner"]] += charge
        for grant, credits in hold["lots"]:
            kept = min(charge, credits)
            charge -= kept
            hold["charged"].append([grant, kept])
            self.grants[grant]["left"] += credits - kept
        self._expire(hold["owner"])

    def _expire(self, owner: UUID) -> None:
        for grant in self.grants.values():
            if grant["owner"] == owner and grant["expires"] < 0:
                self.expired[owner] += grant["left"]
                grant["left"] = 0

"""Whatever batches come, at once or cut off by a crash, over days and changes of the caps: the counts on Postgres are
those of a plain model, which knows nothing but the holds, and no request is refused while there is room.

``ATELIER_EXPLORE_EXAMPLES`` sets how many runs are tried.
"""

import asyncio
import os
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from atelier_billing import cap_store, full_proof, handlers
from atelier_billing.cap_handlers import handle_caps
from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.verification import verify
from atelier_contracts import (
    CaptureCredit,
    CreditDeclined,
    GrantCredit,
    Message,
    Owner,
    RefundCredit,
    ReserveCredit,
    ReturnCredit,
    SetCap,
    Spender,
    Work,
    cap_id_of,
    wrap,
)
from atelier_contracts.caps import CapPeriod
from atelier_messaging import Delivery, Poison, UnitOfWork, is_outage
from atelier_messaging.database import Pool

from .test_books_machine import _billing

pytestmark = pytest.mark.stack
EXAMPLES = int(os.environ.get("ATELIER_EXPLORE_EXAMPLES", "6"))
GENERATIONS = 10
PERIODS: tuple[CapPeriod, ...] = ("day", "total")
NUMBERS = st.integers(0, GENERATIONS - 1)
ACTS = st.one_of(
    st.tuples(st.just("reserve"), NUMBERS, st.integers(1, 5), st.integers(1, 2)),
    st.tuples(st.just("capture"), NUMBERS, st.integers(1, 5)),
    st.tuples(st.just("refund"), NUMBERS),
)
BATCHES = st.lists(ACTS, min_size=1, max_size=5)
Act = tuple[Any, ...]
Cap = tuple[int, CapPeriod]
"""A spender by its number, 0 being the store, and a period."""


@dataclass
class Model:
    """What was reserved under which caps on which day, and its outcome: all counts follow from that."""

    limits: dict[Cap, int] = field(default_factory=dict)
    holds: dict[int, dict[str, Any]] = field(default_factory=dict)
    today: int = 0

    def used(self, cap: Cap) -> tuple[int, int]:
        """Held and captured in the present period."""
        total, holds = cap[1] == "total", self.holds.values()
        counting = [hold for hold in holds if cap in hold["caps"] and (total or hold["day"] == self.today)]
        held = sum(hold["credits"] for hold in counting if hold["state"] == "open")
        return held, sum(hold["captured"] for hold in counting)

    def apply(self, act: Act) -> str | None:
        """Carries it out; why a reservation was declined. Raises Poison."""
        hold = self.holds.get(act[1])
        match act:
            case ("reserve", number, credits, spender):
                if hold is not None:
                    return None if hold["state"] == "open" else "withdrawn"
                caps = [cap for cap in self.limits if cap[0] in (0, spender)]
                if any(sum(self.used(cap)) + credits > self.limits[cap] for cap in caps):
                    return "cap_exceeded"
                placed = {"caps": caps, "day": self.today, "credits": credits, "state": "open", "captured": 0}
                self.holds[number] = placed
            case ("capture", _, delivered):
                if hold is None or hold["state"] == "refunded" or delivered > hold["credits"]:
                    raise Poison("nothing to capture")
                if hold["state"] == "open":
                    hold |= {"state": "captured", "captured": delivered}
            case (_, number):
                if hold is not None and hold["state"] == "captured":
                    raise Poison("captured already")
                empty: dict[str, Any] = {"caps": [], "day": 0, "credits": 0, "captured": 0}
                self.holds[number] = (hold or empty) | {"state": "refunded"}
        return None

    def after(self, batches: Sequence[Sequence[Act]]) -> "tuple[Model, list[list[str | None] | None]]":
        """The model after these batches in this order, and each one's answers; None for one that holds poison."""
        now, answers = deepcopy(self), list[list[str | None] | None]()
        for batch in batches:
            tried = deepcopy(now)
            try:
                answers.append([tried.apply(act) for act in batch])
            except Poison:
                answers.append(None)
            else:
                now = tried
        return now, answers


class CapsMachine(RuleBasedStateMachine):
    """Drives billing as the bus does, and the model beside it."""

    runner: asyncio.Runner
    unit: UnitOfWork
    owner_pool: Pool

    def __init__(self) -> None:
        super().__init__()
        self.space = uuid4()
        self.owner = Owner(kind="store", id=uuid5(self.space, "owner"))
        keys = [Spender(kind="key", id=uuid5(self.space, f"key {n}")) for n in (1, 2)]
        self.spenders = [Spender(kind="store", id=self.owner.id), *keys]
        self.models = [Model()]
        """All that can be true: two batches at once leave it open which came first."""

    @initialize()
    def credits_enough(self) -> None:
        grant = GrantCredit(grant_id=uuid5(self.space, "grant"), owner=self.owner, credits=10_000, reason="test")
        self.runner.run(self._handle([grant]))

    @rule(spender=st.integers(0, 2), period=st.sampled_from(PERIODS), limit=st.none() | st.integers(0, 12))
    def a_cap_is_set(self, spender: int, period: CapPeriod, limit: int | None) -> None:
        on = self.spenders[spender]
        id_ = cap_id_of(self.owner, on, period)
        command = SetCap(cap_id=id_, owner=self.owner, spender=on, period=period, credits=limit)
        self.runner.run(self._consume("billing.caps", [command]))
        for model in self.models:
            if limit is None:
                model.limits.pop((spender, period), None)
            else:
                model.limits[spender, period] = limit

    @rule(acts=BATCHES)
    def a_batch(self, acts: list[Act]) -> None:
        self._keep_models([acts], [self.runner.run(self._handle(self._commands(acts)))])

    @rule(first=BATCHES, second=BATCHES)
    def two_at_once(self, first: list[Act], second: list[Act]) -> None:
        batches = [first, second]
        said = self.runner.run(self._together([self._commands(batch) for batch in batches]))
        self._keep_models(batches, said)

    @rule(acts=BATCHES)
    def a_crash_before_the_commit(self, acts: list[Act]) -> None:
        with pytest.raises((RuntimeError, Poison)):
            self.runner.run(self._handle(self._commands(acts), crash=True))

    @rule(number=NUMBERS, credits=st.integers(1, 5))
    def a_return(self, number: int, credits: int) -> None:
        command = ReturnCredit(
            correction_id=uuid4(), generation_id=self._generation(number), credits=credits, reason="test"
        )
        self.runner.run(self._consume("billing.corrections", [command]))
        for model in self.models:
            hold = model.holds.get(number)
            if hold is not None and hold["captured"] >= credits:
                hold["captured"] -= credits

    @rule()
    def the_day_ends(self) -> None:
        self.runner.run(self._end_day())
        for model in self.models:
            model.today += 1

    @invariant()
    def counts_are_as_the_model_says(self) -> None:
        actual = self.runner.run(self._counts())
        assert all(self._expected(model) == actual for model in self.models), (actual, self.models)

    def teardown(self) -> None:
        assert self.runner.run(self._violations()) == []

    def _keep_models(self, batches: Sequence[list[Act]], said: Sequence[list[str | None] | None]) -> None:
        """Keeps the models that can explain what was said and what is counted, in some order of the batches."""
        actual, kept = self.runner.run(self._counts()), list[Model]()
        for model in self.models:
            for order in permutations(range(len(batches))):
                after, answers = model.after([batches[index] for index in order])
                if (
                    answers == [said[index] for index in order]
                    and self._expected(after) == actual
                    and after not in kept
                ):
                    kept.append(after)
        assert kept, (said, actual, self.models)
        self.models = kept

    def _expected(self, model: Model) -> dict[Cap, tuple[int, int, int]]:
        return {cap: (limit, *model.used(cap)) for cap, limit in model.limits.items()}

    async def _counts(self) -> dict[Cap, tuple[int, int, int]]:
        found = await cap_store.list_for_owner(self.unit.pool, self.owner, after=None, limit=100)
        return {(self.spenders.index(cap.spender), cap.period): (cap.credits, cap.held, cap.captured) for cap in found}

    def _commands(self, acts: Sequence[Act]) -> list[Message]:
        return [self._command(act) for act in acts]

    def _command(self, act: Act) -> Message:
        id_ = self._generation(act[1])
        match act:
            case ("reserve", _, credits, spender):
                spenders, work = (self.spenders[spender],), Work(kind="try_on", n=credits)
                return ReserveCredit(generation_id=id_, owner=self.owner, work=work, spenders=spenders)
            case ("capture", _, delivered):
                return CaptureCredit(generation_id=id_, delivered=delivered)
        return RefundCredit(generation_id=id_)

    def _generation(self, number: int) -> UUID:
        return uuid5(self.space, f"generation {number}")

    async def _together(self, batches: Sequence[list[Message]]) -> list[list[str | None] | None]:
        return list(await asyncio.gather(*(self._handle(batch) for batch in batches)))

    async def _handle(self, commands: list[Message], *, crash: bool = False) -> list[str | None] | None:
        """As the consumer does; why each was declined, or None where the batch held poison and nothing happened."""
        try:
            emitted = await self._consume("billing.commands", commands, crash=crash)
        except Poison:
            if crash:
                raise
            return None
        return [event.reason if isinstance(event, CreditDeclined) else None for event in emitted[: len(commands)]]

    async def _consume(self, queue: str, commands: Sequence[Message], *, crash: bool = False) -> list[Message]:
        handle = {"billing.caps": handle_caps, "billing.corrections": handle_corrections}.get(
            queue, handlers.handle_commands
        )
        deliveries = [Delivery(wrap(command, source="test")) for command in commands]
        while True:
            try:
                async with self.unit.once(queue, deliveries, dispatch=False) as tx:
                    await handle(tx)
                    if crash:
                        await tx.flush()
                        raise RuntimeError("the process dies")
                return [envelope.message for envelope in tx.emitted]
            except Exception as error:
                if not is_outage(error):
                    raise

    async def _end_day(self) -> None:
        """What happened so far was yesterday."""
        async with self.owner_pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL session_replication_role = replica")
            await connection.execute(
                "UPDATE holds SET capped_at = capped_at - interval '1 day' WHERE owner_id = $1", self.owner.id
            )
            await connection.execute(
                "UPDATE caps SET since = since - interval '1 day' WHERE owner_id = $1 AND period = 'day'", self.owner.id
            )

    async def _violations(self) -> list[str]:
        async with self.unit.pool.acquire() as connection:
            return (await verify(connection)).violations + (await full_proof.prove(connection)).violations


def test_caps_on_postgres_agree_with_a_plain_model(postgres: str) -> None:
    with _billing(postgres) as (runner, unit, owner_pool):
        machine = type("Machine", (CapsMachine,), {"runner": runner, "unit": unit, "owner_pool": owner_pool})
        checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
        how = settings(max_examples=EXAMPLES, stateful_step_count=25, deadline=None, suppress_health_check=checks)
        how = settings(how, phases=[Phase.generate])  # shrinking a run on a real database takes many minutes
        run_state_machine_as_test(machine, settings=how)

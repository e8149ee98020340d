"""Whatever batches come, again, at once or cut off by a crash: real handlers on real Postgres agree with the oracle.

``ATELIER_EXPLORE_EXAMPLES`` sets how many runs are tried.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4, uuid5

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from atelier_billing import handlers
from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.verification import verify
from atelier_contracts import (
    BooksCorrected,
    CaptureCredit,
    GrantCredit,
    Owner,
    RefundCredit,
    ReserveCredit,
    ReturnCredit,
    TakeBackCredit,
    Work,
    wrap,
)
from atelier_messaging import Delivery, Poison, UnitOfWork, database, is_outage, testing
from atelier_messaging.database import Pool
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher

from .comparisons import are_alike, comparable
from .conftest import MIGRATIONS
from .oracle import Command, Oracle

pytestmark = pytest.mark.stack
START = datetime.now(UTC)
EXAMPLES = int(os.environ.get("ATELIER_EXPLORE_EXAMPLES", "8"))

ACTS = st.one_of(
    st.tuples(st.just("grant"), st.integers(0, 1), st.integers(1, 12), st.sampled_from((None, 1, 2, 5))),
    st.tuples(st.just("reserve"), st.integers(0, 1), st.integers(0, 7), st.integers(1, 6)),
    st.tuples(st.just("capture"), st.integers(0, 7), st.integers(1, 6)),
    st.tuples(st.just("refund"), st.integers(0, 7)),
)
BATCHES = st.lists(ACTS, min_size=1, max_size=6)


Said = list[tuple[Any, ...]]
"""The answers to one batch."""


class _Crash(Exception):
    """The process dies before it commits."""


class BooksMachine(RuleBasedStateMachine):
    """Drives billing as the bus does, and the oracle beside it."""

    runner: asyncio.Runner
    unit: UnitOfWork
    owner_pool: Pool

    def __init__(self) -> None:
        super().__init__()
        self.space = uuid4()
        self.owners = [Owner(kind="store", id=uuid5(self.space, f"owner {n}")) for n in range(2)]
        self.oracles = [Oracle()]
        """All that can be true: two batches at once leave it open from which grant each took its credits."""
        self.granted = 0
        self.past: list[list[Delivery]] = []

    @rule(acts=BATCHES)
    def a_batch(self, acts: list[tuple[Any, ...]]) -> None:
        batch = self._batch(acts)
        self._keep_oracles([batch], [self.runner.run(self._handle(batch))])

    @rule(owner=st.integers(0, 1), first=BATCHES, second=BATCHES)
    def two_at_once(self, owner: int, first: list[tuple[Any, ...]], second: list[tuple[Any, ...]]) -> None:
        # On one account, which is there. Of two, and of one that is only being opened, each batch may miss what the
        # other has not committed: both decline, which is true, but in no order of whole batches.
        self.a_batch([("grant", owner, 1, None)])
        batches = [self._batch([_on(owner, act) for act in acts]) for acts in (first, second)]
        said = self.runner.run(self._both(*batches))
        # A reservation that is declined looks for expired grants unless its generation was withdrawn before; which of
        # two it is can differ from either order, as neither leaves a row for the other to see. So everybody looks.
        self.runner.run(handlers.expire_grants(self.unit))
        self._keep_oracles(batches, said, swept=True)

    @rule(old=st.integers(0, 99), acts=BATCHES)
    def old_messages_come_again_with_new_ones(self, old: int, acts: list[tuple[Any, ...]]) -> None:
        again, batch = self.past[old % len(self.past)] if self.past else [], self._batch(acts)
        self._keep_oracles([batch], [self.runner.run(self._handle([*again, *batch]))])

    @rule(acts=BATCHES)
    def a_crash_before_the_commit(self, acts: list[tuple[Any, ...]]) -> None:
        with pytest.raises((_Crash, Poison)):
            self.runner.run(self._handle(self._batch(acts), crash=True))

    @rule(generation=st.integers(0, 7), credits=st.none() | st.integers(1, 6), again=st.booleans())
    def a_return(self, generation: int, credits: int | None, *, again: bool) -> None:
        id_ = self._generation(generation)
        command = ReturnCredit(correction_id=uuid4(), generation_id=id_, credits=credits, reason="test")
        self._correct(command, again, lambda oracle: oracle.return_credit(id_, credits))

    @rule(owner=st.integers(0, 1), credits=st.none() | st.integers(1, 12), again=st.booleans())
    def a_grant_taken_back(self, owner: int, credits: int | None, *, again: bool) -> None:
        whose = self.owners[owner]
        command = TakeBackCredit(correction_id=uuid4(), owner=whose, credits=credits, reason="test")
        self._correct(command, again, lambda oracle: oracle.take_back(whose.id, credits))

    def _correct(
        self, command: ReturnCredit | TakeBackCredit, again: bool, expect: Callable[[Oracle], int | None]
    ) -> None:
        replies = [self.runner.run(self._handle_correction(command)) for _ in range(1 + again)]
        moved = {None if reply.refused else reply.credits for reply in replies}
        assert len(moved) == 1 and [reply.corrected_before for reply in replies] == [False, True][: len(replies)]
        expected = {expect(oracle) for oracle in self.oracles}
        assert moved <= expected
        actual = self.runner.run(self._books())
        self.oracles = [oracle for oracle in self.oracles if self._expected(oracle) == actual] or self.oracles[:1]

    async def _handle_correction(self, command: ReturnCredit | TakeBackCredit) -> BooksCorrected:
        delivery = Delivery(wrap(command, source="test"))
        async with self.unit.once("billing.corrections", [delivery], dispatch=False) as tx:
            await handle_corrections(tx)
        (reply,) = (e.message for e in tx.emitted if isinstance(e.message, BooksCorrected))
        return reply

    @rule(number=st.integers(0, 99))
    def a_grant_runs_out(self, number: int) -> None:
        known = sorted(self.oracles[0].grants)
        if known:
            grant = known[number % len(known)]
            hour_ago = "UPDATE grants SET expires_at = now() - interval '1 hour' WHERE id = $1"
            self.runner.run(self.owner_pool.execute(hour_ago, grant))
            for oracle in self.oracles:
                oracle.run_out(grant)

    @rule()
    def the_sweep_comes(self) -> None:
        self.runner.run(handlers.expire_grants(self.unit))
        for oracle in self.oracles:
            oracle.sweep()
        # What expires tells from which grant the credits were taken, where that was open.
        actual = self.runner.run(self._books())
        self.oracles = [oracle for oracle in self.oracles if self._expected(oracle) == actual] or self.oracles[:1]

    @invariant()
    def accounts_and_holds_are_as_the_oracle_says(self) -> None:
        actual = self.runner.run(self._books())
        assert all(self._expected(oracle) == actual for oracle in self.oracles)

    def _keep_oracles(self, batches: list[list[Delivery]], said: Sequence[Said | None], *, swept: bool = False) -> None:
        """Keeps the oracles that can explain what was said and what is on the books, in some order of the batches."""
        actual, tried = self.runner.run(self._books()), list[Oracle]()
        for oracle in self.oracles:
            for order in permutations(range(len(batches))):
                after, answers = oracle.after(*(_commands(batches[index]) for index in order))
                heard = [said[index] for index in order]
                if swept:
                    after.sweep()
                if are_alike(answers, heard) and self._expected(after) == actual and after not in tried:
                    tried.append(after)
        assert tried, (said, actual, [self._expected(oracle) for oracle in self.oracles])
        self.oracles = tried
        self.past += [batch for batch, told in zip(batches, said, strict=True) if told is not None]

    def teardown(self) -> None:
        verdict = self.runner.run(self._verify())
        assert verdict.ok, verdict.violations

    def _batch(self, acts: Sequence[tuple[Any, ...]]) -> list[Delivery]:
        return [Delivery(wrap(self._command(act), source="test")) for act in acts]

    def _command(self, act: tuple[Any, ...]) -> Command:
        match act:
            case ("grant", owner, credits, hours):
                self.granted += 1
                expires = None if hours is None else START + timedelta(hours=hours)
                id_ = uuid5(self.space, f"grant {self.granted}")
                return GrantCredit(
                    grant_id=id_, owner=self.owners[owner], credits=credits, expires_at=expires, reason="test"
                )
            case ("reserve", owner, generation, n):
                work = Work(kind="try_on", n=n)
                return ReserveCredit(generation_id=self._generation(generation), owner=self.owners[owner], work=work)
            case ("capture", generation, delivered):
                return CaptureCredit(generation_id=self._generation(generation), delivered=delivered)
            case _:
                return RefundCredit(generation_id=self._generation(act[1]))

    def _generation(self, number: int) -> UUID:
        return uuid5(self.space, f"generation {number}")

    async def _handle(self, deliveries: list[Delivery], *, crash: bool = False) -> Said | None:
        """As the consumer does; answers what was said, or None where the batch held poison and nothing happened."""
        while True:
            try:
                async with self.unit.once("billing.commands", deliveries, dispatch=False) as tx:
                    if tx.fresh:
                        await handlers.handle_commands(tx)
                    if crash:
                        raise _Crash
                # One answer to each command; what is announced beside comes after them.
                return [comparable(envelope.message) for envelope in tx.emitted[: len(tx.fresh)]]
            except Poison:
                if crash:
                    raise
                return None
            except Exception as error:
                if not is_outage(error):
                    raise

    async def _both(self, one: list[Delivery], two: list[Delivery]) -> list[Said | None]:
        return list(await asyncio.gather(self._handle(one), self._handle(two)))

    async def _books(self) -> tuple[dict[UUID, tuple[int, ...]], dict[UUID, tuple[str, int, int]]]:
        accounts = await self.unit.pool.fetch(
            "SELECT owner_id, -granted, available, held, captured, expired FROM accounts WHERE owner_id = ANY($1)",
            [owner.id for owner in self.owners],
        )
        holds = await self.unit.pool.fetch(
            "SELECT generation_id, state, captured, refunded FROM holds WHERE generation_id = ANY($1)",
            [self._generation(number) for number in range(8)],
        )
        by_owner = {owner.id: (0, 0, 0, 0, 0) for owner in self.owners}
        return by_owner | {row[0]: tuple(row)[1:] for row in accounts}, {row[0]: tuple(row)[1:] for row in holds}

    def _expected(self, oracle: Oracle) -> tuple[dict[UUID, tuple[int, ...]], dict[UUID, tuple[str, int, int]]]:
        return {owner.id: oracle.balances(owner.id) for owner in self.owners}, oracle.state()

    async def _verify(self) -> Any:
        async with self.unit.pool.acquire() as connection:
            return await verify(connection)


def _on(owner: int, act: tuple[Any, ...]) -> tuple[Any, ...]:
    """The act, on this owner's account."""
    return (act[0], owner, *act[2:]) if act[0] in ("grant", "reserve") else act


def _commands(batch: Sequence[Delivery]) -> list[Command]:
    return [cast(Command, deepcopy(delivery.message)) for delivery in batch]


@contextmanager
def _billing(superuser: str) -> Iterator[tuple[asyncio.Runner, UnitOfWork, Pool]]:
    """Billing's tables in a database of its own, on an event loop that a state machine can step; the pool is the
    owner's."""
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        place = testing.migrated_database(superuser, MIGRATIONS)
        url = runner.run(place.__aenter__())
        pool = runner.run(database.connect(url))
        owner_pool = runner.run(database.connect(urlsplit(superuser)._replace(path=urlsplit(url).path).geturl()))
        unit = UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "billing")), "test")
        try:
            yield runner, unit, owner_pool
        finally:
            runner.run(pool.close())
            runner.run(owner_pool.close())
            runner.run(place.__aexit__(None, None, None))


def test_billing_on_postgres_agrees_with_a_plain_ledger(postgres: str) -> None:
    with _billing(postgres) as (runner, unit, owner_pool):
        machine = type("Machine", (BooksMachine,), {"runner": runner, "unit": unit, "owner_pool": owner_pool})
        checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
        how = settings(max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=checks)
        how = settings(how, phases=[Phase.generate])  # shrinking a run on a real database takes many minutes
        run_state_machine_as_test(machine, settings=how)

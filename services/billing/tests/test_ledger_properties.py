"""The books balance after any commands in any order. The oracle is a few lines of plain Python."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from atelier_billing import ledger
from atelier_billing.books import Account, Books, HoldState
from atelier_contracts import CaptureCredit, CreditDeclined, GrantCredit, Owner, RefundCredit, ReserveCredit, Work
from atelier_messaging import Poison

START = datetime(2026, 1, 1, tzinfo=UTC)
OWNERS = [Owner(kind="store", id=UUID(int=n)) for n in (1, 2)]
GENERATIONS = st.integers(min_value=100, max_value=106).map(lambda n: UUID(int=n))


class LedgerMachine(RuleBasedStateMachine):
    """Drives the real rules and a naive model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books(now=START)
        self.grants = 0
        self.charged: Counter[UUID] = Counter()

    @rule(owner=st.sampled_from(OWNERS), credits=st.integers(1, 20), hours=st.none() | st.integers(-1, 5))
    def grant(self, owner: Owner, credits: int, hours: int | None) -> None:
        self.grants += 1
        expires = None if hours is None else self.books.now + timedelta(hours=hours)
        grant_id = UUID(int=10_000 + self.grants)
        command = GrantCredit(grant_id=grant_id, owner=owner, credits=credits, reason="x", expires_at=expires)
        ledger.apply(self.books, command)

    @rule(owner=st.sampled_from(OWNERS), generation=GENERATIONS, n=st.integers(1, 10))
    def reserve(self, owner: Owner, generation: UUID, n: int) -> None:
        known = generation in self.books.holds
        wallet = self.books.wallets.get(owner.id)
        event = ledger.apply(
            self.books, ReserveCredit(generation_id=generation, owner=owner, work=Work(kind="try_on", n=n))
        )
        if isinstance(event, CreditDeclined) and event.reason == "insufficient_credits":
            assert event.available == (wallet.balances[Account.AVAILABLE] if wallet else 0) < n
        elif not known:
            assert self.books.holds[generation].credits == n

    @rule(generation=GENERATIONS, delivered=st.integers(1, 10), reused=st.booleans())
    def capture(self, generation: UUID, delivered: int, *, reused: bool) -> None:
        hold = self.books.holds.get(generation)
        allowed = hold is not None and hold.state is not HoldState.REFUNDED and delivered <= hold.units
        try:
            ledger.apply(self.books, CaptureCredit(generation_id=generation, delivered=delivered, reused=reused))
        except Poison:
            assert not allowed
        else:
            assert allowed
            self.charged.setdefault(generation, delivered)

    @rule(generation=GENERATIONS)
    def refund(self, generation: UUID) -> None:
        try:
            ledger.apply(self.books, RefundCredit(generation_id=generation))
        except Poison:
            assert generation in self.charged

    @rule(hours=st.integers(0, 3))
    def time_passes(self, hours: int) -> None:
        self.books.now += timedelta(hours=hours)

    @invariant()
    def every_account_is_the_sum_of_its_postings_and_none_is_overdrawn(self) -> None:
        sums: Counter[tuple[UUID, Account]] = Counter()
        for posting in self.books.postings:
            assert posting.credits > 0
            sums[posting.owner_id, posting.debit] -= posting.credits
            sums[posting.owner_id, posting.credit] += posting.credits
        for owner_id, wallet in self.books.wallets.items():
            for account, credits in wallet.balances.items():
                assert credits == sums[owner_id, account]
                assert credits <= 0 if account is Account.GRANTED else credits >= 0
            assert sum(wallet.balances.values()) == 0

    @invariant()
    def check_that_held_is_the_sum_of_open_holds_and_available_of_grants(self) -> None:
        for owner_id, wallet in self.books.wallets.items():
            holds = [h for h in self.books.holds.values() if h.owner_id == owner_id and h.state is HoldState.OPEN]
            assert wallet.balances[Account.HELD] == sum(h.credits for h in holds)
            assert wallet.balances[Account.AVAILABLE] == sum(g.remaining for g in wallet.grants.values())

    @invariant()
    def nobody_is_charged_but_for_what_was_delivered(self) -> None:
        assert {h.generation_id: h.captured for h in self.books.holds.values() if h.captured} == dict(self.charged)


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

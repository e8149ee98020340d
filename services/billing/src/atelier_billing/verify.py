"""``ledger verify``: proves the books from the postings alone, and says each thing that does not hold."""

from dataclasses import dataclass

from atelier_messaging.database import Connection
from atelier_pricing import REUSED_CREDITS

CHECKS = {
    "balances are the sum of their postings": """
        SELECT format('owner %s, account %s: balance %s, postings say %s', owner_id, account, balance, posted)
        FROM (
          SELECT a.owner_id, v.account, v.balance,
                 COALESCE((SELECT sum(CASE WHEN p.credit = v.account THEN p.credits ELSE 0 END
                                    - CASE WHEN p.debit = v.account THEN p.credits ELSE 0 END)
                           FROM postings p WHERE p.owner_id = a.owner_id), 0) AS posted
          FROM accounts a CROSS JOIN LATERAL (VALUES ('granted', granted), ('available', available), ('held', held),
               ('captured', captured), ('expired', expired)) AS v(account, balance)
        ) x WHERE balance <> posted""",
    "available + held = granted - captured - expired, none below zero": """
        SELECT format('owner %s: available %s, held %s, granted %s, captured %s, expired %s',
                      owner_id, available, held, -granted, captured, expired)
        FROM accounts WHERE granted + available + held + captured + expired <> 0
           OR granted > 0 OR LEAST(available, held, captured, expired) < 0""",
    "held is the sum of open holds": """
        SELECT format('owner %s: held %s, open holds %s', a.owner_id, a.held, COALESCE(h.credits, 0))
        FROM accounts a LEFT JOIN (SELECT owner_id, sum(unit_credits * units) AS credits FROM holds
             WHERE state = 'open' GROUP BY owner_id) h USING (owner_id) WHERE a.held <> COALESCE(h.credits, 0)""",
    "available is the sum of what grants have left": """
        SELECT format('owner %s: available %s, grants %s', a.owner_id, a.available, COALESCE(g.remaining, 0))
        FROM accounts a LEFT JOIN (SELECT owner_id, sum(remaining) AS remaining FROM grants GROUP BY owner_id) g
             USING (owner_id) WHERE a.available <> COALESCE(g.remaining, 0)""",
    "every hold agrees with its postings": """
        SELECT format('generation %s: %s, held %s, captured %s, refunded %s; postings say %s, %s, %s', h.generation_id,
                      h.state, h.unit_credits * h.units, h.captured, h.refunded, p.reserved, p.captured, p.refunded)
        FROM holds h CROSS JOIN LATERAL (
          SELECT COALESCE(sum(credits) FILTER (WHERE kind = 'reserve'), 0) AS reserved,
                 COALESCE(sum(credits) FILTER (WHERE kind = 'capture'), 0) AS captured,
                 COALESCE(sum(credits) FILTER (WHERE kind = 'refund'), 0) AS refunded
          FROM postings WHERE generation_id = h.generation_id) p
        WHERE (p.reserved, p.captured, p.refunded) <> (h.unit_credits * h.units, h.captured, h.refunded)
           OR (h.state <> 'open' AND p.reserved <> p.captured + p.refunded)
           OR (h.state = 'refunded' AND p.captured <> 0)""",
    "what was reused costs no more than the book says": f"""
        SELECT format('generation %s: %s captured for at most %s reused outputs of %s credits',
                      generation_id, captured, units, unit_credits)
        FROM holds WHERE reused AND captured > units * LEAST(unit_credits, {REUSED_CREDITS})""",  # noqa: S608 - a constant only
    "every settled posting belongs to a hold": """
        SELECT format('posting %s (%s) names generation %s, which has no hold', p.id, p.kind, p.generation_id)
        FROM postings p LEFT JOIN holds h USING (generation_id)
        WHERE p.kind IN ('reserve', 'capture', 'refund') AND h.generation_id IS NULL""",
}
"""Each check selects one sentence for every violation."""

VIOLATIONS_MAX = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was checked and what was found; ``violations`` empty means the books are right."""

    accounts: int
    entries: int
    violations: list[str]

    @property
    def ok(self) -> bool:
        """True when nothing was found."""
        return not self.violations


async def verify(connection: Connection) -> Verdict:
    """Checks everything in one snapshot, so that work going on meanwhile cannot make it look wrong."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        violations = [
            f"{name}: {row[0]}"
            for name, check in CHECKS.items()
            for row in await connection.fetch(f"{check} LIMIT {VIOLATIONS_MAX}")
        ]
        accounts = await connection.fetchval("SELECT count(*) FROM accounts")
        entries = await connection.fetchval("SELECT count(*) FROM postings")
    return Verdict(accounts, entries, violations)

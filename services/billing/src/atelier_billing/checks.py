"""The rules of the books as SQL: each check selects one sentence for every violation.

Checks of whole accounts are cheap and always run in full. Checks of holds and postings get their subjects from the
caller: the few that no checkpoint covers yet, or one page of all.
"""

from atelier_pricing import REUSED_CREDITS

MOVED = """
       sum(p.credits * ((p.credit = 'granted')::int - (p.debit = 'granted')::int)) AS granted,
       sum(p.credits * ((p.credit = 'available')::int - (p.debit = 'available')::int)) AS available,
       sum(p.credits * ((p.credit = 'held')::int - (p.debit = 'held')::int)) AS held,
       sum(p.credits * ((p.credit = 'captured')::int - (p.debit = 'captured')::int)) AS captured,
       sum(p.credits * ((p.credit = 'expired')::int - (p.debit = 'expired')::int)) AS expired,
       count(*) AS entries"""
"""What the postings ``p`` of a group did to the five accounts, and how many they are."""

ACCOUNTS = {
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
        FROM accounts a LEFT JOIN (SELECT owner_id, sum(remaining) AS remaining FROM grants
             WHERE NOT is_spent GROUP BY owner_id) g USING (owner_id) WHERE a.available <> COALESCE(g.remaining, 0)""",
    "every correction agrees with its postings": """
        SELECT format('owner %s: corrections (%s) say %s, postings %s', owner_id, kind, COALESCE(c.credits, 0),
                      COALESCE(p.credits, 0))
        FROM (SELECT owner_id, kind, sum(credits) AS credits FROM corrections WHERE credits > 0 GROUP BY 1, 2) c
        FULL JOIN (SELECT owner_id, kind, sum(credits) AS credits FROM postings
                   WHERE kind IN ('return', 'take_back') GROUP BY 1, 2) p USING (owner_id, kind)
        WHERE c.credits IS DISTINCT FROM p.credits""",
    "every cap counts what open holds hold": """
        SELECT format('cap %s: counts %s, open holds %s', c.id, c.held + c.captured, h.credits)
        FROM caps c LEFT JOIN LATERAL (SELECT sum(unit_credits * units) AS credits FROM holds
             WHERE owner_id = c.owner_id AND state = 'open' AND capped_at >= c.since AND c.id = ANY(caps)) h ON true
        WHERE c.held + c.captured < h.credits""",
}
"""Of whole accounts, without a look at the postings."""

COUNTS_OF_CAPS = """
        SELECT format('cap %s: counts %s, its holds %s', c.id, c.held + c.captured,
                      COALESCE(h.credits, 0) - COALESCE(r.credits, 0))
        FROM caps c
        LEFT JOIN LATERAL (SELECT sum(CASE state WHEN 'open' THEN unit_credits * units ELSE captured END) AS credits
             FROM holds
             WHERE owner_id = c.owner_id AND capped_at >= c.since AND c.id = ANY(holds.caps)) h ON true
        LEFT JOIN LATERAL (SELECT sum(p.credits) AS credits FROM postings p JOIN holds USING (generation_id)
             WHERE p.owner_id = c.owner_id AND p.kind = 'return' AND capped_at >= c.since
               AND c.id = ANY(holds.caps)) r ON true
        WHERE c.held + c.captured <> COALESCE(h.credits, 0) - COALESCE(r.credits, 0)"""
"""Adds up all holds of a cap's period: for a total, all of its history."""
COUNTS_TODAY = f"{COUNTS_OF_CAPS} AND c.period = 'day'"

_BALANCES = """
    SELECT format('owner %s, account %s: balance %s, postings say %s', owner_id, account, balance, posted)
    FROM accounts a {posted} CROSS JOIN LATERAL (VALUES
         ('granted', a.granted, {granted}), ('available', a.available, {available}), ('held', a.held, {held}),
         ('captured', a.captured, {captured}), ('expired', a.expired, {expired})) AS v(account, balance, posted)
    WHERE balance <> posted"""
_NAMES = ("granted", "available", "held", "captured", "expired")

UNPROVEN_POSTINGS = """
SELECT p.* FROM unproven_postings u
CROSS JOIN LATERAL (SELECT * FROM postings WHERE id = u.posting_id OFFSET 0) p"""
"""Look-ups, one by one (OFFSET 0 keeps the planner from reading all postings instead): they are few, of very many."""

UNPROVEN = f"SELECT p.owner_id, {MOVED} FROM ({UNPROVEN_POSTINGS}) p GROUP BY 1"  # noqa: S608 - constants only
"""What the postings without a checkpoint did, by owner."""

BALANCES_SINCE_CHECKPOINT = _BALANCES.format(
    posted=f"LEFT JOIN proven_accounts t USING (owner_id) LEFT JOIN ({UNPROVEN}) m USING (owner_id)",
    **{name: f"COALESCE(t.{name}, 0) + COALESCE(m.{name}, 0)" for name in _NAMES},
)
"""Balances against the checkpoint and what came after it."""

BALANCES_OF_ALL = _BALANCES.format(
    posted=f"LEFT JOIN (SELECT p.owner_id, {MOVED} FROM postings p GROUP BY 1) m USING (owner_id)",  # noqa: S608 - constants only
    **{name: f"COALESCE(m.{name}, 0)" for name in _NAMES},
)
"""Balances against every posting there is."""

CHECKPOINT = f"""
    SELECT format('owner %s: the checkpoint covers %s postings, %s are there', owner_id, COALESCE(t.entries, 0),
                  COALESCE(m.entries, 0))
    FROM proven_accounts t FULL JOIN (
      SELECT p.owner_id, {MOVED} FROM postings p
      WHERE NOT EXISTS (SELECT FROM unproven_postings u WHERE u.posting_id = p.id) GROUP BY 1) m USING (owner_id)
    WHERE (t.granted, t.available, t.held, t.captured, t.expired, t.entries)
          IS DISTINCT FROM (m.granted, m.available, m.held, m.captured, m.expired, m.entries)"""  # noqa: S608 - constants only
"""Every proven posting is still there, with the same sums."""

GRANTS = """
    SELECT format('grant %s of owner %s: given %s, left %s; postings say %s, %s', COALESCE(g.id, p.grant_id),
                  COALESCE(g.owner_id, p.owner_id), g.credits, g.remaining, p.given, p.remaining)
    FROM grants g FULL JOIN (
      SELECT grant_id, owner_id, sum(credits) FILTER (WHERE kind = 'grant') AS given,
             sum(credits * ((credit = 'available')::int - (debit = 'available')::int)) AS remaining
      FROM postings GROUP BY 1, 2) p ON p.grant_id = g.id AND p.owner_id = g.owner_id
    WHERE (g.credits, g.remaining) IS DISTINCT FROM (p.given, p.remaining)"""
"""Each grant against every posting there is: two grants of one owner may expire at different times."""

_WRONG_HOLD = """
    p.astray > 0 OR (p.reserved, p.captured, p.refunded) <> (h.unit_credits * h.units, h.captured, h.refunded)
    OR (h.state <> 'open' AND p.reserved <> p.captured + p.refunded)
    OR (h.state = 'refunded' AND p.captured <> 0) OR p.returned > p.captured"""


def holds(subjects: str) -> str:
    """Each hold agrees with its postings. ``subjects`` selects ``generation_id``."""
    return f"""
        SELECT format('generation %s: %s, held %s, captured %s, refunded %s; postings say %s, %s, %s, '
                      '%s returned; %s of them of another owner', h.generation_id, h.state,
                      h.unit_credits * h.units, h.captured, h.refunded, p.reserved, p.captured,
                      p.refunded, p.returned, p.astray),
               h.generation_id
        FROM ({subjects}) s
        CROSS JOIN LATERAL (SELECT * FROM holds WHERE generation_id = s.generation_id OFFSET 0) h
        CROSS JOIN LATERAL (
          SELECT COALESCE(sum(credits) FILTER (WHERE kind = 'reserve'), 0) AS reserved,
                 COALESCE(sum(credits) FILTER (WHERE kind = 'capture'), 0) AS captured,
                 COALESCE(sum(credits) FILTER (WHERE kind = 'refund'), 0) AS refunded,
                 COALESCE(sum(credits) FILTER (WHERE kind = 'return'), 0) AS returned,
                 count(*) FILTER (WHERE owner_id IS DISTINCT FROM h.owner_id) AS astray
          FROM postings WHERE generation_id = h.generation_id) p
        WHERE {_WRONG_HOLD}"""  # noqa: S608 - constants only


def reuse(subjects: str) -> str:
    """What was reused costs no more than the book says. ``subjects`` selects ``generation_id``."""
    return f"""
        SELECT format('generation %s: %s captured for at most %s reused outputs of %s credits',
                      h.generation_id, captured, units, unit_credits), h.generation_id
        FROM ({subjects}) s
        CROSS JOIN LATERAL (SELECT * FROM holds WHERE generation_id = s.generation_id OFFSET 0) h
        WHERE reused AND captured > units * LEAST(unit_credits, {REUSED_CREDITS})"""  # noqa: S608 - constants only


def orphans(subjects: str) -> str:
    """Every posting of a generation belongs to a hold. ``subjects`` selects rows of ``postings``."""
    return f"""
        SELECT format('posting %s (%s) names generation %s, which has no hold', p.id, p.kind, p.generation_id),
               p.generation_id
        FROM ({subjects}) p
        LEFT JOIN LATERAL (SELECT generation_id FROM holds WHERE generation_id = p.generation_id OFFSET 0) h ON true
        WHERE p.kind IN ('reserve', 'capture', 'refund', 'return') AND h.generation_id IS NULL"""  # noqa: S608 - constants only

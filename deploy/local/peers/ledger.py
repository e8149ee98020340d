"""What each peer does in the database for one generation: hold a credit, finish the work, capture the credit.

Each step is one statement with a commit of its own, and does nothing the second time: that is all these engines ask of
a step, since they run it at least once. ``{id}`` and ``{account}`` are written as each driver wants them.
"""

ACCOUNTS = 50
HOLD = """
WITH held AS (
  INSERT INTO holds (generation, account, credits, state) VALUES ({id}, {account}, 1, 'open')
  ON CONFLICT (generation) DO NOTHING RETURNING generation, account, credits
), posted AS (
  INSERT INTO postings (generation, account, debit, credit, credits)
  SELECT generation, account, 'available', 'held', credits FROM held
)
UPDATE accounts SET available = available - held.credits, held = accounts.held + held.credits
FROM held WHERE accounts.id = held.account
"""
FINISH = (
    "INSERT INTO jobs (generation, state, result) VALUES ({id}, 'done', '{{}}') ON CONFLICT (generation) DO NOTHING"
)
CAPTURE = """
WITH settled AS (
  UPDATE holds SET state = 'captured' WHERE generation = {id} AND state = 'open'
  RETURNING generation, account, credits
), posted AS (
  INSERT INTO postings (generation, account, debit, credit, credits)
  SELECT generation, account, 'held', 'captured', credits FROM settled
)
UPDATE accounts SET held = accounts.held - settled.credits, captured = captured + settled.credits
FROM settled WHERE accounts.id = settled.account
"""
IS_CAPTURED = "SELECT generation::text FROM holds WHERE generation = ANY({id}) AND state = 'captured'"


def statements(id: str, account: str) -> tuple[str, str, str]:
    """The three steps with a driver's placeholders."""
    return HOLD.format(id=id, account=account), FINISH.format(id=id), CAPTURE.format(id=id)

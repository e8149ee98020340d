"""Each guard taken out of a copy of the code, and the test that must then fail: ``python -m chaos.mutants``.

A guard whose loss no test notices is no guard that anybody can rely on. Each test must pass on the code as it is.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from chaos.cap_mutants import CAP_MUTANTS
from chaos.delivery_mutants import DELIVERY_MUTANTS
from chaos.mutant import Mutant
from chaos.repeat_mutants import REPEAT_MUTANTS

ROOT = Path(__file__).resolve().parents[2]
FAILED = 1
"""How pytest ends when a test failed, and not for some other reason."""
TEST_S_MAX = 300

_MESSAGING, _SESSION = "libs/messaging/src/atelier_messaging", "services/session/src/atelier_session"
_BILLING, _RENDER = "services/billing/src/atelier_billing", "services/render/src/atelier_render"
_GATEWAY = "services/gateway/src/atelier_gateway"

MUTANTS = (
    *CAP_MUTANTS,
    *DELIVERY_MUTANTS,
    *REPEAT_MUTANTS,
    Mutant(
        "inbox",
        f"{_MESSAGING}/unit_of_work.py",
        "return [delivery for delivery in deliveries if delivery.envelope.id in marked]",
        "return [delivery for delivery in deliveries if marked is not deliveries]",
        "libs/messaging/tests/test_once.py::test_a_message_seen_before_is_not_fresh",
    ),
    Mutant(
        "inbox with a late claim",
        f"{_MESSAGING}/unit_of_work.py",
        'tx.write("handled", _MARK_FRESH, consumer',
        'tx.write("handled", _MARK_HANDLED, consumer',
        "libs/messaging/tests/test_writes.py::test_a_late_claim_of_a_message_handled_before_leaves_nothing",
    ),
    Mutant(
        "confirm",
        f"{_MESSAGING}/outbox.py",
        "if outcome is PublishOutcome.CONFIRMED:\n                    self._confirmed",
        "if outcome:\n                    self._confirmed",
        "libs/messaging/tests/test_outbox.py::test_an_unroutable_message_is_reported_and_kept",
    ),
    Mutant(
        "confirm of what is swept",
        f"{_MESSAGING}/outbox.py",
        "in published if outcome is PublishOutcome.CONFIRMED]",
        "in published if outcome]",
        "libs/messaging/tests/test_outbox.py::test_a_sweep_keeps_what_was_not_confirmed",
    ),
    Mutant(
        "mandatory publish",
        f"{_MESSAGING}/publisher.py",
        "mandatory=True",
        "mandatory=False",
        "libs/messaging/tests/test_outbox.py::test_an_unroutable_message_is_reported_and_kept",
    ),
    Mutant(
        "sweeper",
        f"{_MESSAGING}/outbox.py",
        "if not self._publisher.is_connected:",
        "if self._publisher:",
        "libs/messaging/tests/test_outbox.py::test_a_crash_between_commit_and_publish_is_made_good_by_the_sweeper",
    ),
    Mutant(
        "sender",
        f"{_MESSAGING}/consumer.py",
        "refusal = self._senders.refusal(sender if isinstance(sender, str) else None, type(envelope.message))",
        "refusal = None if isinstance(sender, str) else self._senders.refusal(None, type(envelope.message))",
        "libs/messaging/tests/test_permissions.py"
        "::test_a_command_that_reaches_billing_from_render_is_a_dead_letter_with_that_reason",
    ),
    Mutant(
        "killer apart from its neighbours",
        f"{_MESSAGING}/ack_tracker.py",
        "isinstance(count, int) and count >= SUSPECT_DELIVERIES",
        "isinstance(count, int) and count < 0",
        "libs/messaging/tests/test_killers.py::test_a_message_that_kills_its_consumer_takes_no_neighbours_along",
    ),
    Mutant(
        "dead letter before its ack",
        f"{_MESSAGING}/consumer.py",
        "if (await self._publisher.publish([outgoing]))[0] is not PublishOutcome.CONFIRMED:",
        "if not await self._publisher.publish([outgoing]):",
        "libs/messaging/tests/test_outages.py::test_poison_met_while_the_broker_is_away_is_buried_when_it_is_back",
    ),
    Mutant(
        "ack of an unbroken run only",
        f"{_MESSAGING}/ack_tracker.py",
        "while self.end + 1 in self.settled:\n            self.end += 1",
        "while self.settled:\n            self.end = max(self.settled)",
        "libs/messaging/tests/test_acknowledging.py::test_a_delivery_that_overtook_another_waits_for_it",
    ),
    Mutant(
        "tombstone of a refund",
        f"{_BILLING}/ledger.py",
        'Hold(command.generation_id, None, 0, 0, "", HoldState.REFUNDED)\n'
        "        books.holds[hold.generation_id] = books.changed_holds[hold.generation_id] = hold",
        'Hold(command.generation_id, None, 0, 0, "", HoldState.REFUNDED)',
        "services/billing/tests/test_ledger.py::test_refund_before_reserve_refuses_the_late_reservation",
    ),
    Mutant(
        "compare-and-set of a new hold",
        f"{_BILLING}/book_writes.py",
        'model)\n"""\n_SETTLE_HOLDS',
        'model)\nON CONFLICT (generation_id) DO UPDATE SET state = excluded.state\n"""\n_SETTLE_HOLDS',
        "services/billing/tests/test_books.py::"
        "test_a_tombstone_that_another_process_writes_meanwhile_has_the_reservation_start_over",
    ),
    Mutant(
        "lock on the accounts",
        f"{_BILLING}/store.py",
        "WHERE owner_id = ANY(ARRAY(SELECT owner_id FROM owners)) ORDER BY owner_id FOR UPDATE",
        "WHERE owner_id = ANY(ARRAY(SELECT owner_id FROM owners)) ORDER BY owner_id",
        "services/billing/tests/test_stale_grants.py::test_a_batch_that_waited_for_another_spends_the_grants_that_are_left",
    ),
    Mutant(
        "order of locks",
        f"{_BILLING}/store.py",
        "WHERE owner_id = ANY(ARRAY(SELECT owner_id FROM owners)) ORDER BY owner_id FOR UPDATE",
        "WHERE owner_id = ANY(ARRAY(SELECT owner_id FROM owners)) ORDER BY random() FOR UPDATE",
        "services/billing/tests/test_books.py::test_batches_of_many_owners_never_deadlock",
    ),
    Mutant(
        "grants are read again after a wait",
        f"{_BILLING}/store.py",
        "WHERE a.xmin::text <> l.version)",
        "WHERE a.xmin::text <> l.version AND false)",
        "services/billing/tests/test_stale_grants.py::test_a_batch_that_waited_for_another_spends_the_grants_that_are_left",
    ),
    Mutant(
        "one posting a correction",
        f"{_BILLING}/correction_handlers.py",
        "done = await correction_store.find_known(connection, command.correction_id)",
        "done = None",
        "services/billing/tests/test_corrections.py::test_a_correction_sent_twice_moves_once_and_gets_the_same_reply",
    ),
    Mutant(
        "never more returned than charged",
        f"{_BILLING}/correction_store.py",
        'lots = {row["grant_id"]: row["captured"] - row["returned"] for row in rows}',
        'lots = {row["grant_id"]: row["captured"] for row in rows}',
        "services/billing/tests/test_corrections.py::test_more_than_is_charged_is_refused_and_nothing_moves",
    ),
    Mutant(
        "lock on the owner of a dispute",
        f"{_GATEWAY}/disputes/store.py",
        "await connection.execute(_LOCK_OWNER, owner.kind, str(owner.id))",
        "assert owner.kind",
        "services/gateway/tests/disputes/test_disputes.py"
        "::test_disputes_of_one_output_at_the_same_time_return_its_credits_once",
    ),
    Mutant(
        "end of a dispute, once",
        f"{_GATEWAY}/disputes/store.py",
        "WHERE d.id = n.id AND d.state = 'refunding' RETURNING",
        "WHERE d.id = n.id RETURNING",
        "services/gateway/tests/disputes/test_dispute_decisions.py"
        "::test_a_refund_that_billing_answers_late_ends_with_its_event",
    ),
    Mutant(
        "checkpoint outside the database",
        f"{_BILLING}/proof/sequencer.py",
        "if await root_of(connection, outside.size) != outside.root:",
        "if outside.size < 0:",
        "services/billing/tests/test_log.py"
        "::test_a_checkpoint_outside_that_the_log_does_not_continue_is_never_replaced",
    ),
    Mutant(
        "tombstone of a withdrawal",
        f"{_SESSION}/store.py",
        "'admitted'\nON CONFLICT DO NOTHING RETURNING generation_id",
        "'admitted'\nON CONFLICT (generation_id) DO UPDATE SET verdict = 'admitted' RETURNING generation_id",
        "services/session/tests/test_handlers.py::test_a_withdrawn_request_that_comes_late_starts_nothing",
    ),
    Mutant(
        "resend to billing",
        f"{_SESSION}/saga.py",
        "ResendDue: SagaStep(S.CAPTURING, (CaptureCredit,)),",
        "ResendDue: SagaStep(S.CAPTURING),",
        "services/session/tests/test_handlers.py::test_billing_that_does_not_answer_is_asked_again",
    ),
    Mutant(
        "ends are never left",
        f"{_SESSION}/saga.py",
        "    S.REFUNDING: {\n        CreditRefunded",
        "    S.FAILED: {RenderCompleted: Step(S.CAPTURING)},\n    S.REFUNDING: {\n        CreditRefunded",
        "services/session/tests/test_saga.py::test_no_end_is_ever_left",
    ),
    Mutant(
        "compare-and-set of a lease",
        f"{_RENDER}/store/artefacts.py",
        "WHERE j.state = 'running' AND j.lease_owner = $1 ORDER BY",
        "WHERE j.state = 'running' AND $1 = $1 ORDER BY",
        "services/render/tests/test_leases.py::test_who_gave_a_job_back_cannot_end_it_under_the_same_number",
    ),
    Mutant(
        "withdrawal before a 503",
        f"{_GATEWAY}/generations/admission.py",
        "            state = await withdraw_surely(self._peers, request.generation.id)\n        except",
        '            state = "withdrawn"\n        except',
        "services/gateway/tests/generations/test_admission.py::test_a_saga_that_is_slow_to_answer_but_has_begun_is_a_201",
    ),
)


def copy_tree(to: Path) -> None:
    """The tracked files of this repository, as they are now."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        target = to / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_file():
            shutil.copy2(ROOT / name, target)


def run_tests(copy: Path, tests: Iterable[str]) -> int:
    """How pytest ends on the copy's own code."""
    sources = sorted(
        str(path) for pattern in ("libs/*/src", "services/*/src", "deploy/*/src") for path in copy.glob(pattern)
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sources)}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "60", *tests]
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=TEST_S_MAX)
    return done.returncode


def main(only: str = "") -> int:
    """The table: each guard, and whether its loss was noticed; 1 where one was not."""
    chosen = [mutant for mutant in MUTANTS if only in mutant.guard]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="atelier-mutants-") as folder:
        copy = Path(folder)
        copy_tree(copy)
        if run_tests(copy, dict.fromkeys(mutant.test for mutant in chosen)) != 0:
            sys.stdout.write("the tests do not pass on the code as it is\n")
            return 1
        for mutant in chosen:
            file = copy / mutant.file
            whole = file.read_text()
            file.write_text(mutant.mutate(whole))
            noticed = run_tests(copy, [mutant.test]) == FAILED
            file.write_text(whole)
            missed += not noticed
            verdict = "noticed by" if noticed else "NOT NOTICED by"
            sys.stdout.write(f"without {mutant.guard:<32} {verdict} {mutant.test.rpartition('::')[2]}\n")
            sys.stdout.flush()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))

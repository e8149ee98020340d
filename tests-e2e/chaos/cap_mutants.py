"""The guards of caps and quotes."""

from chaos.mutant import Mutant

_BILLING = "services/billing/src/atelier_billing"

CAP_MUTANTS = (
    Mutant(
        "cap of a reservation",
        f"{_BILLING}/ledger.py",
        "caps.refusing_cap(applying, quoted.credits)",
        "caps.refusing_cap(applying, 0)",
        "services/billing/tests/test_caps.py::test_a_cap_holds_to_the_last_credit_and_refuses_the_next",
    ),
    Mutant(
        "lock on the caps",
        f"{_BILLING}/store.py",
        "WHERE id = ANY(ARRAY(SELECT id FROM wanted_caps)) ORDER BY id FOR UPDATE",
        "WHERE id = ANY(ARRAY(SELECT id FROM wanted_caps)) ORDER BY id",
        "services/billing/tests/test_caps_on_postgres.py"
        "::test_a_batch_that_waited_for_a_cap_to_be_lowered_keeps_to_the_new_limit",
    ),
    Mutant(
        "room that comes back with a refund",
        f"{_BILLING}/ledger.py",
        "cap.used -= hold.refunded",
        "cap.used -= 0",
        "services/billing/tests/test_caps.py::test_what_is_captured_counts_and_what_is_refunded_is_room_again",
    ),
    Mutant(
        "room that comes back with a return",
        f"{_BILLING}/corrections.py",
        "cap.used -= wanted",
        "cap.used -= 0",
        "services/billing/tests/test_caps.py::test_a_returned_charge_is_room_again",
    ),
    Mutant(
        "caps of what is captured in part",
        f"{_BILLING}/store.py",
        "WHERE c.keeping < h.units",
        "WHERE c.keeping = 0",
        "services/billing/tests/test_cap_counts.py::test_only_credits_that_go_back_change_the_count_of_a_cap",
    ),
    Mutant(
        "what was held before a refusal",
        f"{_BILLING}/handlers.py",
        "caps.with_held_before(cap, held[cap.id])",
        "caps.with_held_before(cap, 0)",
        "services/billing/tests/test_cap_counts.py::test_a_percentage_is_announced_once_by_an_event",
    ),
    Mutant(
        "period of a hold",
        f"{_BILLING}/caps.py",
        "period_start(cap.period, hold.capped_at) == cap.since]",
        "cap.since]",
        "services/billing/tests/test_caps.py"
        "::test_what_was_reserved_yesterday_neither_counts_today_nor_gives_room_when_it_ends",
    ),
    Mutant(
        "proof of a cap's count",
        f"{_BILLING}/checks.py",
        "WHERE c.held + c.captured < h.credits",
        "WHERE c.held + c.captured < 0",
        "services/billing/tests/test_cap_counts.py::test_a_count_that_is_wrong_is_named_and_counted_again",
    ),
    Mutant(
        "signature of a quote",
        f"{_BILLING}/proof/quote_signatures.py",
        "Ed25519PublicKey.from_public_bytes(key.raw).verify(_decode(signature), signed.encode())",
        "Ed25519PublicKey.from_public_bytes(key.raw)",
        "services/billing/tests/test_quotes.py::test_an_altered_quote_is_refused_wherever_it_was_altered",
    ),
    Mutant(
        "owner of a quote",
        f"{_BILLING}/quotes.py",
        "if quote.owner != command.owner:",
        "if quote.owner.kind != command.owner.kind:",
        "services/billing/tests/test_quotes.py::test_a_quote_for_another_owner_or_another_request_is_refused",
    ),
)

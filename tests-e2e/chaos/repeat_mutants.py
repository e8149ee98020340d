"""The guards of what is sent again until it has had its effect, for a broker that is wiped."""

from chaos.mutant import Mutant

_SESSION = "services/session/src/atelier_session"
_BILLING = "services/billing/src/atelier_billing"
_GATEWAY = "services/gateway/src/atelier_gateway"
_RENDER = "services/render/src/atelier_render"
_UNCONFIRMED = "services/gateway/tests/peers/test_unconfirmed_messages.py"
_DISCARDS = "services/session/tests/test_discards.py"
_PROMISED = "services/gateway/tests/generations/test_promised_requests.py"
REPEAT_MUTANTS = (
    Mutant(
        "note of a request that the session does not answer for",
        f"{_GATEWAY}/generations/admission.py",
        "                await unconfirmed_store.insert(tx.connection, request.event)\n",
        "                pass\n",
        f"{_PROMISED}::test_a_request_accepted_while_the_session_was_away_is_sent_again_until_it_has_begun",
    ),
    Mutant(
        "patience with a request that is still sent again",
        f"{_GATEWAY}/projection/stalled.py",
        "   OR EXISTS (SELECT FROM unconfirmed_messages m"
        " WHERE m.subject = w.id AND m.name = $2 AND m.confirmed_at IS NULL)\n",
        "",
        f"{_PROMISED}::test_a_request_accepted_while_the_session_was_away_is_sent_again_until_it_has_begun",
    ),
    Mutant(
        "no promise of what nobody knows",
        f"{_GATEWAY}/generations/admission.py",
        'return "accepted" if known and known[0]["state"] != "rejected" else "unknown"',
        'return "accepted"',
        f"{_PROMISED}::test_a_repeated_key_is_promised_only_what_the_session_knows",
    ),
    Mutant(
        "operators' orders before the requests of an outage",
        f"{_GATEWAY}/peers/unconfirmed_store.py",
        "ORDER BY name = '{GenerationRequested.name}', sent_at",
        "ORDER BY sent_at",
        f"{_PROMISED}::test_an_operators_order_does_not_wait_behind_the_requests_of_an_outage",
    ),
    Mutant(
        "turns by arrival",
        f"{_RENDER}/store/queue.py",
        "ORDER BY priority, created_at, generation_id LIMIT s.jobs",
        "ORDER BY priority, generation_id LIMIT s.jobs",
        "services/render/tests/test_turns.py::"
        "test_a_tenants_jobs_go_by_when_they_came_although_their_ids_were_made_by_a_clock_that_was_ahead",
    ),
    Mutant(
        "repeat of what is unconfirmed",
        f"{_GATEWAY}/peers/message_repeater.py",
        "                tx.emit(message)\n",
        "",
        f"{_UNCONFIRMED}::"
        "test_an_operators_order_that_was_lost_with_the_broker_is_sent_again_until_billing_has_answered",
    ),
    Mutant(
        "confirmation of a cap by the answer to its latest order",
        f"{_GATEWAY}/peers/unconfirmed_store.py",
        "m.name <> $4 OR h.ordered_at >= m.ordered_at AS is_of_latest",
        "m.name <> $4 OR h.ordered_at IS NOT NULL AS is_of_latest",
        f"{_UNCONFIRMED}::test_of_a_cap_the_latest_order_is_repeated_and_no_earlier_answer_settles_it",
    ),
    Mutant(
        "announcement by the first answer that arrives",
        f"{_GATEWAY}/subscriptions/facts.py",
        "case CreditGranted() if is_news.get(message.subject, not message.given_before):",
        "case CreditGranted() if not message.given_before:",
        f"{_UNCONFIRMED}::test_where_billings_answer_was_lost_its_next_one_is_announced_once",
    ),
    Mutant(
        "latest order of a cap",
        f"{_BILLING}/cap_handlers.py",
        "if latest == command.ordered_at:",
        "if tx.fresh:",
        "services/billing/tests/test_cap_orders.py::"
        "test_an_order_that_arrives_after_a_later_one_changes_nothing_and_is_answered_with_the_cap_as_it_is",
    ),
    Mutant(
        "repeat of what went back",
        f"{_BILLING}/correction_handlers.py",
        "tx.emit(corrections.repeat_return(command, done, charge), cause=delivery)",
        "corrections.repeat_return(command, done, charge)",
        "services/billing/tests/test_corrections.py::test_a_return_sent_twice_says_again_what_has_gone_back_by_then",
    ),
    Mutant(
        "repeat of a discard without effect",
        f"{_SESSION}/discards.py",
        "return discard if kept is not None and kept.outputs - set(discard.kept) else None",
        "return None",
        f"{_DISCARDS}::test_a_discard_that_was_lost_is_sent_again_until_render_keeps_nothing_but_what_was_delivered",
    ),
    Mutant(
        "look at a render without an answer",
        f"{_SESSION}/handlers.py",
        "        known.is_render_unanswered |= discards.is_unanswered(before.state, trigger)\n",
        "",
        f"{_DISCARDS}::test_a_render_that_was_to_stop_and_never_answered_is_stopped_and_what_it_made_is_discarded",
    ),
)

"""The guards of what is charged on delivery."""

from chaos.mutant import Mutant

_SESSION = "services/session/src/atelier_session"
_GATEWAY = "services/gateway/src/atelier_gateway"
DELIVERY_MUTANTS = (
    Mutant(
        "delivery known before a refund",
        f"{_SESSION}/handlers.py",
        "return ResendDue() if delivered is None else WindowPassed(delivered)",
        "return WindowPassed(delivered or ())",
        "services/session/tests/test_delivery_windows.py::"
        "test_a_window_does_not_end_while_the_gateway_has_not_said_what_it_delivered",
    ),
    Mutant(
        "one delivery an output",
        f"{_SESSION}/generation.py",
        "(*reversed(tuple(deliveries)), *self.delivered)",
        "(*self.delivered, *deliveries)",
        "services/session/tests/test_delivery.py::test_a_delivery_that_is_said_twice_is_one",
    ),
    Mutant(
        "deletion of what is not to be stored",
        f"{_SESSION}/saga.py",
        "CapturedUnstored: SagaStep(S.SUCCEEDED, (GenerationSucceeded, DiscardRender)),",
        "CapturedUnstored: SagaStep(S.SUCCEEDED, (GenerationSucceeded,)),",
        "services/session/tests/test_delivery.py::"
        "test_where_nothing_is_to_be_stored_the_outputs_are_deleted_once_they_are_charged",
    ),
    Mutant(
        "start deadline",
        f"{_SESSION}/saga.py",
        "is_late = generation.start_by is not None and now >= generation.start_by",
        "is_late = generation.start_by is not None and now < generation.start_by",
        "services/session/tests/test_start_deadlines.py::test_what_has_not_started_in_time_is_refunded_whatever_comes_afterwards",
    ),
    Mutant(
        "withdrawal of what is not delivered",
        f"{_SESSION}/saga.py",
        "PartDelivered: SagaStep(S.CAPTURING, (CaptureCredit, DiscardRender)),",
        "PartDelivered: SagaStep(S.CAPTURING, (CaptureCredit,)),",
        "services/session/tests/test_delivery.py::"
        "test_of_what_was_taken_in_part_the_part_is_charged_and_the_rest_withdrawn",
    ),
    Mutant(
        "transfer before the last piece is delivered",
        f"{_GATEWAY}/generations/delivery.py",
        "if handover.is_sending(now) and not handover.is_closed:",
        "if not handover.is_closed and handover.made < 0:",
        "services/gateway/tests/generations/test_output_delivery.py::"
        "test_while_the_last_piece_is_on_its_way_nothing_closes_the_handover",
    ),
    Mutant(
        "delivery after the last byte",
        f"{_GATEWAY}/generations/output_transfer.py",
        "        is_sent = False\n",
        "        is_sent = True\n",
        "services/gateway/tests/generations/test_output_delivery.py::"
        "test_a_client_that_leaves_before_the_last_byte_has_not_got_the_output",
    ),
    Mutant(
        "end of delivery by a cancel",
        f"{_GATEWAY}/generations/cancellation.py",
        "delivered = await self._deliverer.close(work, generation.id) if on_delivery else ()",
        "delivered = () if on_delivery else ()",
        "services/gateway/tests/generations/test_output_delivery.py::"
        "test_what_was_cancelled_says_what_was_delivered_and_delivers_nothing_more",
    ),
)

"""Charged on delivery: what is delivered, in part or whole, of a generation whose outputs exist. Pure."""

from dataclasses import replace

from atelier_contracts import CancelRequested, OutputsDelivered
from atelier_session.generation import (
    AllDelivered,
    ClientGone,
    DeliveryRecord,
    Generation,
    OutputsReady,
    PartDelivered,
    State,
    Trigger,
    Undeliverable,
    WindowPassed,
)


def trigger_of_delivery(
    generation: Generation, trigger: OutputsDelivered | WindowPassed | CancelRequested | ClientGone | Undeliverable
) -> Trigger:
    """What it comes to, with what was delivered before and what it says was delivered."""
    if generation.state is not State.DELIVERING or generation.delivery is None or generation.result is None:
        return trigger
    made = generation.result.delivered
    delivered = generation.delivery.add(each for each in trigger.delivered if each.output < made).delivered
    if len(delivered) == made:
        return AllDelivered(delivered)
    return trigger if isinstance(trigger, OutputsDelivered) or not delivered else PartDelivered(delivered)


def begin_delivery(generation: Generation, trigger: OutputsReady) -> Generation:
    """The generation with its result, which can be delivered unless it is being stopped."""
    is_stopped = generation.state is State.STOPPING
    delivery = None if is_stopped else DeliveryRecord(deliver_by=trigger.deliver_by)
    return replace(generation, result=trigger.completed, delivery=delivery)


def remember_delivery(generation: Generation, trigger: OutputsDelivered | AllDelivered | PartDelivered) -> Generation:
    """The generation with these deliveries. Where they are a part and nothing comes after them, its result is that part
    from here on."""
    assert generation.result is not None
    assert generation.delivery is not None, "every way into DELIVERING has a delivery window"
    known = replace(generation, delivery=generation.delivery.add(trigger.delivered))
    if not isinstance(trigger, PartDelivered):
        return known
    numbers = [each.output for each in trigger.delivered]
    kept = tuple(output for number, output in enumerate(generation.result.outputs) if number in numbers)
    return replace(known, result=generation.result.model_copy(update={"outputs": kept, "delivered": len(numbers)}))

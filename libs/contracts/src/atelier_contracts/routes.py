"""Which service sends and which receives what: every durable queue and the messages bound to it. The only home of the
topology.

A queue is named ``<consumer>.<purpose>``; its dead letters lie in ``<queue>.dead``.
"""

from collections.abc import Mapping

from atelier_contracts import billing, caps, gateway, render, session
from atelier_contracts.message import REGISTRY, Message

EXCHANGE = "atelier"
REPLY_PREFIX = "gateway.reply."
SERVICES = ("gateway", "session", "billing", "render")

BILLING_COMMANDS = "billing.commands"
BILLING_CORRECTIONS = "billing.corrections"
BILLING_CAPS = "billing.caps"
SESSION_SAGA = "session.saga"
RENDER_COMMANDS = "render.commands"
GATEWAY_PROJECTION = "gateway.projection"

ROUTES: Mapping[str, tuple[type[Message], ...]] = {
    SESSION_SAGA: (
        gateway.GenerationRequested,
        gateway.CancelRequested,
        gateway.GenerationDeleted,
        gateway.OutputsDelivered,
        billing.CreditDeducted,
        billing.CreditDeclined,
        billing.CreditCaptured,
        billing.CreditRefunded,
        render.RenderStarted,
        render.RenderCompleted,
        render.RenderFailed,
    ),
    BILLING_COMMANDS: (
        billing.ReserveCredit,
        billing.CaptureCredit,
        billing.RefundCredit,
        billing.GrantCredit,
    ),
    BILLING_CORRECTIONS: (billing.ReturnCredit, billing.TakeBackCredit),
    BILLING_CAPS: (caps.SetCap,),
    RENDER_COMMANDS: (render.RequestRender, render.CancelRender, render.DiscardRender, gateway.GenerationDeleted),
    GATEWAY_PROJECTION: (
        billing.CreditGranted,
        billing.GrantExpired,
        billing.BooksCorrected,
        billing.CreditReturned,
        caps.CapSet,
        caps.CapReached,
        render.RenderStarted,
        render.RenderProgressed,
        render.ArtefactsExpired,
        session.GenerationQueued,
        session.GenerationReady,
        session.GenerationRejected,
        session.GenerationSucceeded,
        session.GenerationFailed,
        session.GenerationCancelled,
    ),
}


def reply_key(instance: str) -> str:
    """Routing key and queue name of one gateway instance's replies; the queue dies with the instance."""
    return f"{REPLY_PREFIX}{instance}"


def senders_of(message: type[Message]) -> tuple[str, ...]:
    """The services that may send it."""
    return message.senders or (owner_of(message.name),)


def message_names_of(service: str) -> list[str]:
    """The names of all messages that a service may send."""
    return sorted(name for name, message in REGISTRY.items() if service in senders_of(message))


def owner_of(name: str) -> str:
    """The service that the name of a message or of a queue begins with."""
    return name.partition(".")[0]

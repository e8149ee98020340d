"""The words on the bus: versioned messages, their envelope, and who hears them."""

from atelier_contracts.billing import (
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditGranted,
    CreditRefunded,
    GrantCredit,
    RefundCredit,
    ReserveCredit,
)
from atelier_contracts.gateway import CancelRequested, GenerationRequested
from atelier_contracts.message import Command, Envelope, Event, Message, Undecodable, unwrap, wrap
from atelier_contracts.render import (
    CancelRender,
    RenderCompleted,
    RenderFailed,
    RenderProgressed,
    RenderStarted,
    RequestRender,
)
from atelier_contracts.session import (
    GenerationCancelled,
    GenerationFailed,
    GenerationQueued,
    GenerationRejected,
    GenerationSucceeded,
)
from atelier_contracts.vocabulary import Artefact, Channel, InputRef, Kind, Owner, RenderSpec, Simulation, Tuning, Work

__all__ = [
    "Artefact",
    "CancelRender",
    "CancelRequested",
    "CaptureCredit",
    "Channel",
    "Command",
    "CreditCaptured",
    "CreditDeclined",
    "CreditDeducted",
    "CreditGranted",
    "CreditRefunded",
    "Envelope",
    "Event",
    "GenerationCancelled",
    "GenerationFailed",
    "GenerationQueued",
    "GenerationRejected",
    "GenerationRequested",
    "GenerationSucceeded",
    "GrantCredit",
    "InputRef",
    "Kind",
    "Message",
    "Owner",
    "RefundCredit",
    "RenderCompleted",
    "RenderFailed",
    "RenderProgressed",
    "RenderSpec",
    "RenderStarted",
    "RequestRender",
    "ReserveCredit",
    "Simulation",
    "Tuning",
    "Undecodable",
    "Work",
    "unwrap",
    "wrap",
]

"""What the errors of Black Forest Labs mean to us. Its words reach a client only where they are about its request."""

from collections.abc import Mapping

from atelier_render.providers.protocol import Failed, ProviderOutcome, Refused, Unknown
from atelier_render.providers.toolkit.api_connection import ApiAnswer
from atelier_render.providers.toolkit.api_errors import ApiService, words_of

SERVICE = ApiService("Black Forest Labs", "ATELIER_BFL_API_KEY")
ENDS: Mapping[str, Refused | Failed | Unknown] = {
    "Request Moderated": Refused("the content rules of Black Forest Labs do not allow the request"),
    "Content Moderated": Refused("the content rules of Black Forest Labs held the picture back"),
    "Error": Failed("provider_failed", "the model of Black Forest Labs failed"),
    "Failed": Failed("provider_failed", "the model of Black Forest Labs failed"),
    # Expired, or not seen yet: neither says that nothing was made.
    "Task not found": Unknown(),
}
"""The statuses of a task that has ended without a picture."""


def outcome_of(answer: ApiAnswer) -> ProviderOutcome:
    """The outcome of a submission that was answered so: it was not taken."""
    return SERVICE.rejection(answer, words_of(answer))

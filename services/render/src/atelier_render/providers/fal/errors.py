"""What fal's errors mean to us. Its words reach a client only where they are about the client's own request."""

from collections.abc import Mapping

from atelier_render.providers.protocol import Failed, ProviderOutcome, Refused
from atelier_render.providers.toolkit.api_connection import ApiAnswer
from atelier_render.providers.toolkit.api_errors import OBJECTIONS, ApiService, errors_of, shortened, words_of

SERVICE = ApiService("fal", "ATELIER_FAL_API_KEY")
REFUSED_TYPES = frozenset({"content_policy_violation"})
FLAGGED = Refused("fal's safety checker held the picture back")


def outcome_of(answer: ApiAnswer) -> ProviderOutcome:
    """The outcome of a submission that was answered so: it was not taken."""
    words = words_of(answer)
    if answer.status == 403 and ("locked" in words.lower() or "balance" in words.lower()):
        return SERVICE.out_of_credit()
    return _objection(answer, words) if answer.status in OBJECTIONS else SERVICE.rejection(answer, words)


def outcome_of_result(answer: ApiAnswer) -> Refused | Failed:
    """The outcome of a request whose result is an error: it was taken, has ended, and brought nothing. fal has tried
    it on other machines already, so it is not submitted there again."""
    if answer.status in OBJECTIONS:
        return _objection(answer, words_of(answer))
    return Failed("provider_failed", f"fal's model failed ({shortened(', '.join(_types(answer))) or answer.status})")


def _objection(answer: ApiAnswer, words: str) -> Refused | Failed:
    if REFUSED_TYPES & _types(answer).keys():
        return Refused(words or "fal's content rules do not allow it")
    return SERVICE.objection(words)


def _types(answer: ApiAnswer) -> dict[str, None]:
    """The machine-readable types of an error: of each that is listed, or of the whole answer."""
    body = answer.json()
    whole = body.get("error_type") if isinstance(body, Mapping) else None
    listed = [str(each["type"]) for each in errors_of(answer) if each.get("type")]
    kind = whole or answer.headers.get("x-fal-error-type")
    return dict.fromkeys(listed or ([str(kind)] if kind else []))

"""What Replicate's errors mean to us. Its words reach a client only where they are about the client's own request."""

import re

from atelier_render.providers.protocol import Failed, ProviderOutcome, Refused
from atelier_render.providers.toolkit.api_connection import ApiAnswer
from atelier_render.providers.toolkit.api_errors import RETRY_AFTER_S, ApiService, shortened, words_of

SERVICE = ApiService("Replicate", "ATELIER_REPLICATE_API_KEY")
_RESETS = re.compile(r"resets in ~?(\d{1,4}(?:\.\d+)?) ?s")
_CODE = re.compile(r"\b(E\d{3,6})\b")
_FLAGGED = re.compile(r"\bE005\b|nsfw|flagged as sensitive|content polic|moderat", re.IGNORECASE)
"""A failed prediction says why in a sentence; E005 is the code of what is flagged as sensitive."""
_INVALID = re.compile(r"\bE006\b|invalid input|unsupported image", re.IGNORECASE)


def outcome_of(answer: ApiAnswer) -> ProviderOutcome:
    """The outcome of a submission that was answered so: it was not taken."""
    words = words_of(answer)
    said = _RESETS.search(words)
    return SERVICE.rejection(answer, words, retry_after_s=float(said[1]) if said else RETRY_AFTER_S)


def outcome_of_failure(error: object) -> Refused | Failed:
    """The outcome of a prediction that failed with these words."""
    words = shortened(str(error or ""))
    if _FLAGGED.search(words):
        return Refused(words)
    if _INVALID.search(words):
        return SERVICE.objection(words)
    code = _CODE.search(words)
    return Failed("provider_failed", f"Replicate's model failed{f' ({code[1]})' if code else ''}")

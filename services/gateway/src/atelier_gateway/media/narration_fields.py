"""Texts that can be narrated, and their languages: the fields that seed 001's surface and the native one share."""

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from atelier_contracts.narration import LANGUAGES, TEXT_CHARS_MAX
from atelier_gateway.web.json_bodies import MultilineText

TEXT_BYTES_MAX = 4 * TEXT_CHARS_MAX
"""In UTF-8."""
_TAGS = ", ".join(LANGUAGES)


def audible(text: str) -> str:
    """The text. Raises PydanticCustomError where nothing of it is heard."""
    if not any(character.isalnum() for character in text):
        raise PydanticCustomError("inaudible", "there is nothing to read aloud")
    return text


def _check_language(language: str) -> str:
    if language not in LANGUAGES:
        raise PydanticCustomError("unknown_language", "one of {languages} is required", {"languages": _TAGS})
    return language


NarrationText = Annotated[MultilineText, AfterValidator(audible), Field(min_length=1, max_length=TEXT_CHARS_MAX)]
Language = Annotated[str, AfterValidator(_check_language), Field(json_schema_extra={"enum": list(LANGUAGES)})]

"""The text of a narration: the checks that every voice shares."""

from collections.abc import Mapping
from dataclasses import dataclass

from atelier_contracts.narration import LANGUAGE_DEFAULT, LANGUAGES, TEXT_CHARS_MAX
from atelier_contracts.value_objects import AudioFormat
from atelier_render.providers.protocol import Failed, ProviderJob

CONTENT_TYPES: Mapping[AudioFormat, str] = {
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
}
AUDIO_FORMATS = tuple(CONTENT_TYPES)


@dataclass(frozen=True, slots=True)
class Script:
    """A text that can be spoken, and in which of ``LANGUAGES``."""

    text: str
    language: str


def script_of(job: ProviderJob) -> Script | Failed:
    """The input of role text, or else the prompt; or what is wrong with it."""
    given = next((given.data for given in job.inputs if given.role == "text"), (job.spec.prompt or "").encode())
    try:
        text = given.decode()
    except UnicodeDecodeError:
        return Failed("invalid_input", "the text is not UTF-8")
    if not any(character.isalnum() for character in text):
        return Failed("invalid_input", "there is nothing to read aloud")
    if len(text) > TEXT_CHARS_MAX:
        return Failed("invalid_input", f"the text has more than {TEXT_CHARS_MAX} characters")
    language = job.spec.language or LANGUAGE_DEFAULT
    if language not in LANGUAGES:
        return Failed("invalid_input", f"there is no voice for {language}")
    return Script(text, language)

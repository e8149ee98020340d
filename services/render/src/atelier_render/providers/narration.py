"""The provider that reads texts aloud on this machine: espeak-ng in a process a text. Equal texts give equal bytes."""

from collections.abc import Mapping

from atelier_contracts.narration import LANGUAGE_DEFAULT, LANGUAGES, TEXT_CHARS_MAX
from atelier_contracts.vocabulary import AudioFormat
from atelier_render.narration.readers import Audio, NotRead, ReaderDied, Readers
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Offer,
    Outcome,
    Picture,
    ProviderJob,
    Succeeded,
    Transient,
)

CONTENT_TYPES: Mapping[AudioFormat, str] = {"mp3": "audio/mpeg", "wav": "audio/wav"}
NOTE = f"At most {TEXT_CHARS_MAX} characters, in {len(LANGUAGES)} languages, as MP3 or WAV."


class Narration:
    """Reads the input of role text, or else the prompt."""

    name = "narration"
    capabilities = Capabilities(offers=(Offer("narration", n_max=1, note=NOTE),), reads_inputs=True)

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def submit(self, job: ProviderJob) -> Outcome:
        """One audio file."""
        language, text = job.spec.language or LANGUAGE_DEFAULT, _text(job)
        if isinstance(text, Failed):
            return text
        if language not in LANGUAGES:
            return Failed("invalid_input", f"there is no voice for {language}")
        return await self._read(job, text, language)

    async def recall(self, job: ProviderJob) -> Outcome:  # noqa: ARG002 - the protocol's
        """What our children had not handed over died with us."""
        return Transient("nothing was made")

    async def _read(self, job: ProviderJob, text: str, language: str) -> Outcome:
        audio_format = job.spec.audio_format
        try:
            made = await self._readers.read(text, language=language, audio_format=audio_format, tell=job.tell)
        except ReaderDied as died:
            return Failed("provider_failed", str(died))
        match made:
            case NotRead(reason):
                return Failed("provider_failed", reason)
            case Audio(data):
                return Succeeded((Picture(data, CONTENT_TYPES[audio_format]),), 1)


def _text(job: ProviderJob) -> str | Failed:
    given = next((one.data for one in job.inputs if one.role == "text"), (job.spec.prompt or "").encode())
    try:
        text = given.decode()
    except UnicodeDecodeError:
        return Failed("invalid_input", "the text is not UTF-8")
    if not any(character.isalnum() for character in text):
        return Failed("invalid_input", "there is nothing to read aloud")
    if len(text) > TEXT_CHARS_MAX:
        return Failed("invalid_input", f"the text has more than {TEXT_CHARS_MAX} characters")
    return text

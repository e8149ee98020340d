"""Text to speech on this machine: espeak-ng in a process a text. Equal texts give equal bytes."""

from dataclasses import replace

from atelier_contracts import SpeechOptions
from atelier_contracts.narration import LANGUAGES, TEXT_CHARS_MAX, VOICES
from atelier_render.providers.protocol import (
    Capabilities,
    Failed,
    Offer,
    Picture,
    ProviderJob,
    ProviderOutcome,
    Succeeded,
    Transient,
)
from atelier_render.providers.toolkit.narration_script import AUDIO_FORMATS, CONTENT_TYPES, Script, script_of
from atelier_render.speech.manner import Manner
from atelier_render.speech.process_pool import Audio, NotRead, ReaderDied, SpeechProcessPool

NOTE = (
    f"At most {TEXT_CHARS_MAX} characters, in {len(LANGUAGES)} languages, as MP3, WAV, Opus, AAC or FLAC; the style is"
    " the voice."
)

OFFER = Offer("narration", styles=VOICES, audio_formats=AUDIO_FORMATS, n_max=1, note=NOTE)


class Narration:
    """Reads the input of role text, or else the prompt."""

    name = "narration"
    capabilities = Capabilities(offers=(OFFER,), reads_inputs=True)

    def __init__(self, readers: SpeechProcessPool, *, last_resort: bool = False) -> None:
        self._readers = readers
        self.capabilities = replace(Narration.capabilities, last_resort=last_resort)

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        """One audio file."""
        script = script_of(job)
        return script if isinstance(script, Failed) else await self._read(job, script)

    async def recall(self, job: ProviderJob) -> ProviderOutcome:  # noqa: ARG002 - the protocol's
        """What our children had not handed over died with us."""
        return Transient("nothing was made")

    async def _read(self, job: ProviderJob, script: Script) -> ProviderOutcome:
        audio_format, options = job.spec.audio_format, job.spec.speech or SpeechOptions()
        manner = Manner(script.language, job.spec.style, options.speed, options.rate_hz)
        try:
            made = await self._readers.read(script.text, manner, audio_format=audio_format, tell=job.tell)
        except ReaderDied as error:
            return Failed("provider_failed", str(error))
        match made:
            case NotRead(reason):
                return Failed("provider_failed", reason)
            case Audio(data):
                return Succeeded((Picture(data, CONTENT_TYPES[audio_format]),), 1)

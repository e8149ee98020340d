"""How a text is spoken: language, voice, speed, samples a second. A value that crosses the process border."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

VARIANTS: Mapping[str, str] = {
    **dict(zip(("alloy", "coral", "nova", "shimmer", "sage"), ("f1", "f2", "f3", "f4", "f5"), strict=True)),
    **dict(zip(("ash", "ballad", "echo", "fable"), ("m1", "m2", "m3", "m4"), strict=True)),
    **dict(zip(("onyx", "verse", "marin", "cedar"), ("m5", "m6", "m7", "m8"), strict=True)),
}
"""espeak-ng's variants by the voice's name; every language has them."""
WORDS_PER_MINUTE, WORDS_PER_MINUTE_MIN = 175, 80
"""The library's usual speed, and its slowest."""


@dataclass(frozen=True, slots=True)
class Manner:
    """``voice`` is one of ``narration.VOICES``; without one, the language's own."""

    language: str
    voice: str | None = None
    speed: float = 1.0
    rate_hz: int | None = None
    """None: as the library speaks."""

    @property
    def library_voice(self) -> str:
        """How espeak-ng calls it."""
        return f"{self.language}+{VARIANTS[self.voice]}" if self.voice else self.language

    @property
    def words_per_minute(self) -> int:
        """What the library is told."""
        return max(round(WORDS_PER_MINUTE * self.speed), WORDS_PER_MINUTE_MIN)

    @property
    def stretch(self) -> float:
        """How many times longer the sound is made after the library has spoken as slowly as it can."""
        return max(1.0, WORDS_PER_MINUTE_MIN / (WORDS_PER_MINUTE * self.speed))

    def to_json(self) -> str:
        """For the child."""
        return json.dumps(asdict(self))

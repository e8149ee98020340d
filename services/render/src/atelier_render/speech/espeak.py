"""espeak-ng through ctypes: one voice of this process. The library keeps state between utterances, so that what is said
depends on all that was said before it: equal bytes need a fresh process.
"""

import ctypes

import espeakng_loader

_RETRIEVE_SYNCHRONOUSLY = 2
_DO_NOT_EXIT = 0x8000
_UTF8 = 1
_POSITION_IS_CHARACTER = 1
_RATE = 1

_Heard = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class VoiceBroken(Exception):
    """The library would not start, does not know the language, or could not say a text."""


class Voice:
    """Says texts as 16-bit mono samples, ``rate_hz`` of them a second."""

    def __init__(self, name: str, words_per_minute: int) -> None:
        """By the library's own name. Raises VoiceBroken."""
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.rate_hz = self._library.espeak_Initialize(_RETRIEVE_SYNCHRONOUSLY, 0, data, _DO_NOT_EXIT)
        if self.rate_hz <= 0:
            raise VoiceBroken("The speech library cannot read its voices.")
        self._samples = bytearray()
        self._heard = _Heard(self._hear)  # kept: the library calls it for as long as it lives
        self._library.espeak_SetSynthCallback(self._heard)
        if self._library.espeak_SetVoiceByName(name.encode()):
            raise VoiceBroken(f"The speech library has no voice for {name}.")
        self._library.espeak_SetParameter(_RATE, words_per_minute, 0)

    def say(self, text: str) -> bytes:
        """The samples of one text, little-endian. Raises VoiceBroken."""
        self._samples.clear()
        words = text.encode()
        failed = self._library.espeak_Synth(words, len(words) + 1, 0, _POSITION_IS_CHARACTER, 0, _UTF8, None, None)
        if failed:
            raise VoiceBroken(f"The speech library could not say a text of {len(text)} characters.")
        return bytes(self._samples)

    def _hear(self, samples: object, count: int, _: object) -> int:
        if samples and count > 0:
            self._samples += ctypes.string_at(samples, count * ctypes.sizeof(ctypes.c_short))  # type: ignore[arg-type]
        return 0

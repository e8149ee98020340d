"""Samples made longer at the same pitch, or spoken at another rate. Pure: 16-bit mono in, 16-bit mono out."""

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float64]
GRAIN_S = 0.04
"""Of a stretched sound: longer than the period of a deep voice, shorter than a syllable."""
SEARCH_S = 0.01
FULL_SCALE = 32_767


def stretch(samples: bytes, factor: float, rate_hz: int) -> bytes:
    """The same sound ``factor`` times as long: grains overlap where they fit each other best (WSOLA)."""
    sound = _read(samples)
    grain, search = int(GRAIN_S * rate_hz) // 2 * 2, int(SEARCH_S * rate_hz)
    if factor <= 1 or len(sound) <= grain + search:
        return samples
    hop, window = grain // 2, np.hanning(grain)
    made = np.zeros(int(len(sound) * factor) + 2 * grain)
    padded = np.concatenate([np.zeros(search), sound, np.zeros(2 * grain + search)])
    natural = search  # where the grain before would go on
    for at in range(0, int(len(sound) * factor), hop):
        wanted = search + int(at / factor)
        near = padded[wanted - search : wanted + search + grain]
        fits = np.correlate(near, padded[natural : natural + grain], "valid") if at else np.zeros(1)
        begin = wanted - search + int(fits.argmax()) if at else wanted
        made[at : at + grain] += padded[begin : begin + grain] * window
        natural = begin + hop
    return _write(made[: int(len(sound) * factor)])


def resample(samples: bytes, rate_hz: int, wanted_hz: int) -> bytes:
    """The same sound at another rate, without the frequencies that the lower of both cannot hold."""
    sound = _read(samples)
    length = len(sound) * wanted_hz // rate_hz
    if rate_hz == wanted_hz or not length:
        return samples
    spectrum = np.fft.rfft(sound)
    kept = np.zeros(length // 2 + 1, complex)
    both = min(len(kept), len(spectrum))
    kept[:both] = spectrum[:both]
    return _write(np.fft.irfft(kept, length) * length / len(sound))


def _read(samples: bytes) -> Samples:
    return np.frombuffer(samples, "<i2").astype(np.float64)


def _write(sound: Samples) -> bytes:
    return np.clip(np.rint(sound), -FULL_SCALE - 1, FULL_SCALE).astype("<i2").tobytes()

"""The bounds of what an owner may upload without using it; apart, so that settings need not know the object store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class UploadRules:
    """How much an owner may have that nothing is made of, and how long that lives."""

    unused_max: int
    unused_bytes_max: int
    unused_life_s: float

"""IPTC's digital source types, and which of them an output is."""

from typing import Literal

DigitalSourceType = Literal[
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia",
    "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia",
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic",
]
TRAINED: DigitalSourceType = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
TRAINED_COMPOSITE: DigitalSourceType = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
ALGORITHM: DigitalSourceType = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
COMPOSITE: DigitalSourceType = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeSynthetic"

UNTRAINED_PROVIDERS = frozenset({"local", "narration", "simulator"})
"""Those whose outputs no model trained on samples has made."""


def source_type_of(provider: str, *, has_pictures: bool) -> DigitalSourceType:
    """How an output of this provider came to be; ``has_pictures``: it was made from pictures that were given."""
    if provider in UNTRAINED_PROVIDERS:
        return COMPOSITE if has_pictures else ALGORITHM
    return TRAINED_COMPOSITE if has_pictures else TRAINED

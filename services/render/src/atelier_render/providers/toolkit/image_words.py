"""Words that stand for what a model has no parameter for: styles, variations, masks."""

from collections.abc import Mapping

from atelier_contracts import RenderSpec

STYLE_WORDS: Mapping[str, str] = {
    "natural": "Style: natural and realistic, nothing exaggerated.",
    "vivid": "Style: vivid, dramatic, rich in colour.",
    "artistic": "Style: artistic, as if made by hand.",
    "photographic": "Style: a photograph.",
}
VARIATION_WORDS = "Make a variation of this picture: the same subject and style, composed differently."
MASK_WORDS = "The last picture is a mask: change the first one only where the mask is transparent."


def prompt_of(spec: RenderSpec) -> str:
    """The words that are sent; the mask, where there is one, has to be sent last."""
    words = spec.prompt or VARIATION_WORDS
    styled = f"{words}\n\n{STYLE_WORDS[spec.style]}" if spec.style else words
    return f"{styled}\n\n{MASK_WORDS}" if any(given.role == "mask" for given in spec.inputs) else styled

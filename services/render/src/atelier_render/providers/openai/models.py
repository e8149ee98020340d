"""OpenAI's models: what is offered of them, and how a request is put to each.

The names of withdrawn models live on in clients, so from the day a model is gone (contracts, model_lifecycles) a
request for it is made by its successor; servers that speak OpenAI's format may still have the old ones, and are sent
the old names on request (``ATELIER_OPENAI_RETIRED_MODELS=send``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from atelier_contracts import RenderSpec
from atelier_contracts.image_models import (
    ANY_SIZE_MODELS,
    DALL_E_MODELS,
    FINEST_MODELS,
    GPT_IMAGE_MODELS,
    RECOMMENDED_MODELS,
)
from atelier_contracts.model_lifecycles import is_gone, successor_of
from atelier_contracts.narration import DIRECTED_SPEECH_MODELS, TEXT_CHARS_MAX, VOICES
from atelier_imaging.pictures import CONTENT_TYPES
from atelier_render.providers.protocol import Capabilities, Mode, Offer
from atelier_render.providers.toolkit.image_words import VARIATION_WORDS
from atelier_render.providers.toolkit.narration_script import AUDIO_FORMATS

RetiredModels = Literal["replace", "send"]

DEFAULT_MODEL = RECOMMENDED_MODELS["openai"]
SPEECH_MODELS = ("gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "tts-1", "tts-1-hd")
"""Offered until the day they are gone; OpenAI names no successor for them."""
CLASSIC_VOICES = VOICES[:2] + VOICES[3:10]
"""Those that every speech model has."""

FIDELITY_MODELS = frozenset({"gpt-image-1", "gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"})
"""Those that have the parameter ``input_fidelity``; later ones always keep to their pictures."""
ALL_MODES: tuple[Mode, ...] = ("words", "edit", "variation")
SQUARE = "1024x1024"
GPT_SIZES = (SQUARE, "1536x1024", "1024x1536")
DALL_E_SIZES: Mapping[str, tuple[str, ...]] = {
    "dall-e-2": (SQUARE, "512x512", "256x256"),
    "dall-e-3": (SQUARE, "1792x1024", "1024x1792"),
}
GPT_QUALITIES: Mapping[str, str] = {
    "standard": "medium",
    "hd": "high",
    "low": "low",
    "medium": "medium",
    "high": "high",
}
FINEST_QUALITIES: Mapping[str, str] = {**GPT_QUALITIES, "xhigh": "xhigh", "max": "max"}
REFERENCES_MAX = 16
STYLES: Mapping[str, str] = {"natural": "natural", "vivid": "vivid", "artistic": "vivid", "photographic": "natural"}
"""Seed 003, style mapping."""
STYLE_WORDS: Mapping[str, str] = {
    "natural": "Style: natural and realistic, nothing exaggerated.",
    "vivid": "Style: vivid, dramatic, rich in colour.",
}
"""For the models that take a style as words only."""
FORMATS = tuple(CONTENT_TYPES)
FORMATS_MADE = ("png", "jpeg", "webp")
"""By OpenAI itself."""
CALL_N_MAX: Mapping[str, int] = {"dall-e-3": 1}
"""Pictures one call can make, where that is fewer than may be requested."""


def capabilities(retired: RetiredModels, today: date) -> Capabilities:
    """What is offered on a day."""
    return Capabilities(offers(retired, today), reads_inputs=True, remote=True, recalls=False)


def offers(retired: RetiredModels, today: date) -> tuple[Offer, ...]:
    """The offers; the first model of the first row is the default."""
    gpt = tuple(sorted(FINEST_MODELS, key=lambda name: name != DEFAULT_MODEL))
    pictures = Offer(
        "image",
        modes=ALL_MODES,
        models=gpt,
        any_size=True,
        sizes=GPT_SIZES,
        styles=tuple(STYLES),
        qualities=tuple(FINEST_QUALITIES),
        formats=FORMATS,
        transparent=True,
        images_max=REFERENCES_MAX,
        note="Other sizes too, up to 3840x2160; a style becomes words of the prompt; seeds are passed over.",
    )
    plainer_pictures = replace(
        pictures,
        models=tuple(name for name in ANY_SIZE_MODELS if name not in FINEST_MODELS),
        qualities=tuple(GPT_QUALITIES),
        note="As before, without the two finest qualities.",
    )
    older_pictures = replace(
        plainer_pictures,
        models=tuple(name for name in GPT_IMAGE_MODELS if name not in ANY_SIZE_MODELS),
        any_size=False,
        note="As before, in the three sizes.",
    )
    there = [name for name in SPEECH_MODELS if retired == "send" or not is_gone(name, today=today)]
    directed = tuple(name for name in there if name in DIRECTED_SPEECH_MODELS)
    older = tuple(name for name in there if name not in DIRECTED_SPEECH_MODELS)
    speech = [_speech(names, voices) for names, voices in ((directed, VOICES), (older, CLASSIC_VOICES)) if names]
    return (
        pictures,
        plainer_pictures,
        older_pictures,
        *(_dall_e(name, retired, today) for name in DALL_E_MODELS),
        *speech,
    )


def _speech(names: tuple[str, ...], voices: tuple[str, ...]) -> Offer:
    note = f"At most {TEXT_CHARS_MAX} characters, as MP3, WAV, Opus, AAC or FLAC; the style is the voice."
    return Offer("narration", models=names, styles=voices, audio_formats=AUDIO_FORMATS, n_max=1, note=note)


def _dall_e(name: str, retired: RetiredModels, today: date) -> Offer:
    maker = model_sent(name, retired, today)
    sent = maker == name
    note = "As it was." if sent else f"Retired by OpenAI: {maker} makes it."
    return Offer(
        "image",
        modes=("words",) if sent and name == "dall-e-3" else ALL_MODES,
        models=(name,),
        sizes=DALL_E_SIZES[name],
        styles=tuple(STYLES),
        qualities=("standard",) if sent and name == "dall-e-2" else ("standard", "hd"),
        formats=FORMATS,
        transparent=not sent,
        note=note,
    )


@dataclass(frozen=True, slots=True)
class Call:
    """The parameters of one call; None is not sent."""

    model: str
    prompt: str
    n: int
    size: str
    quality: str | None = None
    style: str | None = None
    output_format: str | None = None
    response_format: str | None = None


def size_of(spec: RenderSpec) -> str:
    """What is delivered."""
    return spec.size or SQUARE


def format_of(spec: RenderSpec) -> str:
    """As OpenAI makes it: nothing is lost by a PNG that is encoded again."""
    return spec.format if spec.format in FORMATS_MADE else "png"


def calls(spec: RenderSpec, model: str) -> tuple[Call, ...]:
    """The calls that make a request by this model, each for as many pictures as the model makes at once."""
    per_call = CALL_N_MAX.get(model, spec.n)
    counts = [min(per_call, spec.n - made) for made in range(0, spec.n, per_call)]
    return tuple(_call(spec, model, count) for count in counts)


def model_sent(name: str | None, retired: RetiredModels, today: date) -> str:
    """The name that is sent for one that a request may hold: its successor's once the model is gone."""
    model = name or DEFAULT_MODEL
    return (successor_of(model, today=today) if retired == "replace" else None) or model


def is_streamed(spec: RenderSpec, call: Call) -> bool:
    """Whether the answer comes as a stream: for a client that waits for previews, where the model has them."""
    return spec.previews > 0 and call.n == 1 and call.model not in DALL_E_MODELS


def compresses(spec: RenderSpec, model: str) -> bool:
    """Whether the model itself encodes with the wanted quality."""
    return spec.compression is not None and format_of(spec) == spec.format != "png" and model not in DALL_E_MODELS


def options(spec: RenderSpec, model: str, mode: Mode | None) -> dict[str, Any]:
    """The parameters of OpenAI's own that the client gave, as far as the model has them in this mode."""
    given = spec.openai.model_dump(exclude_none=True) if spec.openai else {}
    taken = {"user"}
    if compresses(spec, model):
        given["output_compression"] = spec.compression
        taken |= {"output_compression"}
    if model not in DALL_E_MODELS:
        taken |= {"safety_identifier", "background"}
        taken |= {"moderation"} if mode == "words" else set()
        taken |= {"input_fidelity"} if mode != "words" and model in FIDELITY_MODELS else set()
    return {name: value for name, value in given.items() if name in taken}


def _call(spec: RenderSpec, model: str, n: int) -> Call:
    prompt, style = spec.prompt or VARIATION_WORDS, STYLES.get(spec.style or "")
    if model == "dall-e-3":
        return Call(model, prompt, n, size_of(spec), spec.quality, style, response_format="b64_json")
    if style is not None:
        prompt = f"{prompt}\n\n{STYLE_WORDS[style]}"
    if model == "dall-e-2":
        return Call(model, prompt, n, size_of(spec), response_format="b64_json")
    # A square smaller than the models make is cut down from the smallest that they do.
    size = SQUARE if size_of(spec) in DALL_E_SIZES["dall-e-2"] else size_of(spec)
    return Call(model, prompt, n, size, FINEST_QUALITIES.get(spec.quality or "standard"), output_format=format_of(spec))

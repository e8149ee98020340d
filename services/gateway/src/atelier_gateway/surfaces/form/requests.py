"""The body of the form, and the tables of seed 002 that map it to a render. Pure."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from atelier_contracts import RenderSpec, Tuning, Work
from atelier_contracts.value_objects import Role
from atelier_gateway.media.input_references import RequestedInput
from atelier_gateway.web.json_bodies import MultilineText, RequestBody
from atelier_gateway.web.text import not_blank

Style = Literal["realistic", "artistic", "minimal"]
Quality = Literal["standard", "high", "ultra"]
AspectRatio = Literal["1:1", "16:9", "9:16", "3:2", "2:3"]
Model = Literal["gpt-4.1-dalle-3"]
ImageUrl = Annotated[str, Field(min_length=1, max_length=4_096)]

SEED_MAX = 2**31 - 1
NO_PRODUCT = "At least one product image is required"
MODEL: Model = "gpt-4.1-dalle-3"
SIZES: Mapping[AspectRatio, str] = {
    "1:1": "1024x1024",
    "16:9": "1536x864",
    "9:16": "864x1536",
    "3:2": "1536x1024",
    "2:3": "1024x1536",
}
STYLE_WORDS: Mapping[Style, str] = {
    "realistic": "photorealistic, high quality, professional photography",
    "artistic": "artistic interpretation, creative styling, aesthetic composition",
    "minimal": "clean, minimalist, simple background, professional product shot",
}
QUALITY_WORDS: Mapping[Quality, str] = {
    "standard": "",
    "high": ", high resolution, detailed",
    "ultra": ", ultra high resolution, extremely detailed, professional studio lighting",
}
ESTIMATED_TIMES: Mapping[Quality, str] = {
    "standard": "30-60 seconds",
    "high": "1-2 minutes",
    "ultra": "2-3 minutes",
}
EXAMPLE: dict[str, Any] = {
    "productImages": ["https://res.cloudinary.com/demo/image/upload/coat.jpg"],
    "style": "realistic",
    "aspectRatio": "1:1",
    "quality": "standard",
    "model": MODEL,
}


def _at_least_one(urls: list[str]) -> list[str]:
    if not urls:
        raise PydanticCustomError("no_product", NO_PRODUCT)
    return urls


def _empty_or_shown(text: str) -> str:
    """A form sends an empty field where nothing was typed; blanks alone were typed by mistake."""
    return text and not_blank(text)


class FormParameters(RequestBody):
    """How the model is tuned."""

    guidance_scale: float = Field(default=7.5, ge=1, le=20, allow_inf_nan=False)
    num_inference_steps: int = Field(default=50, ge=20, le=100)
    strength: float = Field(default=0.8, ge=0.1, le=1, allow_inf_nan=False)
    seed: int | None = Field(default=None, ge=0, le=SEED_MAX)


class GenerationForm(RequestBody):
    """``POST /api/generate`` (002.1). The older form says ``productImage`` and ``modelImage``, one of each."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    # Not Field(min_length): the sentence of an empty list is shown to a person (002.3).
    productImages: Annotated[
        list[ImageUrl], Field(max_length=5, json_schema_extra={"minItems": 1}), AfterValidator(_at_least_one)
    ]
    modelImages: list[ImageUrl] = Field(default_factory=list, max_length=3)
    style: Style
    aspectRatio: AspectRatio
    quality: Quality
    model: Model
    customPrompt: Annotated[MultilineText, AfterValidator(_empty_or_shown), Field(max_length=500)] | None = None
    parameters: FormParameters = FormParameters()

    @model_validator(mode="before")
    @classmethod
    def _of_the_older_form(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        body = dict(body)
        for old, new in (("productImage", "productImages"), ("modelImage", "modelImages")):
            one = body.pop(old, None)
            if one and not body.get(new):
                body[new] = [one]
        return {"productImages": []} | body

    @property
    def images(self) -> list[RequestedInput]:
        """The input images as the client wrote them, with their fields; products first."""
        named: list[tuple[str, Role, list[str]]] = [
            ("productImages", "product", self.productImages),
            ("modelImages", "model", self.modelImages),
        ]
        return [
            RequestedInput(f"{field}.{i}", role, text) for field, role, texts in named for i, text in enumerate(texts)
        ]


def prompt_of(form: GenerationForm) -> str:
    """The prompt, composed exactly as ``generatePrompt`` of seed 002 does."""
    custom = f", {form.customPrompt}" if form.customPrompt else ""
    return f"Fashion model wearing the clothing item, {STYLE_WORDS[form.style]}{custom}{QUALITY_WORDS[form.quality]}"


def work_of(form: GenerationForm) -> Work:
    """What the price depends on: ceil(1 x 1 | 1.5 | 2), in the price book."""
    return Work(kind="product_shot", quality=form.quality)


def spec_of(form: GenerationForm) -> RenderSpec:
    """The render specification without its inputs."""
    tuned = form.parameters
    return RenderSpec(
        kind="product_shot",
        prompt=prompt_of(form),
        size=SIZES[form.aspectRatio],
        style=form.style,
        quality=form.quality,
        seed=tuned.seed or 0,
        tuning=Tuning(
            guidance_scale=tuned.guidance_scale,
            num_inference_steps=tuned.num_inference_steps,
            strength=tuned.strength,
        ),
    )

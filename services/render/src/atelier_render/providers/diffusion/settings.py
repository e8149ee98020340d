"""Settings of the self-hosted model; without ``ATELIER_DIFFUSERS_MODEL`` there is none."""

import re
from importlib.util import find_spec
from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from atelier_contracts.value_objects import N_MAX
from atelier_imaging.pictures import CONTENT_TYPES, POSE_PACKAGE
from atelier_render.providers.protocol import Mode, Offer

SIDE_MULTIPLE = 8
"""What every latent diffusion model wants of a side, in pixels."""
SIDE_PX_MIN, SIDE_PX_MAX = 64, 4096
NEEDED = ("accelerate", "diffusers", "torch", "transformers")
HOW = "in the checkout: .run/tools/bin/uv sync --frozen --all-packages --extra diffusers"
STYLES = {
    "natural": "natural light, true colours",
    "vivid": "vivid colours, dramatic light",
    "artistic": "expressive painting",
    "photographic": "photograph, sharp focus",
}
"""What a style adds to the prompt; a model has no parameter for it."""

TRY_ON_PROMPT = (
    "Two photographs side by side: on the left a garment alone, on the right a person who wears exactly this garment."
)
TRY_ON_STRENGTH = 1.0
"""What was worn before must not show through."""

_SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")


class DiffusersSettings(BaseSettings):
    """Read from the environment, prefix ``ATELIER_DIFFUSERS_``."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_DIFFUSERS_", extra="ignore", frozen=True)

    model: Annotated[str | None, BeforeValidator(lambda given: given or None)] = None
    """Folder with weights, or an id of the Hugging Face hub. Only safetensors are loaded: pickles run code."""
    name: str = ""
    """Model name that clients send; by default the last part of ``model``."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    """Device the model runs on."""
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    """Number type; ``auto`` is float16 on a GPU and float32 on a processor."""
    modes: tuple[Mode, ...] = ("words", "edit", "variation")
    """What the model is offered for; not every model can start from a picture. Empty: for try-ons alone."""
    try_on: bool = False
    """Whether try-ons are offered: only for an inpainting model trained on pairs side by side."""
    try_on_prompt: str = Field(default=TRY_ON_PROMPT, max_length=1_000)
    """What the two halves of a try-on show, in the words that the model was trained with."""
    sizes: tuple[str, ...] = Field(default=("512x512", "768x512", "512x768"), min_length=1)
    """Sizes in pixels, multiples of 8; the first is the default."""
    side_max_px: int = Field(default=1024, ge=SIDE_PX_MIN, le=SIDE_PX_MAX)
    """Longest side of any size; limited by the memory of the device."""
    steps: int = Field(default=30, ge=1, le=200)
    """Inference steps, unless a request says otherwise."""
    guidance_scale: float = Field(default=7.5, ge=0, le=30)
    """Guidance scale, unless a request says otherwise."""
    strength: float = Field(default=0.8, gt=0, le=1)
    """Strength of a change to a picture, unless a request says otherwise."""
    negative_prompt: str = Field(default="", max_length=4_000)
    """What pictures must not show, for models that support it."""
    batch_max: int = Field(default=4, ge=1, le=64)
    """Pictures made together."""
    batch_window_ms: int = Field(default=50, ge=0, le=5_000)
    """Milliseconds that the first picture of a batch waits for similar ones."""
    load_s_max: float = Field(default=600.0, gt=0)
    """Seconds to load the model, including a download."""

    @field_validator("sizes")
    @classmethod
    def _can_be_made(cls, sizes: tuple[str, ...]) -> tuple[str, ...]:
        for size in sizes:
            found = _SIZE.fullmatch(size)
            if found is None or any(int(side) % SIDE_MULTIPLE or int(side) < SIDE_PX_MIN for side in found.groups()):
                raise ValueError(f"{size} is not of the form 512x768, with multiples of 8 from {SIDE_PX_MIN} on")
        return sizes

    @model_validator(mode="after")
    def _fits_here(self) -> Self:
        for size in self.sizes:
            if max(sides_of(size)) > self.side_max_px:
                raise ValueError(f"{size} has a side over ATELIER_DIFFUSERS_SIDE_MAX_PX={self.side_max_px}")
        if self.model and missing():
            raise ValueError(f"ATELIER_DIFFUSERS_MODEL needs {', '.join(missing())}, not installed here: {HOW}")
        if not (self.modes or self.try_on):
            raise ValueError("ATELIER_DIFFUSERS_MODES is empty and ATELIER_DIFFUSERS_TRY_ON off: nothing is offered")
        if self.try_on:
            self._can_dress()
        return self

    def _can_dress(self) -> None:
        if not self.try_on_sizes:
            raise ValueError(
                f"for ATELIER_DIFFUSERS_TRY_ON no size fits twice side by side into {self.side_max_px} pixels "
                "(ATELIER_DIFFUSERS_SIDE_MAX_PX)"
            )
        if self.model and find_spec(POSE_PACKAGE) is None:
            raise ValueError(
                f"ATELIER_DIFFUSERS_TRY_ON needs the pose model of {POSE_PACKAGE}, not installed here: it comes with "
                "`make setup` on Python 3.11 and 3.12, on x86-64 and macOS"
            )

    @property
    def model_name(self) -> str:
        """How clients ask for it."""
        return self.name or PurePath(self.model or "none").name

    @property
    def try_on_sizes(self) -> tuple[str, ...]:
        """Sizes of which two fit side by side."""
        return tuple(size for size in self.sizes if 2 * sides_of(size)[0] <= self.side_max_px)

    @property
    def offers(self) -> tuple[Offer, ...]:
        """The offers of this model."""
        image = Offer(
            "image",
            modes=self.modes,
            models=(self.model_name,),
            sizes=self.sizes,
            styles=tuple(STYLES),
            formats=tuple(CONTENT_TYPES),
            n_max=N_MAX,
            note="A self-hosted diffusion model, on this installation's own device.",
        )
        try_on = Offer(
            "try_on",
            models=(self.model_name,),
            formats=tuple(CONTENT_TYPES),
            n_max=N_MAX,
            note="The person's photograph decides the size, a long side of at most 1536; outside of the garments it "
            "keeps every pixel.",
        )
        return (*((image,) if self.modes else ()), *((try_on,) if self.try_on else ()))


def missing() -> list[str]:
    """What of the extra is not installed here."""
    return [name for name in NEEDED if find_spec(name) is None]


def sides_of(size: str) -> tuple[int, int]:
    """Width and height in pixels of a size such as ``512x768``."""
    width, _, height = size.partition("x")
    return int(width), int(height)

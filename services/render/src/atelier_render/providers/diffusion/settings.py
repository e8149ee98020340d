"""Settings of the self-hosted model; without ``ATELIER_DIFFUSERS_MODEL`` there is none."""

import re
from importlib.util import find_spec
from pathlib import PurePath
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from atelier_contracts.value_objects import N_MAX
from atelier_imaging.pictures import CONTENT_TYPES
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
    modes: tuple[Mode, ...] = Field(default=("words", "edit", "variation"), min_length=1)
    """What the model is offered for; not every model can start from a picture."""
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
        return self

    @property
    def model_name(self) -> str:
        """How clients ask for it."""
        return self.name or PurePath(self.model or "none").name

    @property
    def offer(self) -> Offer:
        """The offer of this model."""
        return Offer(
            "image",
            modes=self.modes,
            models=(self.model_name,),
            sizes=self.sizes,
            styles=tuple(STYLES),
            formats=tuple(CONTENT_TYPES),
            n_max=N_MAX,
            note="A self-hosted diffusion model, on this installation's own device.",
        )


def missing() -> list[str]:
    """What of the extra is not installed here."""
    return [name for name in NEEDED if find_spec(name) is None]


def sides_of(size: str) -> tuple[int, int]:
    """Width and height in pixels of a size such as ``512x768``."""
    width, _, height = size.partition("x")
    return int(width), int(height)

"""The model itself, by the library diffusers: one set of weights behind a pipeline for each way of asking. Imported by
the process with the model alone, for the libraries are large.
"""

import gc
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import (
    AutoPipelineForImage2Image,
    AutoPipelineForInpainting,
    AutoPipelineForText2Image,
    DiffusionPipeline,
)
from PIL import Image, ImageOps

from atelier_imaging.decoder import normalise
from atelier_imaging.encoder import encode
from atelier_imaging.pictures import ImageRefused
from atelier_render.providers.diffusion.side_by_side import Wardrobe, open_wardrobe, pair, put_on
from atelier_render.providers.diffusion.wire import Drawn, Item, Recipe, Rejected

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
MAKERS = {
    "words": AutoPipelineForText2Image,
    "image": AutoPipelineForImage2Image,
    "masked": AutoPipelineForInpainting,
}
KINDS = {"edit": "image", "variation": "image", "try_on": "masked"}
"""The pipeline of each mode, where it is not called like the mode."""
FLAGGED = "the model's own filter withheld the picture"
Step = Callable[[float], bool]
"""Takes the fraction done, from 0 to 1; returns whether to go on."""


class Interrupted(Exception):
    """The batch was stopped."""


class NoRoom(Exception):
    """The device's memory does not hold this batch."""


class Pipelines:
    """Loaded once and kept warm."""

    def __init__(self, loaded: Any, *, kind: str, device: str, dtype: str) -> None:
        loaded.set_progress_bar_config(disable=True)
        self.device, self.dtype = device, dtype
        self._loaded = loaded
        self._pipes: dict[str, Any] = {kind: loaded}

    @classmethod
    def load(cls, *, model: str, device: str, dtype: str) -> "Pipelines":
        """From a folder or the hub."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        if dtype == "auto":
            dtype = "float16" if device == "cuda" else "float32"
        # What was made for inpainting is taken as it is: no other pipeline around its weights paints as it was trained.
        kind, maker = ("masked", DiffusionPipeline) if _is_for_inpainting(model) else ("words", MAKERS["words"])
        loaded = maker.from_pretrained(model, dtype=DTYPES[dtype], use_safetensors=True)
        return cls(loaded.to(device), kind=kind, device=device, dtype=dtype)

    def make(self, recipe: Recipe, items: Sequence[Item], step: Step) -> list[Drawn | Rejected]:
        """One picture for each item. Raises Interrupted and NoRoom."""
        make = self._dress if recipe.mode == "try_on" else self._paint
        return [
            picture if isinstance(picture, Rejected) else _encode(picture, item)
            for picture, item in zip(make(recipe, items, step), items, strict=True)
        ]

    def _paint(self, recipe: Recipe, items: Sequence[Item], step: Step) -> list[Image.Image | Rejected]:
        results: dict[int, Image.Image | Rejected] = {}
        given: dict[int, dict[str, Any]] = {}
        for place, item in enumerate(items):
            prepared = _prepare(recipe, item)
            if isinstance(prepared, Rejected):
                results[place] = prepared
            else:
                given[place] = prepared
        if given:
            drawn = self._draw(recipe, [items[place] for place in given], list(given.values()), step)
            results |= dict(zip(given, drawn, strict=True))
        return [results[place] for place in range(len(items))]

    def _dress(self, recipe: Recipe, items: Sequence[Item], step: Step) -> list[Image.Image | Rejected]:
        """Each garment in turn, on all persons at once; who is refused is not dressed further."""
        opened: dict[tuple[bytes | None, tuple[bytes, ...]], Wardrobe | Rejected] = {}
        for item in items:
            photos = item.picture, item.garments
            opened[photos] = opened.get(photos) or open_wardrobe(recipe, item)
        wardrobes = [opened[item.picture, item.garments] for item in items]
        worn = [wardrobe if isinstance(wardrobe, Rejected) else wardrobe.person for wardrobe in wardrobes]
        for turn in range(recipe.garments):
            fittings = {
                place: wardrobe.fittings[turn]
                for place, wardrobe in enumerate(wardrobes)
                if isinstance(wardrobe, Wardrobe) and not isinstance(worn[place], Rejected)
            }
            if not fittings:
                break
            pairs = [pair(recipe, np.asarray(worn[place]), fitting) for place, fitting in fittings.items()]
            drawn = self._draw(
                replace(recipe, width=2 * recipe.width),
                [items[place] for place in fittings],
                pairs,
                _part(step, turn, recipe.garments),
            )
            for (place, fitting), canvas in zip(fittings.items(), drawn, strict=True):
                person = np.asarray(worn[place])
                worn[place] = canvas if isinstance(canvas, Rejected) else put_on(person, fitting, canvas)
        return [picture if isinstance(picture, Rejected) else Image.fromarray(picture) for picture in worn]

    def _draw(
        self, recipe: Recipe, items: Sequence[Item], given: Sequence[dict[str, Any]], step: Step
    ) -> list[Image.Image | Rejected]:
        pipe = self._pipe(recipe)
        asked: dict[str, Any] = {
            "prompt": [item.prompt for item in items],
            "negative_prompt": [item.negative_prompt for item in items],
            "width": recipe.width,
            "height": recipe.height,
            "num_inference_steps": recipe.steps,
            "guidance_scale": recipe.guidance_scale,
            "strength": recipe.strength,
            # On the processor, whatever the device: the same seed is the same noise everywhere.
            "generator": [torch.Generator("cpu").manual_seed(item.seed) for item in items],
            "callback_on_step_end": _step_callback(step),
        }
        for role in given[0]:
            asked[role] = [arguments[role] for arguments in given]
        taken = inspect.signature(pipe.__call__).parameters
        made = self._run(pipe, {name: value for name, value in asked.items() if name in taken})
        flagged = getattr(made, "nsfw_content_detected", None) or [False] * len(items)
        return [
            Rejected("refused", FLAGGED) if withheld else picture
            for picture, withheld in zip(made.images, flagged, strict=True)
        ]

    def _run(self, pipe: Any, asked: dict[str, Any]) -> Any:
        try:
            with torch.inference_mode():
                return pipe(**asked)
        except (torch.OutOfMemoryError, MemoryError) as error:
            no_room: Exception = error
        except RuntimeError as error:
            if "can't allocate memory" not in str(error):  # as the processor's allocator says it
                raise
            no_room = error
        # Outside of the handlers: their traceback would keep the tensors alive.
        no_room.__traceback__ = None
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
        raise NoRoom from no_room

    def _pipe(self, recipe: Recipe) -> Any:
        """For this way of asking, around the same weights."""
        kind = KINDS.get(recipe.mode, recipe.mode)
        if kind not in self._pipes:
            self._pipes[kind] = MAKERS[kind].from_pipe(self._loaded)
            self._pipes[kind].set_progress_bar_config(disable=True)
        return self._pipes[kind]


def _is_for_inpainting(model: str) -> bool:
    """Whether the pipeline that the weights name takes a mask."""
    named = getattr(diffusers, str(DiffusionPipeline.load_config(model)["_class_name"]), None)
    return named is not None and "mask_image" in inspect.signature(named.__call__).parameters


def _part(step: Step, turn: int, turns: int) -> Step:
    """What takes the progress of one turn of several."""
    return lambda fraction: step((turn + fraction) / turns)


def _step_callback(step: Step) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
    def after(pipe: Any, done: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if not step((done + 1) / max(1, pipe.num_timesteps)):
            raise Interrupted
        return tensors

    return after


def _prepare(recipe: Recipe, item: Item) -> dict[str, Any] | Rejected:
    """The picture and the mask as the pipeline takes them, in the size that is made."""
    if item.picture is None:
        return {}
    size, long_side = (recipe.width, recipe.height), 2 * max(recipe.width, recipe.height)
    photo = normalise(item.picture, side_max_px=long_side)
    if isinstance(photo, ImageRefused):
        return Rejected("invalid_input", photo.message)
    picture = Image.fromarray(photo.rgb)
    fitted = {"image": ImageOps.fit(picture, size, Image.Resampling.LANCZOS)}
    if item.mask is None:
        return fitted
    mask = normalise(item.mask, side_max_px=long_side)
    if isinstance(mask, ImageRefused):
        return Rejected("invalid_input", f"mask: {mask.message}")
    # What is transparent is made anew; of a mask without transparency, what is white.
    if mask.alpha is not None and (mask.alpha < 255).any():
        plane = Image.fromarray(255 - mask.alpha)
    else:
        plane = Image.fromarray(mask.rgb).convert("L")
    region = ImageOps.fit(plane.resize(picture.size, Image.Resampling.NEAREST), size, Image.Resampling.NEAREST)
    return fitted | {"mask_image": region.point(lambda value: 255 if value > 127 else 0)}


def _encode(picture: Image.Image, item: Item) -> Drawn:
    made = encode(np.asarray(picture.convert("RGB")), item.image_format, long_side_max=max(picture.size))
    return Drawn(made.data, made.content_type, made.width, made.height)

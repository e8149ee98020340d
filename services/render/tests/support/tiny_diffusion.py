"""A diffusion model of half a megabyte with random weights: it paints noise, through the calls of a large one."""

import json
from pathlib import Path
from typing import Any

from atelier_render.providers.protocol import Mode

SIZES = ("64x64", "96x64", "64x128")
MODES: tuple[Mode, ...] = ("words", "edit", "variation")


def save(folder: Path, *, inpainting: bool = False) -> Path:
    """Makes one and stores it as a model's folder; the same weights each time. One for ``inpainting`` sees the mask,
    and names the pipeline that shows it."""
    import torch
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionInpaintPipeline,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=32,
        in_channels=9 if inpainting else 4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
    )
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 8, 8],
        norm_num_groups=4,
        in_channels=3,
        out_channels=3,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=4,
        sample_size=64,
    )
    pipeline = (StableDiffusionInpaintPipeline if inpainting else StableDiffusionPipeline)(
        unet=unet,
        vae=vae,
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        text_encoder=_text_encoder(),
        tokenizer=_tokenizer(folder / "words"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder / "tiny")
    return folder / "tiny"


def _text_encoder() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        hidden_size=16,
        intermediate_size=32,
        num_attention_heads=4,
        num_hidden_layers=2,
        vocab_size=600,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return CLIPTextModel(config).eval()


def _tokenizer(folder: Path) -> Any:
    """One that spells: each letter is a word of its own."""
    from transformers import CLIPTokenizer

    folder.mkdir()
    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)

"""Tiny diffusion pipelines with random weights, built on the spot in the standard format.

They are loaded by exactly the code that loads real ones; only what they paint is noise. Nothing is downloaded.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = ("a", "red", "fox", "in", "the", "snow", "blue", "house", "by", "sea")


@dataclass(frozen=True, slots=True)
class TinyPipelines:
    """Folders of tiny pipelines below one root.

    Attributes:
        root: Where all of them are.
    """

    root: Path

    @property
    def sdxl(self) -> Path:
        """Of the shape of Stable Diffusion XL."""
        return self.root / "sdxl"

    @property
    def refiner(self) -> Path:
        """Its refiner."""
        return self.root / "refiner"

    @property
    def turbo(self) -> Path:
        """The same as SDXL Turbo: with its scheduler."""
        return self.root / "turbo"

    @property
    def sd(self) -> Path:
        """Of the shape of Stable Diffusion 1, with PNDM."""
        return self.root / "sd"

    @property
    def lcm(self) -> Path:
        """A latent consistency model, with guidance as an input."""
        return self.root / "lcm"

    @property
    def pixart(self) -> Path:
        """Of the shape of PixArt Sigma: a transformer and T5, latents that are little pictures."""
        return self.root / "pixart"

    @property
    def flux(self) -> Path:
        """Of the shape of Flux: a transformer, CLIP and T5, latents folded into sequences."""
        return self.root / "flux"

    @property
    def decoder(self) -> Path:
        """A tiny decoder for previews."""
        return self.root / "decoder"


def tiny_pipelines(root: Path) -> TinyPipelines:
    """Build all of them, in a process of its own: the libraries take seconds to import, and warn of much."""
    subprocess.run([sys.executable, "-W", "ignore", "-m", __name__, str(root)], check=True, capture_output=True)
    return TinyPipelines(root)


def build_all(root: Path) -> None:
    """Build all of them."""
    from diffusers import EulerAncestralDiscreteScheduler, LCMScheduler  # noqa: PLC0415 - only who builds a model

    from tests.tiny_transformers import build_tiny_flux, build_tiny_pixart  # noqa: PLC0415 - it takes parts from here

    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    tiny = TinyPipelines(root)
    build_tiny_sdxl(tiny.sdxl)
    build_tiny_refiner(tiny.refiner, tiny.sdxl)
    build_tiny_sdxl(tiny.turbo, scheduler=EulerAncestralDiscreteScheduler(**schedule, timestep_spacing="trailing"))
    build_tiny_sd(tiny.sd)
    build_tiny_sd(tiny.lcm, scheduler=LCMScheduler(**schedule), time_cond_proj_dim=32)
    _rename_class(tiny.lcm, "LatentConsistencyModelPipeline")
    build_tiny_decoder(tiny.decoder)
    build_tiny_pixart(tiny.pixart)
    build_tiny_flux(tiny.flux)


def build_tiny_sdxl(folder: Path, *, scheduler: Any = None, seed: int = 0, **unet: Any) -> Path:
    """Write a pipeline of the shape of Stable Diffusion XL: 64 × 64 pixels, latents of 4 × 32 × 32.

    Args:
        folder: Where to; made where it is missing.
        scheduler: Its own; None is that of SDXL.
        seed: Of the weights.
        unet: More of the denoising network's configuration.

    Returns:
        The folder.
    """
    import torch  # noqa: PLC0415 - only who builds a model needs it
    from diffusers import StableDiffusionXLPipeline  # noqa: PLC0415

    torch.manual_seed(seed)
    pipeline = StableDiffusionXLPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(),
        text_encoder_2=text_encoder(projects=True),
        tokenizer=clip_tokenizer(folder),
        tokenizer_2=clip_tokenizer(folder),
        unet=_sdxl_unet(cross_attention_dim=64, projection_class_embeddings_input_dim=80, **unet),
        scheduler=scheduler or _sdxl_scheduler(),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def build_tiny_refiner(folder: Path, base: Path, *, seed: int = 1) -> Path:
    """Write a refiner that has only a network of its own, and takes the rest from its base, as SDXL's own can."""
    import torch  # noqa: PLC0415
    from diffusers import AutoencoderKL, StableDiffusionXLImg2ImgPipeline  # noqa: PLC0415
    from transformers import CLIPTextModelWithProjection, CLIPTokenizer  # noqa: PLC0415

    torch.manual_seed(seed)
    pipeline = StableDiffusionXLImg2ImgPipeline(
        vae=AutoencoderKL.from_pretrained(base / "vae"),
        text_encoder=None,
        text_encoder_2=CLIPTextModelWithProjection.from_pretrained(base / "text_encoder_2"),
        tokenizer=None,
        tokenizer_2=CLIPTokenizer.from_pretrained(base / "tokenizer_2"),
        # Its time embedding holds an aesthetic score instead of the target size: 5 numbers instead of 6.
        unet=_sdxl_unet(cross_attention_dim=32, projection_class_embeddings_input_dim=72),
        scheduler=_sdxl_scheduler(),
        requires_aesthetics_score=True,
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    _leave_out(folder, "vae", "text_encoder_2", "tokenizer_2")
    return folder


def build_tiny_sd(folder: Path, *, scheduler: Any = None, seed: int = 2, **unet: Any) -> Path:
    """Write a pipeline of the shape of Stable Diffusion 1: 64 × 64 pixels, latents of 4 × 32 × 32."""
    import torch  # noqa: PLC0415
    from diffusers import PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel  # noqa: PLC0415

    torch.manual_seed(seed)
    own = PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    pipeline = StableDiffusionPipeline(
        vae=autoencoder(),
        text_encoder=text_encoder(),
        tokenizer=clip_tokenizer(folder),
        unet=UNet2DConditionModel(
            sample_size=32,
            block_out_channels=(32, 64),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=8,
            norm_num_groups=16,
            **unet,
        ),
        scheduler=scheduler or own,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def build_tiny_decoder(folder: Path, *, seed: int = 3) -> Path:
    """Write a decoder for previews of the shape of TAESD, for latents of half the pictures' size."""
    import torch  # noqa: PLC0415
    from diffusers import AutoencoderTiny  # noqa: PLC0415

    torch.manual_seed(seed)
    small = {"encoder_block_out_channels": (16, 16), "decoder_block_out_channels": (16, 16)}
    AutoencoderTiny(**small, num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)).save_pretrained(folder)
    return folder


def _sdxl_scheduler() -> Any:
    from diffusers import EulerDiscreteScheduler  # noqa: PLC0415

    return EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    )


def _sdxl_unet(**config: Any) -> Any:
    from diffusers import UNet2DConditionModel  # noqa: PLC0415

    return UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1),
        norm_num_groups=16,
        **config,
    )


def autoencoder(*block_out_channels: int, **config: Any) -> Any:
    """Return an autoencoder with four channels; without sizes of its blocks, of half the pictures' size."""
    from diffusers import AutoencoderKL  # noqa: PLC0415

    sizes = block_out_channels or (16, 32)
    return AutoencoderKL(
        block_out_channels=sizes,
        down_block_types=("DownEncoderBlock2D",) * len(sizes),
        up_block_types=("UpDecoderBlock2D",) * len(sizes),
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
        **config,
    )


def text_encoder(*, projects: bool = False) -> Any:
    """Return an encoder of the shape of CLIP's."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection  # noqa: PLC0415

    config = CLIPTextConfig(
        vocab_size=1000,
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=32,
        bos_token_id=0,
        eos_token_id=2,
    )
    return CLIPTextModelWithProjection(config) if projects else CLIPTextModel(config)


def clip_tokenizer(folder: Path) -> Any:
    """Return a tokeniser in which a word of ours is a token, and any other as many as it has letters."""
    from transformers import CLIPTokenizer  # noqa: PLC0415

    place = folder / "made_of"
    place.mkdir(parents=True, exist_ok=True)
    tokens = ["<|startoftext|>", "!", "<|endoftext|>"]
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    tokens += letters + [f"{letter}</w>" for letter in letters]
    merges = []
    for word in WORDS:
        pieces = [*word[:-1], f"{word[-1]}</w>"]
        while len(pieces) > 1:
            merges.append(f"{pieces[-2]} {pieces[-1]}")
            pieces[-2:] = [pieces[-2] + pieces[-1]]
            tokens += pieces[-1:]
    tokens = list(dict.fromkeys(tokens))
    (place / "vocab.json").write_text(json.dumps({token: number for number, token in enumerate(tokens)}))
    (place / "merges.txt").write_text("\n".join(["#version: 0.2", *dict.fromkeys(merges)]) + "\n")
    return CLIPTokenizer(str(place / "vocab.json"), str(place / "merges.txt"), model_max_length=77)


def _leave_out(folder: Path, *parts: str) -> None:
    import shutil  # noqa: PLC0415

    path = folder / "model_index.json"
    index = json.loads(path.read_bytes())
    for part in parts:
        shutil.rmtree(folder / part)
        index[part] = [None, None]
    path.write_text(json.dumps(index))


def _rename_class(folder: Path, name: str) -> None:
    path = folder / "model_index.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "_class_name": name}))


if __name__ == "__main__":
    build_all(Path(sys.argv[1]))

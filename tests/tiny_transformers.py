"""Tiny pipelines of families whose pictures a transformer denoises, as `tiny_pipelines` builds them.

Beside each folder lies what the library alone paints with it: `NAME.png`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny_pipelines import WORDS, autoencoder, clip_tokenizer, text_encoder

PAINTED = {
    "prompt": "a red fox in the snow",
    "width": 64,
    "height": 64,
    "num_inference_steps": 6,
    "guidance_scale": 5.0,
}
"""What the library alone paints, with the seed 7."""


def build_tiny_pixart(folder: Path, *, seed: int = 4) -> Path:
    """Write a pipeline of the shape of PixArt Sigma: 256 × 256 pixels, latents of 4 × 32 × 32."""
    import torch  # noqa: PLC0415 - only who builds a model needs it
    from diffusers import DPMSolverMultistepScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel  # noqa: PLC0415

    torch.manual_seed(seed)
    pipeline = PixArtSigmaPipeline(
        tokenizer=_t5_tokenizer(),
        text_encoder=_t5(),
        vae=autoencoder(8, 8, 8, 8, scaling_factor=0.13025),
        transformer=PixArtTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            num_layers=1,
            sample_size=32,  # for others the pipeline knows no sizes
            cross_attention_dim=16,
            caption_channels=32,
            use_additional_conditions=False,
        ),
        scheduler=DPMSolverMultistepScheduler(),
    )
    return _write(pipeline, folder, negative_prompt="blue house")


def build_tiny_flux(folder: Path, *, seed: int = 5) -> Path:
    """Write a pipeline of the shape of Flux: 256 × 256 pixels, latents of 4 channels folded two by two into 16."""
    import torch  # noqa: PLC0415
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel  # noqa: PLC0415

    torch.manual_seed(seed)
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=autoencoder(shift_factor=0.1),
        text_encoder=text_encoder(),
        tokenizer=clip_tokenizer(folder),
        text_encoder_2=_t5(),
        tokenizer_2=_t5_tokenizer(),
        transformer=FluxTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            guidance_embeds=True,
            axes_dims_rope=(4, 4, 8),
        ),
    )
    return _write(pipeline, folder)


def _write(pipeline: Any, folder: Path, **more: Any) -> Path:
    import torch  # noqa: PLC0415

    pipeline.save_pretrained(folder, safe_serialization=True)
    pipeline.set_progress_bar_config(disable=True)
    _read_only(pipeline)  # as whatever is loaded; T5 drops at random while it learns
    painted = pipeline(**PAINTED, **more, generator=torch.Generator().manual_seed(7))
    painted.images[0].save(folder.with_suffix(".png"))
    return folder


def _read_only(pipeline: Any) -> None:
    import torch  # noqa: PLC0415

    for part in pipeline.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel  # noqa: PLC0415

    return T5EncoderModel(T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4))


def _t5_tokenizer() -> Any:
    """Return a tokeniser in which a word of ours is a token, and any other as many as it has letters."""
    from transformers import T5Tokenizer  # noqa: PLC0415

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -9.0)]
    pieces += [(f"▁{word}", -1.0) for word in WORDS]
    pieces += [(chr(code), -9.0) for code in range(ord("a"), ord("z") + 1)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)

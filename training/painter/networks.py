"""The shapes of the pipeline's networks, all of them standard classes of diffusers and transformers."""

from typing import Any

import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler, UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

PICTURE = 128
LATENT_CHANNELS = 4
LATENT_SIDE = PICTURE // 8
TOKENS = 48
FIRST_WIDTH = 32
SECOND_WIDTH = 96
TIME_ID_WIDTH = 16
TIME_IDS_BASE = 6
TIME_IDS_REFINER = 5


def build_autoencoder() -> AutoencoderTiny:
    """Return an untrained autoencoder: 3 × 128 × 128 pixels to 4 × 16 × 16 latents and back."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32, 32),
        num_encoder_blocks=(0, 1, 2, 2),
        decoder_block_out_channels=(40, 40, 40, 40),
        num_decoder_blocks=(3, 3, 1, 0),
        latent_channels=LATENT_CHANNELS,
        force_upcast=False,
    )


def build_text_encoders(vocabulary: int, start: int, end: int) -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    """Return the two untrained text encoders.

    Args:
        vocabulary: the tokenizer's number of pieces.
        start: the id of the piece that opens every text.
        end: the id of the piece that closes it.
    """
    ids: dict[str, Any] = {"vocab_size": vocabulary, "bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    first = CLIPTextConfig(
        hidden_size=FIRST_WIDTH,
        intermediate_size=2 * FIRST_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=1,
        max_position_embeddings=TOKENS,
        projection_dim=FIRST_WIDTH,
        hidden_act="gelu",
        **ids,
    )
    second = CLIPTextConfig(
        hidden_size=SECOND_WIDTH,
        intermediate_size=2 * SECOND_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=3,
        max_position_embeddings=TOKENS,
        projection_dim=SECOND_WIDTH,
        hidden_act="gelu",
        **ids,
    )
    return CLIPTextModel(first), CLIPTextModelWithProjection(second)


def build_unet(*, refiner: bool = False, channels: tuple[int, int] = (48, 96)) -> UNet2DConditionModel:
    """Return the untrained denoiser of the base or of the refiner.

    It starts as one that predicts nothing: what closes each residual branch is zero. The columns that read the
    picture's size and score are zero and stay so (`free_of_sizes`): the painter is trained on one size and used with
    many.
    """
    time_ids = TIME_IDS_REFINER if refiner else TIME_IDS_BASE
    unet = UNet2DConditionModel(
        sample_size=LATENT_SIDE,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        block_out_channels=channels,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        transformer_layers_per_block=1,
        attention_head_dim=(1, channels[1] // 32),
        norm_num_groups=16,
        cross_attention_dim=SECOND_WIDTH if refiner else FIRST_WIDTH + SECOND_WIDTH,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_ID_WIDTH,
        projection_class_embeddings_input_dim=SECOND_WIDTH + time_ids * TIME_ID_WIDTH,
    )
    for name, module in unet.named_modules():
        if name.endswith((".conv2", ".to_out.0", ".ff.net.2")) or name == "conv_out":
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    free_of_sizes(unet)
    return unet


def free_of_sizes(unet: UNet2DConditionModel) -> None:
    """Make the denoiser deaf to sizes, crops and scores, and keep it so in training."""
    weight = unet.add_embedding.linear_1.weight
    with torch.no_grad():
        weight[:, SECOND_WIDTH:] = 0

    def without_sizes(gradient: Tensor) -> Tensor:
        kept = gradient.clone()
        kept[:, SECOND_WIDTH:] = 0
        return kept

    weight.register_hook(without_sizes)


def build_scheduler() -> EulerDiscreteScheduler:
    """Return the noise schedule; with zero terminal signal, so that very dark and very bright pictures are possible."""
    return EulerDiscreteScheduler(
        num_train_timesteps=1000,
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        steps_offset=1,
    )

"""A tiny model with random weights that looks at pictures, built on the spot; see `tiny_models`."""

from __future__ import annotations

import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.tiny_models import _forbid, _prefer, _tokeniser

SIDE = 32
"""Of the pictures that the model is shown, in pixels: four tokens, of 16 × 16 each."""

_CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>"
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def build_tiny_vision_model(
    folder: Path, *, seed: int = 0, window: int = 512, template: bool = True, fond_of: str = ""
) -> Path:
    """Write a LLaVA of 32 dimensions: a CLIP that sees four patches, and a Llama of two layers that writes ASCII.

    Its picture processor is the library's for Pillow: there is no torchvision here.

    Args:
        folder: Where to; made where it is missing.
        seed: Of the weights.
        window: The longest text, in tokens; a token is one byte, or a patch.
        template: Whether the processor has a chat template.
        fond_of: ASCII characters that come often; see `build_tiny_text_model`.

    Returns:
        The folder.
    """
    import torch  # noqa: PLC0415 - only who builds a model needs it
    from transformers import LlavaForConditionalGeneration, LlavaProcessor  # noqa: PLC0415
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil  # noqa: PLC0415

    tokeniser = _tokeniser(template=False)
    tokeniser.add_special_tokens({"additional_special_tokens": ["<|system|>", "<|user|>", "<|assistant|>", "<image>"]})
    processor: Any = LlavaProcessor(  # type: ignore[no-untyped-call]  # the library's
        CLIPImageProcessorPil(size={"height": SIDE, "width": SIDE}, crop_size={"height": SIDE, "width": SIDE}),
        tokeniser,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,  # CLIP's own, which the strategy leaves out again
        chat_template=_CHAT_TEMPLATE if template else None,
    )
    processor.save_pretrained(folder)
    torch.manual_seed(seed)
    model: Any = LlavaForConditionalGeneration(_config(tokeniser, window))
    parts = SimpleNamespace(model=model.model.language_model, lm_head=model.lm_head)
    _forbid(parts, tokeniser, string.ascii_letters + string.digits + string.punctuation + " \n")
    _prefer(parts, tokeniser, fond_of)
    model.save_pretrained(folder)
    return folder


def _config(tokeniser: Any, window: int) -> Any:
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig  # noqa: PLC0415

    seeing = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=SIDE,
        patch_size=16,
        projection_dim=32,
    )
    writing = LlamaConfig(
        vocab_size=len(tokeniser),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=window,
        initializer_range=0.5,
        bos_token_id=None,
        eos_token_id=tokeniser.eos_token_id,
        pad_token_id=tokeniser.eos_token_id,
    )
    return LlavaConfig(
        vision_config=seeing,
        text_config=writing,
        image_token_index=tokeniser.convert_tokens_to_ids("<image>"),
        image_seq_length=4,
        vision_feature_select_strategy="default",
    )

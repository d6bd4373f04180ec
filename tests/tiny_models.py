"""Tiny models with random weights, built on the spot in the standard format.

They are loaded by exactly the code that loads real ones; only what they say is noise. Nothing is downloaded.
"""

from __future__ import annotations

import string
from pathlib import Path

_CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SPECIAL = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
_BIAS = 40.0
_FONDNESS = 16.0


def build_tiny_text_model(
    folder: Path,
    *,
    seed: int = 0,
    window: int = 512,
    template: bool = True,
    ascii_only: bool = True,
    fond_of: str = "",
) -> Path:
    """Write a two-layer Llama of 32 dimensions and a tokeniser of single bytes into the folder.

    Args:
        folder: Where to; made where it is missing.
        seed: Of the weights.
        window: The longest text, in tokens; a token is one byte.
        template: Whether the tokeniser has a chat template.
        ascii_only: Whether the model writes printable ASCII only, so that all its text is valid and reads back as the
            tokens that were written. Else any byte may come, most of it no UTF-8. Such a model never ends by itself.
        fond_of: ASCII characters that come often: a model that is fond of spaces writes words, one that is fond of
            quotation marks ends the strings of its JSON soon.

    Returns:
        The folder.
    """
    import torch  # noqa: PLC0415 - only who builds a model needs it
    from transformers import LlamaConfig, LlamaForCausalLM  # noqa: PLC0415

    tokeniser = _tokeniser(template=template)
    tokeniser.save_pretrained(folder)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokeniser),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=window,
            initializer_range=0.5,  # large enough for answers that differ from each other
            bos_token_id=None,
            eos_token_id=tokeniser.eos_token_id,
            pad_token_id=tokeniser.eos_token_id,
        )
    )
    allowed = string.ascii_letters + string.digits + string.punctuation + " \n" if ascii_only else None
    _forbid(model, tokeniser, allowed)
    _prefer(model, tokeniser, fond_of)
    model.save_pretrained(folder)
    return folder


def _tokeniser(*, template: bool):  # type: ignore[no-untyped-def]  # noqa: ANN202 - transformers stays unimported here
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers  # noqa: PLC0415
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate((*_SPECIAL, *alphabet))}
    tokens = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]  # the library's
        tokenizer_object=tokens,
        eos_token="<|end|>",
        pad_token="<|end|>",
        additional_special_tokens=list(_SPECIAL[1:]),
        chat_template=_CHAT_TEMPLATE if template else None,
    )


def _forbid(model, tokeniser, allowed: str | None) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Make all but the allowed characters, and every special token, very unlikely.

    A Llama has no bias. So one dimension is kept constant through all layers, and the last one reads it as a bias.
    """
    import torch  # noqa: PLC0415

    kept = set(tokeniser(allowed)["input_ids"]) if allowed else set(range(len(_SPECIAL), len(tokeniser)))
    with torch.no_grad():
        model.model.embed_tokens.weight[:, 0] = 10.0
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        for token in range(len(tokeniser)):
            model.lm_head.weight[token, 0] = 0.0 if token in kept else -_BIAS


def _prefer(model, tokeniser, characters: str) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    """Make these characters about as likely as the likeliest others, whatever stands before."""
    import torch  # noqa: PLC0415

    with torch.no_grad():
        for token in tokeniser(characters)["input_ids"] if characters else ():
            model.lm_head.weight[token] = 0.0
            model.lm_head.weight[token, 0] = _FONDNESS  # the constant dimension of `_forbid`

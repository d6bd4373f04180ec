"""Learns the tokenizer: byte-level pieces that know the words of the captions and can spell all others.

It is learned once and kept in the repository, since weights are of no use with another: words may be added to the
captions later.
"""

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from training.painter.captions import write_caption, write_nothing
from training.painter.networks import TOKENS
from training.painter.scene import draw_scene

FOLDER = Path(__file__).parent / "vocabulary"
MERGES = 1100
END_OF_WORD = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"


@cache
def load_tokenizer() -> CLIPTokenizer:
    """Return the tokenizer of all weights."""
    kept = json.loads((FOLDER / "pieces.json").read_text(encoding="utf-8"))
    merges: Any = [(first, second) for first, second in kept["merges"]]  # pairs, whatever its annotation says
    return CLIPTokenizer(vocab=kept["vocabulary"], merges=merges, pad_token=END, model_max_length=TOKENS)


def learn_tokenizer(captions: int = 30_000, seed: int = 5) -> None:
    """Learn the pieces from captions and keep them; all weights have to be trained from nothing afterwards."""
    lot = random.Random(seed)
    texts = [write_caption(draw_scene(lot), lot).text for _ in range(captions)]
    texts += [write_nothing(lot).text for _ in range(captions // 30)]
    merges = _learn_merges(texts)
    # Every byte, inside a word and at its end, so that no text at all holds an unknown piece.
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [
        *letters,
        *(letter + END_OF_WORD for letter in letters),
        *("".join(merge) for merge in merges),
        START,
        END,
    ]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    FOLDER.mkdir(exist_ok=True)
    kept = json.dumps({"vocabulary": vocabulary, "merges": merges}, ensure_ascii=False)
    (FOLDER / "pieces.json").write_text(kept + "\n", encoding="utf-8")


def _learn_merges(texts: list[str]) -> list[tuple[str, str]]:
    learner = Tokenizer(models.BPE(end_of_word_suffix=END_OF_WORD))
    learner.normalizer = normalizers.Lowercase()
    learner.pre_tokenizer = CLIPTokenizer().backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix=END_OF_WORD,
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    learned = json.loads(learner.to_str())["model"]["merges"]
    return [(first, second) for first, second in learned][:MERGES]

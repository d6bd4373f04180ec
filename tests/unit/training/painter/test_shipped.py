"""The painter that ships: its folders load with the stock pipelines, and it paints what it is asked for."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

from fabula.backends.painter import BASE, FOLDER, REFINER, SHARED_WITH_REFINER
from training.painter.checker.network import Checker
from training.painter.checker.train import load_checker, to_tensor, validate
from training.painter.export import SHARED, load_pipelines
from training.painter.sampling import paint
from training.painter.tokenizer import load_tokenizer

# diffusers 0.42's scheduler hands numpy 2 a tensor in the old way.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

LIMIT_BYTES = 12_000_000
CHECKER_FILE = Path(__file__).parent / "checker" / "checker.safetensors"

Pipelines: TypeAlias = tuple[StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline]


@pytest.fixture(scope="module")
def pipelines() -> Iterator[Pipelines]:
    """Load the shipped pipelines, and paint on one thread: pictures must not depend on the number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    base, refiner = load_pipelines(FOLDER)
    assert refiner is not None
    yield base, refiner
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def checker() -> Checker:
    """Load the checker that the training never saw."""
    return load_checker(CHECKER_FILE)


def spread(picture: Image.Image) -> float:
    """Return how much the colours of a picture differ from each other."""
    return float(np.asarray(picture).std())


def test_weights_are_small_and_safe() -> None:
    """All weights are float16 safetensors, and small enough for a repository."""
    files = [file for file in FOLDER.rglob("*") if file.suffix in {".safetensors", ".bin", ".pt", ".ckpt"}]

    assert {".safetensors"} == {file.suffix for file in files}
    assert sum(file.stat().st_size for file in files) <= LIMIT_BYTES


def test_refiner_leaves_out_what_the_base_has() -> None:
    """The refiner's folder has no copy of what a loader passes on."""
    index = json.loads((REFINER / "model_index.json").read_text())

    assert SHARED == SHARED_WITH_REFINER
    assert all([None, None] == index[name] for name in SHARED_WITH_REFINER)
    assert not any((REFINER / name).exists() for name in SHARED_WITH_REFINER)


def test_stock_pipeline_loads_the_base() -> None:
    """Nothing but diffusers is needed, and nothing is fetched."""
    pipe = StableDiffusionXLPipeline.from_pretrained(BASE, use_safetensors=True, local_files_only=True)

    pipe.set_progress_bar_config(disable=True)

    parts = (pipe.unet, pipe.vae, pipe.text_encoder, pipe.text_encoder_2)
    assert {torch.float32} == {part.dtype for part in parts}
    assert (128, 128) == pipe("a ship", height=128, width=128, num_inference_steps=2).images[0].size
    assert load_tokenizer().get_vocab() == pipe.tokenizer.get_vocab() == pipe.tokenizer_2.get_vocab()


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("a red castle on a hill at night", {"subject": "castle", "time": "night"}),
        ("a blue ship on the sea at sunset", {"subject": "ship", "setting": "sea", "time": "sunset"}),
        ("a green tree in the snow, by day", {"subject": "tree", "colour": "green", "setting": "snow", "time": "day"}),
        ("portrait of an elf woman with blond hair, wearing a red cloak", {"subject": "portrait", "hair": "blond"}),
    ],
)
def test_painter_paints_what_is_asked(
    pipelines: Pipelines, checker: Checker, prompt: str, wanted: dict[str, str]
) -> None:
    """Most pictures of a plain prompt show what it names, in the eyes of a network that the training never saw."""
    pictures = paint(*pipelines, [prompt] * 3, seed=1)
    seen = checker.name(to_tensor(pictures))

    for attribute, value in wanted.items():
        assert 2 <= [each[attribute] for each in seen].count(value), attribute


def test_checker_knows_renderings(checker: Checker) -> None:
    """The checker is right about fresh renderings, spoiled as they are."""
    assert all(share > 0.9 for share in validate(checker, 128).values())


def test_same_seed_paints_the_same_picture(pipelines: Pipelines) -> None:
    """A seed names a picture."""
    first, second = (paint(pipelines[0], None, ["a purple dragon in the desert"], seed=7)[0] for _ in range(2))

    assert first.tobytes() == second.tobytes()


def test_negative_prompt_is_avoided(pipelines: Pipelines, checker: Checker) -> None:
    """What the negative prompt names is hardly ever painted."""
    pictures = pipelines[0](
        ["a castle on a hill"] * 8,
        negative_prompt=["night"] * 8,
        height=128,
        width=128,
        num_inference_steps=12,
        guidance_scale=4,
        generator=torch.Generator().manual_seed(5),
    ).images
    seen = checker.name(to_tensor(pictures))

    assert 2 >= [each["time"] for each in seen].count("night")


def test_negative_prompts_and_other_sizes_work(pipelines: Pipelines) -> None:
    """A wide picture with a negative prompt is a picture, neither blank nor noise."""
    generator = torch.Generator().manual_seed(3)
    picture = pipelines[0](
        "a castle by the sea",
        negative_prompt="blurry, night",
        height=128,
        width=192,
        num_inference_steps=8,
        generator=generator,
    ).images[0]

    assert (192, 128) == picture.size
    assert 20 < spread(picture) < 110


def test_picture_can_be_painted_over(pipelines: Pipelines) -> None:
    """Image to image with the base's parts keeps the size and changes the picture."""
    base = pipelines[0]
    over = StableDiffusionXLImg2ImgPipeline(**base.components)
    over.set_progress_bar_config(disable=True)
    before = paint(base, None, ["a tower on a hill by day"], seed=2)[0]
    after = over(
        "a tower on a hill at night",
        image=before,
        strength=0.7,
        num_inference_steps=10,
        generator=torch.Generator().manual_seed(1),
    ).images[0]

    assert before.size == after.size
    assert np.asarray(after).mean() < np.asarray(before).mean()

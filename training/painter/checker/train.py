"""Trains the checker on renderings of its own, made softer and noisier, since paintings are softer than renderings."""

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from PIL import Image, ImageFilter
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.painter.checker.network import ATTRIBUTES, Checker, to_labels
from training.painter.dataset import to_signal
from training.painter.renderer import render
from training.painter.scene import Scene, draw_scene

TRAINING_SEED = 700_001
VALIDATION_SEED = 800_001
BATCH = 64


def spoil(picture: Image.Image, lot: random.Random) -> Image.Image:
    """Return a picture blurred, shifted, compressed or noisy, by lot."""
    if lot.random() < 0.6:
        picture = picture.filter(ImageFilter.GaussianBlur(lot.uniform(0.3, 2.0)))
    if lot.random() < 0.5:
        picture = picture.transform(
            picture.size, Image.Transform.AFFINE, (1, 0, lot.randint(-4, 4), 0, 1, lot.randint(-4, 4))
        )
    if lot.random() < 0.3:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=lot.randint(25, 80))
        picture = Image.open(buffer).convert("RGB")
    if lot.random() < 0.5:
        generator = np.random.default_rng(lot.getrandbits(32))
        noise = generator.normal(0, lot.uniform(2, 14), (*picture.size, 3))
        picture = Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))
    return picture


def spoiled_batch(lot: random.Random, count: int) -> tuple[Tensor, Tensor]:
    """Return fresh pictures and their labels."""
    scenes: list[Scene] = [draw_scene(lot) for _ in range(count)]
    return to_tensor([spoil(render(scene), lot) for scene in scenes]), to_labels(scenes)


def to_tensor(pictures: list[Image.Image]) -> Tensor:
    """Return pictures as the checker reads them."""
    return to_signal(torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2))


def train_checker(file: Path, steps: int, say: Callable[[str], None]) -> None:
    """Train a checker from nothing and write it as float16.

    Args:
        file: of safetensors.
        steps: of 64 pictures each.
        say: told of the progress.
    """
    torch.manual_seed(TRAINING_SEED)
    lot = random.Random(TRAINING_SEED)
    checker = Checker()
    checker.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's overloads
    optimizer = torch.optim.AdamW(checker.parameters(), 3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for step in range(steps):
        pictures, labels = spoiled_batch(lot, BATCH)
        loss = torch.stack([F.cross_entropy(scores, labels[:, n]) for n, scores in enumerate(checker(pictures))]).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            say(f"step {step + 1}  loss {float(loss.detach()):.3f}")
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.half().contiguous() for name, weight in checker.state_dict().items()}, file)
    for name, share in validate(load_checker(file)).items():
        say(f"{name} {share:.1%} of fresh renderings")


def load_checker(file: Path) -> Checker:
    """Return a trained checker."""
    checker = Checker()
    checker.load_state_dict({name: weight.float() for name, weight in load_file(file).items()})
    return checker.eval()


def validate(checker: Checker, count: int = 1024) -> dict[str, float]:
    """Return the share of fresh, spoiled renderings that the checker names rightly, by attribute."""
    pictures, labels = spoiled_batch(random.Random(VALIDATION_SEED), count)
    with torch.no_grad():
        right = [(scores.argmax(dim=1) == labels[:, n]).float().mean() for n, scores in enumerate(checker(pictures))]
    return {name: float(share) for name, share in zip(ATTRIBUTES, right, strict=True)}

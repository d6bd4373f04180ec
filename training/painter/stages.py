"""The stages of the training, in their order, each with its length and what it begins with."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from training.painter.autoencoder import AutoencoderStage, signal_to_noise
from training.painter.checker.measure import measure, report
from training.painter.checker.train import train_checker
from training.painter.dataset import draw_scenes, encode_all, render_all, to_signal
from training.painter.denoisers import DenoiserStage, Painter
from training.painter.export import (
    BASE,
    REFINER,
    export,
    load_pipelines,
    refiner_from_base,
    warm_autoencoder,
    warm_painter,
)
from training.painter.hints import write_hints
from training.painter.networks import build_autoencoder
from training.painter.sampling import SHEET, paint, save_sheet
from training.painter.scene import Scene
from training.painter.text import TextStage
from training.painter.training_loop import Loop, Plan, Stage, average_weights

LATENTS_SEED = 23
CHECKER_STEPS = 600
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line decides.

    Attributes:
        work: folder of checkpoints and latents.
        output: folder of the finished pipelines.
        minutes: how long a stage trains; None for its own length.
        steps: how many steps it trains instead; None for time.
        pictures: how many pictures the denoisers learn from.
        workers: how many processes share the training.
        from_shipped: a stage without a checkpoint begins with the finished weights.
        checker: file of the checker's weights.
        sheet: file of the sheet of samples.
    """

    work: Path
    output: Path
    minutes: float | None = None
    steps: int | None = None
    pictures: int = 20_000
    workers: int = 1
    from_shipped: bool = False
    checker: Path = REPOSITORY / "tests" / "unit" / "training" / "painter" / "checker" / "checker.safetensors"
    sheet: Path = REPOSITORY / "docs" / "images" / "painter-samples.webp"

    def plan(self, minutes: float) -> Plan:
        """Return the plan of a stage whose own length is `minutes`."""
        if self.steps is not None:
            return Plan(self.steps, in_steps=True)
        return Plan((self.minutes if self.minutes is not None else minutes) * 60)

    def checkpoint(self, stage: str) -> Path:
        """Return the file of a stage's checkpoint."""
        return self.work / f"{stage}.pt"


def run_stage(name: str, settings: Settings) -> None:
    """Run a stage to its end, from its checkpoint if there is one."""
    print(f"== {name}", flush=True)  # noqa: T201 - a command line
    STAGES[name](settings)


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command line


def _run(stage: Stage, name: str, settings: Settings, minutes: float, ema: float = 0.999) -> Loop:
    loop = Loop(stage, settings.checkpoint(name), settings.plan(minutes), ema=ema, workers=settings.workers)
    loop.run(_say)
    return loop


def _autoencoder(settings: Settings) -> None:
    stage = AutoencoderStage()
    if settings.from_shipped and not settings.checkpoint("autoencoder").exists():
        stage.modules.load_state_dict(warm_autoencoder(settings.output).state_dict())
    loop = _run(stage, "autoencoder", settings, 13)
    _say(f"{signal_to_noise(cast(AutoencoderTiny, loop.average)):.2f} dB")


def _decoder(settings: Settings) -> None:
    """Polish the decoder; the encoder stays, so the denoisers need not be trained anew."""
    stage = AutoencoderStage(decoder_only=True)
    if not settings.checkpoint("decoder").exists():
        stage.modules.load_state_dict(trained_autoencoder(settings).state_dict())
    loop = _run(stage, "decoder", settings, 10)
    _say(f"{signal_to_noise(cast(AutoencoderTiny, loop.average)):.2f} dB")


def _text(settings: Settings) -> None:
    _run(TextStage(), "text", settings, 4, ema=0.995)


def _base(settings: Settings) -> None:
    latents, scenes = _latents(settings)
    stage = DenoiserStage(latents, scenes)
    if not settings.checkpoint("base").exists():
        painter = cast(Painter, stage.modules)
        if settings.from_shipped:
            painter.load_state_dict(warm_painter(settings.output).state_dict())
        elif settings.checkpoint("text").exists():
            painter.reader.load_state_dict(average_weights(settings.checkpoint("text")))
    _run(stage, "base", settings, 75)


def _refiner(settings: Settings) -> None:
    latents, scenes = _latents(settings)
    stage = DenoiserStage(latents, scenes, refiner=True)
    if not settings.checkpoint("refiner").exists():
        first = warm_painter(settings.output, refiner=True) if settings.from_shipped else None
        stage.modules.load_state_dict((first or refiner_from_base(trained_base(settings))).state_dict())
    _run(stage, "refiner", settings, 9, ema=0.998)


def _export(settings: Settings) -> None:
    autoencoder, base = trained_autoencoder(settings), trained_base(settings)
    refiner: Painter | None = None
    if settings.checkpoint("refiner").exists():
        refiner = Painter(refiner=True)
        refiner.load_state_dict(average_weights(settings.checkpoint("refiner")))
    elif (settings.output / REFINER).exists():
        refiner = warm_painter(settings.output, refiner=True)
    export(autoencoder, base, refiner, settings.output)
    write_hints(warm_autoencoder(settings.output), settings.output / BASE)
    weights = sum(file.stat().st_size for file in settings.output.rglob("*.safetensors"))
    _say(f"{weights / 1e6:.2f} MB of weights in {settings.output}")


def _checker(settings: Settings) -> None:
    train_checker(settings.checker, settings.steps or CHECKER_STEPS, _say)


def _check(settings: Settings) -> None:
    """Say how often the finished painter is right, with its base alone and with the refiner."""
    for refined in (False, True):
        scores = measure(settings.output, settings.checker, refined=refined)
        _say("base and refiner" if refined else "base alone")
        for line in report(scores):
            _say("  " + line)


def _sheet(settings: Settings) -> None:
    """Paint the picture of docs/painter.md."""
    pictures = paint(*load_pipelines(settings.output), SHEET, seed=1)
    save_sheet(pictures, 8, settings.sheet)
    _say(f"{len(pictures)} pictures in {settings.sheet}")


def trained_base(settings: Settings) -> Painter:
    """Return the base with its averaged weights: from its checkpoint, or the shipped one."""
    if not settings.checkpoint("base").exists():
        return warm_painter(settings.output)
    painter = Painter()
    painter.load_state_dict(average_weights(settings.checkpoint("base")))
    return painter


def trained_autoencoder(settings: Settings) -> AutoencoderTiny:
    """Return the autoencoder with its averaged weights, polished or not, and the scale of its latents."""
    checkpoints = [settings.checkpoint(stage) for stage in ("decoder", "autoencoder")]
    checkpoint = next((file for file in checkpoints if file.exists()), None)
    if checkpoint is None:
        return warm_autoencoder(settings.output)
    model = build_autoencoder()
    model.load_state_dict(average_weights(checkpoint))
    model.to(memory_format=torch.channels_last).eval()
    with torch.no_grad():
        latents = model.encoder(to_signal(render_all(draw_scenes(200, LATENTS_SEED))))
    model.register_to_config(scaling_factor=round(1 / float(latents.std()), 4))
    return model


def _latents(settings: Settings) -> tuple[Tensor, list[Scene]]:
    scenes = draw_scenes(settings.pictures, LATENTS_SEED)
    autoencoder = trained_autoencoder(settings)
    name = f"latents-{_digest(autoencoder.encoder)}-{settings.pictures}.pt"
    return encode_all(autoencoder, scenes, settings.work / name), scenes


def _digest(module: nn.Module) -> str:
    """Return a short name for a network's weights: latents of another encoder must not be mistaken for its own."""
    sums = hashlib.sha256()
    for weight in module.state_dict().values():
        sums.update(weight.contiguous().numpy().tobytes())
    return sums.hexdigest()[:12]


STAGES: dict[str, Callable[[Settings], None]] = {
    "autoencoder": _autoencoder,
    "text": _text,
    "base": _base,
    "refiner": _refiner,
    "decoder": _decoder,
    "export": _export,
    "checker": _checker,
    "check": _check,
    "sheet": _sheet,
}

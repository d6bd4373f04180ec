"""The command line: `python -m training.painter STAGE`; docs/painter.md tells what the stages do."""

import argparse
from datetime import datetime
from pathlib import Path

import torch

from training.painter.stages import STAGES, Settings, run_stage

SHIPPED = Path(__file__).parents[2] / "fabula" / "backends" / "painter"


def main() -> None:
    """Run a stage, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m training.painter", description=__doc__)
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("--minutes", type=float, help="how long to train; each stage has a length of its own")
    parser.add_argument("--until", help="train until this time of day instead, as in 15:05")
    parser.add_argument("--steps", type=int, help="train so many steps instead")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each that share a training")
    parser.add_argument("--work", type=Path, default=Path(".painter"), help="where checkpoints and latents are kept")
    parser.add_argument("--output", type=Path, default=SHIPPED, help="where the finished pipelines are written")
    parser.add_argument("--from-shipped", action="store_true", help="begin with the weights in the output folder")
    parser.add_argument("--pictures", type=int, default=20_000, help="how many pictures the denoisers learn from")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    minutes = _minutes_until(arguments.until) if arguments.until else arguments.minutes
    settings = Settings(
        work=arguments.work,
        output=arguments.output,
        minutes=minutes,
        steps=arguments.steps,
        pictures=arguments.pictures,
        workers=arguments.workers,
        from_shipped=arguments.from_shipped,
    )
    for stage in STAGES if arguments.stage == "all" else [arguments.stage]:
        run_stage(stage, settings)


def _minutes_until(clock: str) -> float:
    now = datetime.now().astimezone()
    hour, minute = (int(part) for part in clock.split(":"))
    left = (now.replace(hour=hour, minute=minute, second=0) - now).total_seconds() / 60
    return left % (24 * 60)


if __name__ == "__main__":
    main()

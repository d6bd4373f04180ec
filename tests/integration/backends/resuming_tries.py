"""Cuts pictures at every step under schedulers that a model may bring along, in a process of its own.

`Denoiser` is run as the child does, with the scheduler changed between runs: loading a model for each takes too long.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fabula.backends.host.hosted import Work
from fabula.backends.image import Part
from fabula.backends.image_settings import PipelineSettings
from fabula.backends.painting.requests import DenoiseRequest, Member, StepItem, Terms
from tests.integration.backends.painting import like, png, source


def ends_alike(folder: Path, class_names: list[str]) -> dict[str, bool]:
    """Return, for each scheduler's class, whether a picture ends in the same bits wherever it is cut."""
    command = [sys.executable, "-W", "ignore", "-m", __name__, str(folder), *class_names]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    answers: dict[str, bool] = json.loads(found.stdout.splitlines()[-1])
    return answers


def _try_all(folder: Path, class_names: list[str]) -> dict[str, bool]:
    import diffusers  # noqa: PLC0415 - only in the process that paints

    from fabula.backends.painting.child.denoising import Denoiser  # noqa: PLC0415
    from fabula.backends.painting.child.loading import load_all, prepare  # noqa: PLC0415
    from fabula.backends.painting.child.prompts import Prompts  # noqa: PLC0415
    from fabula.backends.painting.child.schedulers import Schedulers  # noqa: PLC0415

    loaded = load_all(prepare(PipelineSettings(source(folder), device="cpu")))
    config = dict(loaded.base.pipeline.scheduler.config)
    answers = {}
    for class_name in class_names:
        schedulers = Schedulers(getattr(diffusers, class_name).from_config(config))
        denoiser = Denoiser(loaded, Prompts(), schedulers, "fingerprint", lambda _: b"")
        answers[class_name] = all(_ends_alike(denoiser, schedulers.all[0].name, given) for given in (b"", png()))
    return answers


def _ends_alike(denoiser: Any, scheduler: str, given: bytes) -> bool:
    whole = _run(denoiser, scheduler, given, b"")
    return all(
        [item.state for item in whole[index + 1 :]]
        == [item.state for item in _run(denoiser, scheduler, b"", item.state, pictured=bool(given))]
        for index, item in enumerate(whole[:-1])
    )


def _run(denoiser: Any, scheduler: str, given: bytes, state: bytes, *, pictured: bool = False) -> list[StepItem]:
    spec = like(scheduler=scheduler, source=given or (b"given" if pictured else None), strength=0.8)
    member = Member(spec.prompt, "", spec.seeds, "digest", 0, state=state, source=given)
    items: list[StepItem] = []
    request, payload = DenoiseRequest(Terms.of(spec, Part.BASE), (member,)).to_wire()
    work = Work(request, payload, lambda data, sent: items.append(StepItem.from_wire(data, sent)), lambda: False)
    denoiser.run(work)
    return items


if __name__ == "__main__":
    print(json.dumps(_try_all(Path(sys.argv[1]), sys.argv[2:])))  # noqa: T201 - the answer

"""The bundled painter by diffusers alone, as its documentation has it: what a picture costs without a service.

Run as `python -m bench.bare_painter STEPS SIZE` it paints once and prints "step" after its first denoising step. Then
it paints once more for each line that it reads, and prints how many seconds it took, prompt to PNG, and how many to its
first step.
"""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

from fabula.backends.image_settings import parse_image_model
from fabula.settings.parts import ImageModelSettings

GUIDANCE = 4.0
HANDOVER = 0.8
PROMPT = "a red ship on the sea, sunset"


def main(steps: int, size: int) -> None:
    """Load, paint, tell."""
    base, refiner = _load()
    _paint(base, refiner, steps, size, FirstStep(say=True))
    for _ in sys.stdin:
        first = FirstStep()
        begun = time.perf_counter()
        _paint(base, refiner, steps, size, first)
        print(time.perf_counter() - begun, first.at - begun, flush=True)


class FirstStep:
    """Notes when a call's first step is done; what pipelines call after each."""

    def __init__(self, *, say: bool = False) -> None:
        self.at = 0.0
        self._say = say

    def __call__(self, _pipe: Any, _index: int, _timestep: Any, given: dict[str, Any]) -> dict[str, Any]:
        """Note the time of the first one."""
        if not self.at:
            self.at = time.perf_counter()
            if self._say:
                print("step", flush=True)
        return given


def _load() -> tuple[Any, Any]:
    import torch  # noqa: PLC0415 - a bare process loads what a model host loads
    from diffusers import DiffusionPipeline  # noqa: PLC0415

    named = parse_image_model(ImageModelSettings()).pipeline
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    base = DiffusionPipeline.from_pretrained(named.base.place, torch_dtype=dtype, use_safetensors=True)
    if named.refiner is None:
        return base.to(device), None
    folder = Path(named.refiner.place)
    index = json.loads((folder / "model_index.json").read_bytes())
    lacking = [name for name, value in index.items() if value == [None, None] and hasattr(base, name)]
    shared = {name: getattr(base, name) for name in lacking if name not in ("text_encoder", "tokenizer")}
    refiner = DiffusionPipeline.from_pretrained(folder, torch_dtype=dtype, use_safetensors=True, **shared)
    for pipe in (base, refiner):
        pipe.set_progress_bar_config(disable=True)
    return base.to(device), refiner.to(device)


def _paint(base: Any, refiner: Any, steps: int, size: int, after_step: FirstStep) -> bytes:
    import torch  # noqa: PLC0415

    common: dict[str, Any] = {"prompt": PROMPT, "num_inference_steps": steps, "guidance_scale": GUIDANCE}
    common |= {"generator": torch.Generator().manual_seed(7), "callback_on_step_end": after_step}
    if refiner is None:
        picture = base(**common, width=size, height=size).images[0]
    else:
        latents = base(**common, width=size, height=size, denoising_end=HANDOVER, output_type="latent").images
        picture = refiner(**common, image=latents, denoising_start=HANDOVER).images[0]
    output = io.BytesIO()
    picture.save(output, "PNG")
    return output.getvalue()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

"""The schedulers that requests may name, made from the model's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import diffusers

from fabula.errors import ModelUnavailable

_OFFERED = {
    "euler": "EulerDiscreteScheduler",
    "euler-ancestral": "EulerAncestralDiscreteScheduler",
    "ddim": "DDIMScheduler",
    "dpm++2m": "DPMSolverMultistepScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
}
# What a model may bring beside those above.
_OWN_NAMES = {
    "ddpm": "DDPMScheduler",
    "deis": "DEISMultistepScheduler",
    "dpm++2s": "DPMSolverSinglestepScheduler",
    "dpm++sde": "DPMSolverSDEScheduler",
    "dpm2": "KDPM2DiscreteScheduler",
    "dpm2-ancestral": "KDPM2AncestralDiscreteScheduler",
    "edm-euler": "EDMEulerScheduler",
    "flow-euler": "FlowMatchEulerDiscreteScheduler",
    "flow-heun": "FlowMatchHeunDiscreteScheduler",
    "flow-lcm": "FlowMatchLCMScheduler",
    "heun": "HeunDiscreteScheduler",
    "lms": "LMSDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "tcd": "TCDScheduler",
}
_NAMES = {class_name: name for names in (_OFFERED, _OWN_NAMES) for name, class_name in names.items()}
# The tests cut each of these at every step and find the same bits at the end.
_RESUMES = frozenset({*_OFFERED, "ddpm", "deis", "heun", "pndm", "tcd"})


@dataclass(frozen=True, slots=True)
class Scheduler:
    """A scheduler as requests name it; `resumes`: whether a picture can go on in the middle under it."""

    name: str
    class_name: str
    resumes: bool


class Schedulers:
    """What can be made from a pipeline's own scheduler, that one first.

    Args:
        own: The pipeline's.

    Raises:
        ModelUnavailable: it is of a kind that the other schedulers and the pipelines here do not know.
    """

    def __init__(self, own: Any) -> None:
        self._config = own.config
        own_class = type(own).__name__
        if not hasattr(own, "add_noise"):
            raise ModelUnavailable(f"its scheduler {own_class} is none that Fabula knows")
        compatible = {cls.__name__ for cls in own.compatibles}
        if compatible:
            compatible.add("LCMScheduler")  # reads the same configuration; no list of compatible ones has it
        names = [name_of(own)]
        names += [name for name, cls in _OFFERED.items() if cls in compatible and name not in names]
        classes = {names[0]: own_class}
        self.all = tuple(
            Scheduler(name, classes.get(name) or _OFFERED[name], resumes=name in _RESUMES) for name in names
        )

    def named(self, name: str) -> Scheduler:
        """Return one that `all` has."""
        return next(scheduler for scheduler in self.all if scheduler.name == name)

    def make(self, name: str, **config: Any) -> Any:
        """Make a fresh scheduler of the name, with the model's own configuration and what is given."""
        cls = getattr(diffusers, self.named(name).class_name)
        if cls is diffusers.DDIMScheduler and "clip_sample" not in self._config:
            config["clip_sample"] = False  # its default is for pixels, and would cut off latents
        return cls.from_config(self._config, **config)


def name_of(scheduler: Any) -> str:
    """Return what requests call a scheduler that a model brings along."""
    class_name = type(scheduler).__name__
    return _NAMES.get(class_name) or class_name.removesuffix("Scheduler").lower()

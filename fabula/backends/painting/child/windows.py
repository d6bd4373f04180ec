"""Schedulers that begin in the middle: a pipeline's own call denoises a window of the steps, and cannot tell.

diffusers has no way to go on after an interruption: a pipeline takes all timesteps from its scheduler, draws its own
noise, and schedulers keep what they remember of earlier steps in attributes. `open_window` gives one scheduler object
a subclass that

- shows the pipeline only the timesteps of the window, and itself all of them again once the loop has begun;
- takes up, at the loop's first step, what a scheduler remembered at an earlier cut, and the generators with it;
- leaves latents that are given as they are: no scaling of initial noise, no noise added.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch


@dataclass(slots=True)
class Window:
    """Which steps of a schedule are to be done, and with what.

    Attributes:
        first: Index of the first timestep.
        last: Index after the last one.
        continues: Whether the latents are given, rather than made by the pipeline from noise or a picture.
        memory: What the scheduler remembered at a cut; empty where the part begins.
        on_begin: Called right before the first step.
        fresh: The scheduler's attributes as its set-up left them; known from then on.
        finished: What the picture would be if it ended now, as the last step has estimated it; None: not known.
    """

    first: int
    last: int
    continues: bool
    memory: Mapping[str, Any]
    on_begin: Callable[[], None]
    fresh: dict[str, Any] = field(default_factory=dict)
    finished: torch.Tensor | None = None
    timesteps: torch.Tensor | None = None
    has_begun: bool = False


def open_window(scheduler: Any, window: Window) -> Any:
    """Hold a scheduler to a window. It is for one call of one pipeline."""
    base: Any = type(scheduler)
    scheduler.__class__ = _windowed(base)
    scheduler.fabula_window = window
    return scheduler


def changes(scheduler: Any) -> dict[str, Any]:
    """Return what a scheduler remembers: the attributes that have changed since it was set up."""
    fresh = scheduler.fabula_window.fresh
    return {
        name: value
        for name, value in vars(scheduler).items()
        if name not in _OURS and not (name in fresh and _is_same(value, fresh[name]))
    }


_OURS = ("fabula_window", "timesteps", "_internal_dict")


def _begin(scheduler: Any) -> None:
    window: Window = scheduler.fabula_window
    if window.has_begun:
        return
    window.has_begun = True
    scheduler.timesteps = window.timesteps
    for name, value in window.memory.items():
        setattr(scheduler, name, value)
    window.on_begin()


@functools.cache
def _windowed(base: Any) -> type:
    """Return the subclass of a scheduler's class; it has no method that the class does not have."""

    @functools.wraps(base.set_timesteps)
    def set_timesteps(self: Any, *args: Any, **more: Any) -> None:
        base.set_timesteps(self, *args, **more)
        window: Window = self.fabula_window
        window.timesteps = self.timesteps
        window.fresh = {name: _copy(value) for name, value in vars(self).items()}
        self.timesteps = self.timesteps[window.first : window.last]

    @functools.wraps(base.step)  # pipelines look at its signature
    def step(self: Any, model_output: Any, timestep: Any, sample: Any, *args: Any, **more: Any) -> Any:
        _begin(self)
        result = base.step(self, model_output, timestep, sample, *args, **more)
        self.fabula_window.finished = _finished(self, result)
        return result

    own = {name: method for name, method in _where_there(base).items() if hasattr(base, name)}
    own |= {"set_timesteps": set_timesteps, "step": step, "init_noise_sigma": _init_noise_sigma(base)}
    return type(base.__name__, (base,), own)


def _where_there(base: Any) -> dict[str, Any]:
    """Return the methods that only some schedulers have, held to the window."""

    def set_begin_index(self: Any, begin_index: int = 0) -> None:
        base.set_begin_index(self, begin_index + self.fabula_window.first)

    def scale_model_input(self: Any, sample: Any, *args: Any, **more: Any) -> Any:
        _begin(self)
        return base.scale_model_input(self, sample, *args, **more)

    def add_noise(self: Any, original_samples: Any, noise: Any, timesteps: Any) -> Any:
        if self.fabula_window.continues:
            return original_samples
        return base.add_noise(self, original_samples, noise, timesteps)

    return {"set_begin_index": set_begin_index, "scale_model_input": scale_model_input, "add_noise": add_noise}


def _init_noise_sigma(base: type) -> property:
    inherited = getattr(base, "init_noise_sigma", None)  # a property in some classes, an attribute in others

    def read(self: Any) -> Any:
        if self.fabula_window.continues:
            return 1.0
        return inherited.__get__(self) if isinstance(inherited, property) else vars(self)["init_noise_sigma"]

    def write(self: Any, value: Any) -> None:
        vars(self)["init_noise_sigma"] = value

    return property(read, write)


def _finished(scheduler: Any, result: Any) -> torch.Tensor | None:
    """Find a step's estimate of the finished latents: beside the result, or in what multistep solvers remember."""
    if isinstance(result, tuple) and len(result) > 1 and isinstance(result[1], torch.Tensor):
        return result[1]
    predicts = getattr(scheduler, "predict_x0", None) or (
        getattr(scheduler.config, "algorithm_type", "") in {"dpmsolver++", "sde-dpmsolver++"}
    )
    outputs = getattr(scheduler, "model_outputs", None)
    if predicts and isinstance(outputs, list) and isinstance(outputs[-1], torch.Tensor):
        return outputs[-1]
    return None


def _copy(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value


def _is_same(value: Any, fresh: Any) -> bool:
    if isinstance(value, list) and isinstance(fresh, list):
        return len(value) == len(fresh) and all(map(_is_same, value, fresh))
    if isinstance(value, (bool, int, float, str)):
        return type(value) is type(fresh) and value == fresh
    return value is fresh

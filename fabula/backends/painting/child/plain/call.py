"""How a pipeline wants to be called, as the signature of its call says; and whether words are enough for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

# How strongly the prompt is followed: the first of these that has a number as its default.
_GUIDANCES = ("guidance_scale", "true_cfg_scale", "distilled_guidance_scale")
_NEEDED = ("prompt", "num_inference_steps", "num_images_per_prompt", "generator", "output_type")
_PICTURES = ("image", "images", "mask_image", "control_image")
# Networks that follow a picture, whatever the call says.
_FOLLOWERS = ("controlnet", "adapter")
_NEW_CALLBACK, _OLD_CALLBACK = "callback_on_step_end", "callback"


class WordsAreNotEnough(Exception):
    """A pipeline is no text-to-image pipeline, or none whose steps can be followed; the message completes "it …"."""


@dataclass(frozen=True, slots=True)
class Call:
    """How a pipeline's call takes what a spec says.

    Attributes:
        takes: The call's parameters.
        guidance: Which of them is the guidance; empty where there is none.
        steps_callback: Which of them is told of each step.
    """

    takes: Mapping[str, inspect.Parameter]
    guidance: str
    steps_callback: str

    @classmethod
    def of(cls, pipeline_class: Any, *, from_picture: bool = False) -> Call:
        """Read the signature of a pipeline's call.

        Args:
            pipeline_class: The pipeline's class.
            from_picture: Whether it is to paint from a picture, given with a strength.

        Raises:
            WordsAreNotEnough: it cannot be called with what a spec has.
        """
        takes = {
            name: parameter
            for name, parameter in inspect.signature(pipeline_class.__call__).parameters.items()
            if name != "self" and parameter.kind is not inspect.Parameter.VAR_KEYWORD
        }
        if reason := _objection(pipeline_class, takes, from_picture=from_picture):
            raise WordsAreNotEnough(reason)
        guidance = next((name for name in _GUIDANCES if name in takes and _is_number(takes[name].default)), "")
        return cls(takes, guidance, _NEW_CALLBACK if _NEW_CALLBACK in takes else _OLD_CALLBACK)

    @property
    def takes_negative_prompt(self) -> bool:
        """Whether a negative prompt has an effect with this guidance alone.

        Flux takes one beside a second guidance, which a spec does not have.
        """
        return "negative_prompt" in self.takes and (
            self.guidance != "guidance_scale" or _GUIDANCES[1] not in self.takes
        )

    def default(self, name: str) -> Any:
        """Return a parameter's default; None where there is no such parameter, or it has none."""
        parameter = self.takes.get(name)
        return None if parameter is None or parameter.default is inspect.Parameter.empty else parameter.default

    def only_known(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of some arguments that the call takes."""
        return {name: value for name, value in arguments.items() if name in self.takes}


def _objection(pipeline_class: Any, takes: Mapping[str, inspect.Parameter], *, from_picture: bool) -> str:
    if any("frame" in name or "video" in name for name in takes):
        return "makes videos"
    if any("audio" in name for name in takes):
        return "makes sound"
    if "Prior" in pipeline_class.__name__:
        return "makes what another pipeline paints from; save the combined one into one folder"
    given = {*_NEEDED, *(("image", "strength") if from_picture else ("width", "height"))}
    more = [name for name, value in takes.items() if value.default is inspect.Parameter.empty and name not in given]
    if more:
        return f"needs more than words: {', '.join(more)}"
    followed = [name for name in _PICTURES if name in takes and not (from_picture and name == "image")]
    built_of = inspect.signature(pipeline_class.__init__).parameters
    if any(name in built_of for name in _FOLLOWERS) or (followed and not _does_without(pipeline_class, followed)):
        return "works on a picture that is given to it"
    if missing := sorted(given - takes.keys()):
        return f"does not paint pictures from words: its call takes no {' and no '.join(missing)}"
    if _NEW_CALLBACK not in takes and _OLD_CALLBACK not in takes:
        return "tells nobody of its steps: its call takes no callback"
    return ""


def _does_without(pipeline_class: Any, followed: list[str]) -> bool:
    """Whether a call that takes pictures does without them: the library lists it among those that paint from words."""
    names = {cls.__name__ for cls in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()}
    return pipeline_class.__name__ in names and not {"mask_image", "control_image"} & set(followed)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)

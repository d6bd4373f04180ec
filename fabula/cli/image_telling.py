"""What the watcher of a picture is told: which model paints, what it does not read, what came out. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fabula.cli.telling import Item, Remark, Teller, count, took


class ImageTeller(Teller):
    """Tells of pictures."""

    def finished(self, response: Any, body: Any) -> Item:
        """Return what is told when a stage is finished."""
        match response.WhichOneof("output"):
            case "encoded" if response.encoded.dropped:
                limit, dropped = response.encoded.limit, response.encoded.dropped.strip()
                return Remark(f"The model reads {limit} tokens; it does not see the end: “{dropped}”", "warning")
            case "denoised":
                steps = count(response.denoised.steps, "step")
                return Remark(f"{response.denoised.model}: {steps} ({took(body)})", detail=True)
            case _:
                return super().finished(response, body)

    def succeeded(self, response: Any) -> str:
        """Return the line that says what came out of it."""
        image = response.image
        return f"Finished: {describe(image)}"


class AvatarTeller(ImageTeller):
    """Tells of a picture whose prompt was written by a service: what the model does not read of it is not told."""

    def tell(self, response: Any) -> Iterator[Item]:
        """Yield what a WatchProgressResponse brings."""
        if response.event.WhichOneof("body") != "log_line":
            yield from super().tell(response)

    def finished(self, response: Any, body: Any) -> Item:
        """Return what is told when a stage is finished."""
        if response.WhichOneof("output") == "encoded":
            return Remark(f"{body.stage} finished ({took(body)})", detail=True)
        return super().finished(response, body)

    def succeeded(self, _response: Any) -> str:
        """Return the line that says what came out of it."""
        return "The avatar is painted"


def describe(image: Any) -> str:
    """Return what there is to say of finished pictures: how many, how large, by whom, from which seed."""
    parts = [count(len(image.pictures), "picture")]
    if image.pictures:
        parts[0] += f" of {image.pictures[0].width} × {image.pictures[0].height}"
    steps = f"{image.base_steps} + {image.refiner_steps}" if image.refiner else f"{image.base_steps}"
    by = f"{image.model} and {image.refiner}" if image.refiner else image.model
    return ", ".join([*parts, f"by {by}", f"{steps} steps", f"seed {image.seed}"])

"""From the options of `fabula image` to a request."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fabula.api.image.v1 import image_pb2
from fabula.api.image.v1.image_pb2 import ImageRequest, Source
from fabula.cli.files import read_file
from fabula.cli.saving import STANDARD_OUTPUT
from fabula.errors import InvalidRequest

LARGEST_SOURCE_MIB = 10
FORMATS = {"png": image_pb2.FORMAT_PNG, "webp": image_pb2.FORMAT_WEBP, "jpeg": image_pb2.FORMAT_JPEG}
_SUFFIXES = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
_SUFFIX_OF = {"png": "png", "webp": "webp", "jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class ImageWishes:
    """What the command line asks for; None and empty mean that nothing was said."""

    prompt: str = ""
    negative_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    count: int | None = None
    scheduler: str | None = None
    use_refinement: bool | None = None
    handover: float | None = None
    high_quality: bool = False
    source: Path | None = None
    strength: float | None = None
    preview_interval: int | None = None

    def request(self, format_: str) -> ImageRequest:
        """Return the request, for pictures of this format ("png", "webp", "jpeg").

        Raises:
            InvalidRequest: something cannot be used; the message names the option.
        """
        request = ImageRequest(prompt=self.prompt, high_quality=self.high_quality, format=FORMATS[format_])
        try:
            for name in _SAME_NAME:
                if (value := getattr(self, name)) is not None:
                    setattr(request, name, value)
        except ValueError as error:  # protobuf's own: a number that its field cannot hold
            raise InvalidRequest(f"A number is out of range: {error}.") from error
        if self.source is not None:
            request.source.CopyFrom(read_picture(self.source))
        return request


_SAME_NAME = (
    "negative_prompt", "width", "height", "steps", "guidance", "seed", "count", "scheduler", "use_refinement",
    "handover", "strength", "preview_interval",
)  # fmt: skip


def format_of(format_: str | None, output: Path | None) -> str:
    """Return the format that is asked for: by name, else by the file's suffix, else PNG.

    Raises:
        InvalidRequest: there is no such format, or the two contradict each other.
    """
    if format_ is not None and format_ not in FORMATS:
        raise InvalidRequest(f"--format {format_!r} is not known; there are: {', '.join(FORMATS)}.")
    if output is None or output == STANDARD_OUTPUT:
        return format_ or "png"
    by_suffix = _SUFFIXES.get(output.suffix.lower())
    if by_suffix is None:
        known = ", ".join(_SUFFIXES)
        raise InvalidRequest(f"-o {output}: the suffix says how a picture is stored; there are: {known}.")
    if format_ is not None and format_ != by_suffix:
        raise InvalidRequest(f"--format {format_} and -o {output} contradict each other: give one of them.")
    return by_suffix


def suffix_of(format_: str) -> str:
    """Return the suffix of files of a format."""
    return _SUFFIX_OF[format_]


def read_picture(path: Path) -> Source:
    """Read the picture to start from; `-` is standard input. The service finds out what it is.

    Raises:
        InvalidRequest: it cannot be read, is empty or too large.
    """
    name, data = read_file(path, "--from", LARGEST_SOURCE_MIB)
    return Source(name=name, data=data)

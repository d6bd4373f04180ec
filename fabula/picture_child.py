"""The process in which one uploaded picture is read: the file comes on standard input, what becomes of it goes out.

    python -m fabula.picture_child < FILE > ANSWER

The answer is one line of JSON, `{"width": …, "height": …}` and behind it the file of the clean picture, or
`{"refused": "…"}`. Decoders are fed with anything by anybody: here their time and memory are bounded by the kernel,
and what they do wrong ends nobody else. It must not know who asks, nor anything of the settings.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import warnings
from contextlib import suppress

from fabula.errors import InvalidRequest

CPU_SECONDS = 8
"""Computing time after which the kernel ends the process: a good picture of the largest size needs three."""

REAL_SECONDS = 60
"""The same in real time, for a machine that has too much to do."""

MEMORY_BYTES = 1536 * 1024 * 1024
"""Most memory that the process may ask for: a good picture of the largest size needs two thirds of it."""


def bound() -> None:
    """Have the kernel end this process when it takes too long, and refuse it memory beyond its share."""
    signal.alarm(REAL_SECONDS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # not every system bounds memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    """Read a file, and answer."""
    bound()
    from fabula.pictures import clean  # noqa: PLC0415 - within the bounds

    warnings.simplefilter("ignore")
    data = sys.stdin.buffer.read()
    try:
        picture = clean(data)
    except InvalidRequest as error:
        _answer({"refused": error.message})
    else:
        _answer({"width": picture.width, "height": picture.height}, picture.data)


def _answer(head: dict[str, object], data: bytes = b"") -> None:
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()

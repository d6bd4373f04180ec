"""Reads damaged files one after the other, in a process of its own, and tells what that has cost.

    python -m tests.integration.uploads.reading SEED COUNT PLACE

The number of the file that is being read stands in PLACE: who finds the process dead knows which it was.
"""

from __future__ import annotations

import ctypes
import gc
import io
import json
import os
import signal
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from PIL import Image

from bench.processes import private_bytes
from fabula.errors import InvalidRequest
from fabula.picture_child import CPU_SECONDS
from fabula.pictures import KEPT_PIXELS, MAX_SIDE, clean
from tests.integration.uploads.damage import damaged

MARKS = 10
"""So often the process's memory is looked at."""


@dataclass(slots=True)
class Account:
    """What came of it.

    Attributes:
        read: Files that were pictures.
        refused: Files that were not, by the first words of the answer.
        wrong: What must not be: an error of another kind, or a picture beyond the bounds; by file.
        slowest: The longest that one took to read, in seconds of computing.
        held_bytes: The process's own memory after each tenth.
        peak_bytes: Most memory that it ever had.
    """

    read: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slowest: float = 0.0
    held_bytes: list[int] = field(default_factory=list)
    peak_bytes: int = 0


def read(account: Account, seed: str) -> None:
    """Read one file."""
    name, data = damaged(seed)
    begun = time.process_time()
    try:
        picture = clean(data)
    except InvalidRequest as error:
        said = error.message.partition(":")[0]
        account.refused[said] = account.refused.get(said, 0) + 1
    except BaseException as error:  # noqa: BLE001 - whatever else it is, it is wrong
        account.wrong.append(f"{seed} ({name}): {error!r}")
    else:
        account.read += 1
        image = Image.open(io.BytesIO(picture.data))
        image.load()
        right = (image.format, image.mode, image.size, image.info) == (
            "PNG",
            "RGB",
            (picture.width, picture.height),
            {},
        )
        if not right or image.width * image.height > KEPT_PIXELS or max(image.size) > MAX_SIDE:
            account.wrong.append(f"{seed} ({name}): a picture {image}")
    account.slowest = max(account.slowest, time.process_time() - begun)


def held_bytes() -> int:
    """Return what this process holds, without what the allocator keeps back for the next picture."""
    gc.collect()
    with suppress(AttributeError, OSError):  # not every C library can be asked
        ctypes.CDLL(None).malloc_trim(0)
    return private_bytes(os.getpid())


def peak_bytes() -> int:
    """Return the most memory that this program ever had; `getrusage` would count that of the process it came from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main(seed: str, count: int, place: str) -> None:
    """Read so many."""
    warnings.simplefilter("ignore")
    account = Account()
    with open(place, "wb", buffering=0) as mark:  # noqa: PTH123 - a plain file of eight bytes
        for number in range(count):
            os.pwrite(mark.fileno(), b"%8d" % number, 0)
            signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # ends the process: what takes longer hangs
            read(account, f"{seed}/{number}")
            if (number + 1) % (count // MARKS) == 0:
                account.held_bytes.append(held_bytes())
    signal.setitimer(signal.ITIMER_PROF, 0)
    account.peak_bytes = peak_bytes()
    sys.stdout.write(json.dumps(asdict(account)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])

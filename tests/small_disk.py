"""A disk of some megabytes that a test may fill, without being root: a mount in a namespace of its own.

Everybody reaches it by way of the process that holds the namespace: `/proc/<its id>/root/…`.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SIZE_BYTES = 64 << 20
_BALLAST_STEP = bytes(1 << 16)
_MOUNT = 'mount -t tmpfs -o size="$1",mode=0700 none "$0" && echo mounted && exec sleep infinity'
_WAYS = (("unshare", "--mount", "--map-root-user"), ("unshare", "--mount"))
"""A namespace of users and mounts; of mounts alone, where only root may, but root may."""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A disk.

    Attributes:
        folder: The whole of it.
    """

    folder: Path

    @property
    def free_bytes(self) -> int:
        """How much may still be written."""
        status = os.statvfs(self.folder)
        return status.f_bavail * status.f_frsize

    def fill(self) -> None:
        """Write ballast until nothing more fits, not a single page."""
        ballast = os.open(self._ballast, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        step = len(_BALLAST_STEP)
        try:
            while step:
                try:
                    os.write(ballast, _BALLAST_STEP[:step])
                except OSError:
                    step //= 2
        finally:
            os.close(ballast)

    def clear(self) -> None:
        """Take the ballast away."""
        self._ballast.unlink()

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


@contextmanager
def small_disk(folder: Path, size_bytes: int = SIZE_BYTES) -> Iterator[SmallDisk]:
    """Mount a small disk while the block lasts; skip the test where the system lets nobody mount."""
    folder.mkdir()
    refusals = []
    for way in _WAYS:
        command = (*way, "sh", "-c", _MOUNT, str(folder), str(size_bytes))
        try:
            holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        except OSError as error:
            refusals.append(f"{way[0]}: {error.strerror}")
            continue
        try:
            assert holder.stdout is not None
            if holder.stdout.readline() == "mounted\n":
                yield SmallDisk(Path(f"/proc/{holder.pid}/root{folder}"))
                return
            refusals.append(holder.communicate()[1].strip())
        finally:
            holder.kill()
            holder.communicate()
    pytest.skip(f"no small disk can be mounted here, with or without root: {'; '.join(refusals)}")

"""Reads the file that a request is made from."""

from __future__ import annotations

import sys
from pathlib import Path

from fabula.errors import InvalidRequest

MIB = 1024 * 1024


def read_file(path: Path, option: str, largest_mib: int) -> tuple[str, bytes]:
    """Return a file's name and bytes; `-` is standard input, and has no name.

    Args:
        path: The file.
        option: The option that names it, for messages.
        largest_mib: Most of it that a service takes.

    Raises:
        InvalidRequest: it cannot be read, is empty or too large.
    """
    piped = str(path) == "-"
    try:
        data = sys.stdin.buffer.read(largest_mib * MIB + 1) if piped else path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{option} {path} cannot be read: {error.strerror}.") from error
    if not data:
        raise InvalidRequest(f"{option} {path} is empty.")
    if len(data) > largest_mib * MIB:
        raise InvalidRequest(f"{option} {path} is larger than {largest_mib} MiB.")
    return "" if piped else path.name[:255], data

"""Where results are saved: which names, and never over something that is there already unless that is meant."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from fabula.errors import Conflict, InvalidRequest, Unavailable

LONGEST_NAME = 48
STANDARD_OUTPUT = Path("-")


def numbered(output: Path, count: int) -> list[Path]:
    """Return the names of so many results: `castle.png`, or for several `castle-1.png` and so on."""
    if count == 1 or output == STANDARD_OUTPUT:
        return [output] * count
    return [output.with_name(f"{output.stem}-{number}{output.suffix}") for number in range(1, count + 1)]


def name_for(text: str, suffix: str, count: int, folder: Path = Path()) -> Path:
    """Return a name made of what was asked for, under which nothing lies yet in the folder."""
    plain = unicodedata.normalize("NFKC", text).lower()
    stem = "-".join(re.findall(r"[^\W_]+", plain))[:LONGEST_NAME].strip("-") or "picture"
    number, name = 1, folder / f"{stem}.{suffix}"
    while any(path.exists() for path in (name, *numbered(name, count))):
        number += 1
        name = folder / f"{stem}-{number}.{suffix}"
    return name


def refuse_existing(paths: Sequence[Path], *, force: bool) -> None:
    """Check that nothing would be lost, before the work is begun.

    Raises:
        Conflict: something lies there.
        InvalidRequest: the folder is not there.
    """
    for path in paths:
        if path == STANDARD_OUTPUT:
            continue
        if not path.parent.is_dir():
            raise InvalidRequest(f"There is no folder {path.parent} to save in.")
        if path.is_dir():
            raise InvalidRequest(f"{path} is a folder: give -o a file's name.")
        if path.exists() and not force:
            raise _exists(path)


def save(path: Path, data: bytes, *, force: bool) -> None:
    """Write a file, whole or not at all.

    Raises:
        Conflict: something lies there, and `force` is not given.
        Unavailable: it cannot be written.
    """
    begun = path.with_name(f".{path.name}.part") if force else path
    try:
        with begun.open("wb" if force else "xb") as file:
            _write(file, begun, data)
        if force:
            begun.replace(path)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}.", path=str(path)) from error


def _write(file: BinaryIO, path: Path, data: bytes) -> None:
    try:
        file.write(data)
        file.flush()
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _exists(path: Path) -> Conflict:
    return Conflict(f"{path} is there already: choose another name with -o, or add --force.", path=str(path))

"""What runs: the file `up.json` in the data directory, for people, `fabula doctor` and tests."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "up.json"


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """One process.

    Attributes:
        name: As in the log.
        phase: Where it stands: "ready" when it does its work.
        pid: Its id; None while there is none.
        restarts: How often it was started again.
    """

    name: str
    phase: str
    pid: int | None
    restarts: int


@dataclass(frozen=True, slots=True)
class UpStatus:
    """A system that `fabula up` runs.

    Attributes:
        pid: Of `fabula up` itself.
        ready: Whether everything has been ready once.
        url: Of the web page.
        addresses: Of the generators' servers, by kind.
        nats_url: Of the private NATS server; empty where another is used (a password may stand in its address).
        processes: In the order of their start.
    """

    pid: int
    ready: bool
    url: str
    addresses: Mapping[str, str]
    nats_url: str
    processes: tuple[ProcessStatus, ...]

    def pid_of(self, name: str) -> int | None:
        """Return the id of a process; None while there is none."""
        return next((process.pid for process in self.processes if process.name == name), None)


def write_status(data_dir: Path, status: UpStatus) -> None:
    """Replace the file; a reader sees the old or the new one, never half of it."""
    fresh = data_dir / f"{FILE_NAME}.new"
    fresh.write_text(json.dumps(asdict(status), indent=2) + "\n")
    fresh.replace(data_dir / FILE_NAME)


def remove_status(data_dir: Path) -> None:
    """Remove the file: nothing runs any more."""
    (data_dir / FILE_NAME).unlink(missing_ok=True)


def read_status(data_dir: Path) -> UpStatus | None:
    """Return what runs on this data directory; None if nothing does, or what was there has died."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        status = _from_json(json.loads((data_dir / FILE_NAME).read_text()))
        os.kill(status.pid, 0)
        return status
    return None


def _from_json(fields: Mapping[str, object]) -> UpStatus:
    listed = fields["processes"]
    if not isinstance(listed, list):
        raise TypeError("processes")
    processes = tuple(ProcessStatus(**process) for process in listed)
    return UpStatus(**{**fields, "processes": processes})  # type: ignore[arg-type]  # written by ourselves

"""The program of a generator: `python -m services.KIND [server|worker]`, and with no word both in one process."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fabula import logs
from fabula.journal.settings import JournalSettings
from fabula.rpc.server import Listen
from fabula.rpc.tls import tls_of
from fabula.runtime import Part, run
from fabula.settings import load_or_exit
from fabula.settings.parts import JournalSettings as JournalPart
from fabula.settings.parts import WorkerHealthSettings


@dataclass(frozen=True, slots=True)
class Role:
    """What a process of a generator may be.

    Attributes:
        settings: Class of the settings that it reads.
        parts: Make what runs, from such settings.
    """

    settings: type[JournalPart]
    parts: Sequence[Callable[[Any], Part]]


@dataclass(frozen=True, slots=True)
class Program:
    """The processes of one generator.

    Attributes:
        kind: The generator's name.
        server: Answers rpcs.
        worker: Does the work.
        both: The two in one process.
    """

    kind: str
    server: Role
    worker: Role
    both: Role

    def main(self, arguments: list[str]) -> None:
        """Run what the arguments name, until it is asked to stop; exit with 2 if they name nothing."""
        match arguments:
            case ["server"]:
                _run(self.server, f"{self.kind}-server")
            case ["worker"]:
                _run(self.worker, f"{self.kind}-worker")
            case []:
                _run(self.both, self.kind)
            case _:
                usage = f"usage: python -m services.{self.kind} [server|worker]\n"
                sys.stderr.write(f"{usage}With no word, server and worker run in one process.\n")
                raise SystemExit(0 if arguments in (["-h"], ["--help"]) else 2)


def health_of(settings: WorkerHealthSettings) -> Listen | None:
    """Return where a worker answers health checks; None: nowhere."""
    if settings.worker_port is None:
        return None
    return Listen(settings.worker_host, settings.worker_port, settings.drain_seconds, tls_of(settings))


def _run(role: Role, name: str) -> None:
    settings = load_or_exit(role.settings)
    logs.configure(settings, name)
    journal = JournalSettings(
        url=settings.nats_url,
        name=name,
        replicas=settings.nats_replicas,
        lease_seconds=settings.lease_seconds,
        owner_running=settings.owner_running,
    )
    run(journal, *(part(settings) for part in role.parts))

"""Runs docker-compose.yml without Docker: each service's own command, environment and health check, as local processes.

What a container brings is translated: its ports become free ones on loopback, the other services' host names and all
addresses of the container become 127.0.0.1, and mounted paths become paths here. The rest is what the file says.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PROXY = "grpcwebproxy"
"""Built from source for its image; what needs it is left out where it is not on PATH."""
POLL_SECONDS = 0.1
START_SECONDS = 150.0
"""Generous, on a busy machine: a service that dies is noticed at once."""

STOP_SECONDS = 10.0

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_PORT = re.compile(r"(?<![\d.])(4222|8222|808[0-3]|50\d{3})(?![\d.])")


def interpolate(value: Any, variables: Mapping[str, str]) -> Any:
    """Fill in `${NAME}` and `${NAME:-default}`, as Compose does: an empty variable takes the default as well."""
    match value:
        case str():
            return _VARIABLE.sub(lambda found: variables.get(found[1]) or found[2] or "", value)
        case list():
            return [interpolate(item, variables) for item in value]
        case dict():
            return {key: interpolate(item, variables) for key, item in value.items()}
        case _:
            return value


def read(variables: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the services that the file describes, in its order."""
    services: dict[str, Any] = interpolate(yaml.safe_load(FILE.read_text()), variables or {})["services"]
    return services


@dataclass
class Composition:
    """The services of the file as processes here.

    Args:
        services: What the file says of each.
        folder: For data and logs.
    """

    services: dict[str, Any]
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    findings: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def address(self, port: int) -> str:
        """Return where a container's port is here."""
        return f"127.0.0.1:{self._port(str(port))}"

    def up(self) -> None:
        """Start each service as soon as those it depends on are healthy, until all are."""
        healthy: set[str] = set()
        deadline = time.monotonic() + START_SECONDS
        while healthy != set(self.services):
            for name in self.services:
                if name not in self.processes and self._needs(name) <= healthy:
                    self._start(name)
                if name in self.processes and name not in healthy and self.is_healthy(name):
                    healthy.add(name)
            late = set(self.services) - healthy
            for name in late & set(self.processes):
                assert self.processes[name].poll() is None, f"{name} has ended:\n{self.log(name)}"
            assert not late or time.monotonic() < deadline, f"not healthy in time: {late}\n{self._logs(late)}"
            time.sleep(POLL_SECONDS)

    def down(self) -> dict[str, int]:
        """Stop all with SIGTERM, those that depend on others first; return their exit codes."""
        codes = {}
        for name, process in reversed(self.processes.items()):
            process.send_signal(signal.SIGTERM)
            try:
                codes[name] = process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        return codes

    def is_healthy(self, name: str) -> bool:
        """Run the service's own health check once."""
        check = self.services[name]["healthcheck"]
        kind, *command = check["test"]
        if kind == "CMD-SHELL":
            command = ["sh", "-c", *command]
        else:
            assert kind == "CMD"
        return self._run(name, command, seconds=float(check["timeout"].removesuffix("s"))) == 0

    def log(self, name: str) -> str:
        """Return what the service has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def _logs(self, names: set[str]) -> str:
        return "\n".join(
            f"--- {name}: {self.findings.get(name, '')}\n{self.log(name)}" for name in names if name in self.processes
        )

    def _needs(self, name: str) -> set[str]:
        return set(self.services[name].get("depends_on", {}))

    def _start(self, name: str) -> None:
        command = [self._here(name, part) for part in self.services[name]["command"]]
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self._environment(name), cwd=self.folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def _run(self, name: str, command: list[str], seconds: float) -> int | None:
        translated = [self._here(name, part) for part in command]
        if translated[0] == "wget" and shutil.which("wget") is None:
            look = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=3)"
            translated = [sys.executable, "-c", look, translated[-1]]
        try:
            done = subprocess.run(
                translated,
                env=self._environment(name),
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            self.findings[name] = "the health check was not done in time"
            return None
        self.findings[name] = done.stdout.strip()
        return done.returncode

    def _environment(self, name: str) -> dict[str, str]:
        """What the file sets and nothing of this process's own, as in a container."""
        own = {key: self._here(name, value) for key, value in self.services[name].get("environment", {}).items()}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(self.folder), "LANG": "C.UTF-8", **own}

    def _here(self, name: str, text: str) -> str:
        for volume in self.services[name].get("volumes", []):
            source, target, *_ = volume.split(":")
            text = text.replace(target, str(ROOT / source if source.startswith(".") else self.folder / source))
        if text.startswith((str(ROOT), str(self.folder))):
            return text
        text = text.replace("0.0.0.0", "127.0.0.1")
        for host in self.services:  # a name alone may be a module's
            text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?=:\d)", "127.0.0.1", text)
        return _PORT.sub(lambda found: str(self._port(found[1])), text)

    def _port(self, port: str) -> int:
        if port not in self.ports:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.ports[port] = free.getsockname()[1]
        return self.ports[port]


@contextmanager
def composed(folder: Path, variables: Mapping[str, str]) -> Iterator[Composition]:
    """Bring everything up, and leave nothing behind."""
    services = read(variables)
    if shutil.which(PROXY) is None:
        services = {name: service for name, service in services.items() if service["command"][0] != PROXY}
    composition = Composition(services, folder)
    try:
        composition.up()
        yield composition
    finally:
        composition.down()

"""Ports of this machine."""

from __future__ import annotations

import socket

from fabula.errors import Conflict


def is_free(host: str, port: int) -> bool:
    """Say whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: connections that have just been closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose_free(host: str) -> int:
    """Return a port that is free now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def in_a_row(first: int | None, host: str, count: int) -> list[int]:
    """Return so many ports: `first` and those that follow it, or, if none is given, some that are free now."""
    if first is not None:
        return list(range(first, first + count))
    chosen: set[int] = set()
    while len(chosen) < count:
        chosen.add(choose_free(host))
    return list(chosen)


def refuse_busy(host: str, port: int, what: str, flag: str, variable: str) -> None:
    """Raise `Conflict`, with what to do, where a port is taken."""
    if not is_free(host, port):
        raise Conflict(
            f"Port {port} on {host} is in use by another program; {what} needs it. "
            f"Choose another with {flag} or {variable}.",
            port=str(port),
        )


def reached_at(host: str, port: int) -> str:
    """Return `HOST:PORT` under which a server that binds `host` is reached from this machine."""
    match host:
        case "0.0.0.0":  # noqa: S104 - it is only compared
            host = "127.0.0.1"
        case "::":
            host = "[::1]"
        case _ if ":" in host:
            host = f"[{host}]"
    return f"{host}:{port}"

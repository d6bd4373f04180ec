"""What a setting may be: types, and the checks behind them."""

from __future__ import annotations

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

PREFIX = "FABULA_"


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a server that binds `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _nats_address(url: str) -> str:
    for server in url.split(","):
        scheme, separator, rest = server.strip().partition("://")
        if not (separator and rest and scheme in {"nats", "tls", "ws", "wss"}):
            raise ValueError("is not a NATS address: nats://HOST:4222, or several of them with commas between")
    return url


def _odd_few(replicas: int) -> int:
    if replicas not in {1, 3, 5}:
        raise ValueError("should be 1, 3 or 5")
    return replicas


def _known_device(device: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ValueError("should be auto, cpu, mps, cuda or cuda:N")
    return device


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_origin(origin.lower()) for origin in origins)


def _origin(origin: str) -> str:
    """Return an origin as browsers send it (RFC 6454, section 6.2): without the port that its scheme has anyway."""
    match = re.fullmatch(r"(https?)://([^/?#\s@]+)", origin)
    if match is None or not origin.isascii():
        raise ValueError("should be origins as browsers name them, https://HOST or http://HOST:PORT, commas between")
    scheme, host = match.groups()
    return f"{scheme}://{host.removesuffix(':443' if scheme == 'https' else ':80')}"


def _networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError("should be addresses or networks, e.g. 10.0.0.0/8, with commas between") from None
    return networks


def home_of_data() -> Path:
    """Return where data of a person's programs lies."""
    root = os.environ.get("XDG_DATA_HOME", "")  # the specification: relative paths are invalid and to be ignored
    return (Path(root) if Path(root).is_absolute() else Path.home() / ".local" / "share") / "fabula"


Port = Annotated[int, Field(ge=1, le=65535)]
NatsUrl = Annotated[str, AfterValidator(_nats_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Replicas = Annotated[int, AfterValidator(_odd_few)]
Device = Annotated[str, AfterValidator(_known_device)]
Origins = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_origins)]
Networks = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_networks)]

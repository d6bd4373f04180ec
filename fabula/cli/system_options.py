"""Options of the commands about the system itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HealthAddress = Annotated[
    str, typer.Argument(help="HOST:PORT of a gRPC server, or http://HOST:PORT/healthz.", show_default=False)
]
Service = Annotated[str, typer.Option(help="Full name of a gRPC service.", show_default=False)]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait.")]
TlsCa = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Who signs a gRPC server's certificate.", envvar="FABULA_TLS_CA", show_default=False
    ),
]
Owner = Annotated[str, typer.Option(metavar="NAME", help="Whose it is.")]
Hours = Annotated[float, typer.Option(min=0.01, max=24 * 365, help="How long it holds.")]

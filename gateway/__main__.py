"""Starts the gateway: `python -m gateway`. Its settings come from the environment; see docs/settings.md."""

from __future__ import annotations

import sys

from fabula.logs import configure
from fabula.settings import GatewaySettings, load_or_exit
from gateway.server import serve

if sys.platform == "win32":
    from asyncio import run
else:
    from uvloop import run


def main() -> None:
    """Run the gateway until it is asked to stop."""
    settings = load_or_exit(GatewaySettings)
    configure(settings, "gateway")
    run(serve(settings))


if __name__ == "__main__":
    main()

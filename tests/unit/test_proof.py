"""The counts, seeds and records of the counted tests, and the page that is made of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import proof

PAGE_SCRIPT = Path(__file__).parents[2] / "scripts" / "proof_page.py"


@pytest.fixture(autouse=True)
def seed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have seeds drawn anew, and forget them afterwards."""
    monkeypatch.setenv("FABULA_SEED", "5")
    proof._seed.cache_clear()
    yield
    proof._seed.cache_clear()


def test_a_normal_test_does_a_tenth_of_each_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth, at least one; all of them in a proof."""
    monkeypatch.setattr(proof, "PROOF", 1)
    assert [5, 1] == [proof.share_of(50), proof.share_of(3)]
    monkeypatch.setattr(proof, "PROOF", proof.FULL_PROOF)
    assert [50, 3] == [proof.share_of(50), proof.share_of(3)]


def test_a_run_can_be_repeated_alone(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The seed that stands in the output gives that run again, with the same chance, and no other."""
    monkeypatch.setattr(proof, "PROOF", 3)
    drawn = [run.chance.random() for run in proof.runs("kills", 10)]
    assert 3 == len(set(drawn))
    assert "kills: run 2 of 3; again alone with FABULA_SEED=5/2\n" in capsys.readouterr().out

    monkeypatch.setenv("FABULA_SEED", "5/2")
    proof._seed.cache_clear()
    assert [(2, drawn[1])] == [(run.number, run.chance.random()) for run in proof.runs("kills", 10)]
    assert [2] == [run.number for run in proof.runs("cuts")]


def test_the_spread_of_times_is_made_of_times_that_occurred() -> None:
    """By nearest rank: of 1 to 200, half are at most 100, and 99 of 100 at most 198."""
    assert {"p50": 100, "p99": 198, "max": 200} == proof.spread(range(200, 0, -1))
    assert {} == proof.spread([])


def test_the_page_has_a_line_for_each_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was recorded stands in the table, times and further figures with it; nothing is written of nothing."""
    records, page = tmp_path / "records", tmp_path / "page.md"
    monkeypatch.setenv(proof.RECORDS, str(records))
    assert 1 == subprocess.run([sys.executable, PAGE_SCRIPT, records, page], check=False).returncode
    assert not page.exists()

    proof.record(what="cuts", runs=1000, outcome="1…N", figures={"by gRPC": 240})
    proof.record(what="kills", runs=50, outcome="SUCCEEDED", seconds=[0.1, 0.2, 0.4])
    proof.record(what="gateway", runs=50, outcome="SUCCEEDED", section="By door")
    assert 5 == json.loads(records.read_text().splitlines()[0])["seed"]
    subprocess.run([sys.executable, PAGE_SCRIPT, records, page], check=True)
    lines = page.read_text().splitlines()
    assert "| cuts | 1,000 | 1…N |  |  |  | by gRPC: 240 |" in lines
    assert "| kills | 50 | SUCCEEDED | 0.20 | 0.40 | 0.40 |  |" in lines
    assert ["## By door", "", "| what | runs | outcome |"] == lines[lines.index("## By door") :][:3]
    assert any("FABULA_SEED=5 make proof" in line for line in lines)

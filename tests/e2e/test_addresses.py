"""Every address as the document has it: schemathesis asks whatever the document allows, and what it does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.integration.gateway.tokens import SECRET, token
from tests.proof import FULL_PROOF, PROOF, record, seeded
from tests.system import System

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SECONDS = 600
"""How long it asks, in a proof; a part of the time goes to what it asks in any case."""
LEAST_SECONDS = 25
SHARE = 4
"""In a normal test one of so many operations is asked, drawn anew each time: all of them take longer than that."""
BEGIN = ("startStory", "startCharacter", "workshopGenerate", "uploadStory", "generateCharacter", "runPipeline")
"""Operations that are always asked: they begin what others are about."""
ENDING_SECONDS = 120.0
"""How long it may take to end, and to shrink what it has found."""


def schemathesis(system: System, report: Path, *arguments: str) -> int:
    """Have every address asked; return how many requests it took. Fails with what was found."""
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run",
        f"{system.url}/v1/openapi.json", "--no-color", "--seed", str(seeded().randrange(2**32)),
        "--report-json-path", str(report), *arguments,
    ]  # fmt: skip
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=SECONDS + ENDING_SECONDS, check=False, cwd=report.parent
    )
    assert 0 == done.returncode, f"{done.stdout[-20_000:]}\n{done.stderr[-2_000:]}"
    told = json.loads(report.read_text())
    assert [0, 0] == [told["operations"]["errored"], told["test_cases"]["unique_failures"]]
    return int(told["test_cases"]["generated"])


def drawn(system: System) -> list[str]:
    """Return the options that ask a part of the operations."""
    document = httpx.get(f"{system.url}/v1/openapi.json").json()
    names = sorted(operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values())
    some = {*BEGIN, *seeded().sample(names, len(names) // SHARE)}
    return [option for name in sorted(some) for option in ("--include-operation-id", name)]


@pytest.mark.proof
@pytest.mark.timeout(SECONDS + 300)
def test_every_address_answers_as_the_document_says(tmp_path: Path) -> None:
    """No status, header or body that is not in it, no server error, nothing wrong accepted, nothing deleted found."""
    seconds = SECONDS if PROOF == FULL_PROOF else LEAST_SECONDS
    environment = {"FABULA_ANSWER_SECONDS": "20"}
    generators = "story,character,image" if PROOF == FULL_PROOF else "story,character"  # painting takes its time
    with System(tmp_path / "data", generators=generators, environment=environment) as up:
        some = () if PROOF == FULL_PROOF else drawn(up)
        asked = schemathesis(up, tmp_path / "report.json", "--max-time", str(seconds), *some)
    assert asked > seconds

    record(what="schemathesis asks every address", runs=asked, outcome="as the document says", section="Doors")


@pytest.mark.proof
@pytest.mark.skipif(PROOF != FULL_PROOF, reason="tests/integration/gateway/test_documents.py asks each address once")
@pytest.mark.timeout(SECONDS + 300)
def test_no_address_answers_without_a_token(tmp_path: Path) -> None:
    """With authentication each address that is not open refuses who has no token, or a wrong one."""
    environment = {"FABULA_JWT_SECRET": SECRET, "FABULA_ANSWER_SECONDS": "20"}
    checks = "ignored_auth,not_a_server_error,status_code_conformance,response_schema_conformance"
    with System(tmp_path / "data", generators="story,character", environment=environment) as up:
        asked = schemathesis(
            up, tmp_path / "report.json", "--checks", checks, "--max-time", "120",
            "--phases", "examples,fuzzing", "-H", f"Authorization: Bearer {token('ida', 3600)}",
        )  # fmt: skip

    record(what="schemathesis asks without tokens", runs=asked, outcome="401 everywhere", section="Doors")

"""The service as it is started by an operator, with the bundled maker and looker."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from services.character.domain import Wish
from services.character.grammar.maker import GrammarMaker
from tests.integration.character.house import bodies, picture_file
from tests.integration.character.processes import process

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]


async def test_killed_worker_costs_nothing_of_the_history(nats_url: str, tmp_path: Path) -> None:
    """The next one goes on where it was, to the very text of an undisturbed run."""
    async with process("server", nats_url, tmp_path) as server:
        ida = server.customer
        async with process("worker", nats_url, tmp_path, FABULA_GRAMMAR_WORDS_PER_SECOND="40") as worker:
            id_ = await ida.start("a brave knight of forty")
            await ida.until_written(id_, 200)
            assert -signal.SIGKILL == await worker.end(signal.SIGKILL)
        before = (await ida.get(id_)).character.history
        async with process("worker", nats_url, tmp_path, FABULA_GRAMMAR_WORDS_PER_SECOND="0") as worker:
            character = await ida.result(id_)
            assert 0 == await worker.end()
        seen = await ida.watched(id_)

    maker, wish = GrammarMaker(0), Wish("a brave knight of forty", seed=7)
    whole = "".join([piece async for piece in maker.history(wish, await maker.details(wish))])
    assert 200 <= len(before) < len(whole)
    assert whole.startswith(before)
    assert whole.strip() == character.history
    assert whole == "".join(one.event.text_delta.text for one in seen)
    assert "stage_restarted" not in bodies(seen)
    assert ("grammar/1", 2) == (character.maker, sum(body == "claimed" for body in bodies(seen)))


async def test_server_and_worker_run_in_one_process(nats_url: str, tmp_path: Path) -> None:
    """A picture alone is enough for a character, and nothing of it is lost when the process is started anew."""
    fast: dict[str, Any] = {"FABULA_GRAMMAR_WORDS_PER_SECOND": "0", "FABULA_CHARACTER_KEEP_SECONDS": "3600"}
    async with process("", nats_url, tmp_path, **fast) as both:
        character = await both.customer.made("", picture={"data": picture_file()})
        assert 0 == await both.end()
    async with process("", nats_url, tmp_path, **fast) as both:
        assert character == await both.customer.kept(character.id)
        found = await both.customer.get(character.id)

    assert gen.STATE_SUCCEEDED == found.generation.state
    assert 3600 == character.expire_time.seconds - character.create_time.seconds
    details = character.details
    assert "teal" in f"{details.physical_description} {details.visual_style}"

"""`fabula webhook` before a real service and an endpoint."""

from __future__ import annotations

import asyncio
import json

import pytest

from fabula.journal.embedded import EmbeddedServer
from tests.integration.story.house import token
from tests.integration.webhooks.house import open_house
from tests.integration.webhooks.receiver import BUSY, receiving
from tests.system import FABULA, plain_environment

pytestmark = pytest.mark.timeout(120)


async def fabula(port: int, *words: str) -> tuple[int | None, str, str]:
    """Run a command; return its code, what it has printed, and what it has said."""
    environment = plain_environment(
        FABULA_STORY_ADDRESS=f"127.0.0.1:{port}", FABULA_TOKEN=token("ida"), FABULA_GENERATORS="story"
    )
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*FABULA, *words, env=environment, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(50):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_webhook_is_added_tested_listed_and_removed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Its secret is printed once; a test tells whether it works."""
    nats = EmbeddedServer(tmp_path_factory.mktemp("nats"))
    async with nats, open_house(nats.url) as house, house.worker(), receiving() as receiver:
        code, out, _ = await fabula(
            house.port, "webhook", "add", receiver.url(), "--state", "failed", "--description", "my shop"
        )
        id_, secret = out.strip().split("\t")
        receiver.answers += ["HTTP/1.1 204 X\r\n\r\n", BUSY]
        tested = await fabula(house.port, "webhook", "test", id_)
        receiver.heard[0].verified(secret)
        await asyncio.sleep(5)  # a test in five seconds
        refused = await fabula(house.port, "webhook", "test", id_, "--json")
        listed = await fabula(house.port, "webhook", "list")
        removed = await fabula(house.port, "webhook", "remove", id_)
        unknown = await fabula(house.port, "webhook", "test", id_)
        inside = await fabula(house.port, "webhook", "add", "https://10.0.0.1/")
        odd = await fabula(house.port, "webhook", "add", receiver.url(), "--state", "odd")

    assert [0, 0, 1, 0, 0, 4, 2, 2] == [
        code, *(result[0] for result in (tested, refused, listed, removed, unknown, inside, odd))
    ]  # fmt: skip
    assert ["delivered", ""] == tested[1].rstrip("\n").split("\t")[1:]
    assert ["DELIVERY_STATE_FAILED", "the endpoint answered 500"] == [
        json.loads(refused[1])[key] for key in ("state", "failure")
    ]
    assert [id_, "failing", "all", "failed", receiver.url()] == listed[1].rstrip("\n").split("\t")
    assert secret not in "".join(result[1] + result[2] for result in (tested, refused, listed, removed))
    assert "there is no such webhook" in unknown[2].lower()
    assert "not public" in inside[2]

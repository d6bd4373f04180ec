"""Characters at the gateway's doors, before a real service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.character.house import House, open_house, picture_file
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.story.house import SECRET, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

AS_IDA = {"authorization": f"Bearer {token('ida', expires_in=3600)}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A character server and a worker."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway that has doors for characters only."""
    address = f"127.0.0.1:{house.port}"
    async with running_gateway(
        "127.0.0.1:1", character_address=address, generators=("character",), jwt_secret=SECRET
    ) as running:
        yield running


async def test_a_character_is_started_watched_and_read(gateway: Gateway) -> None:
    """With its picture as a file; the history comes as it is told."""
    picture = {"file": ("face.png", picture_file())}
    body = {"request": json.dumps({"description": "a brave knight of forty", "seed": 7})}
    started = await gateway.http.post("/v1/characters", files=picture, data=body, headers=AS_IDA)
    assert 202 == started.status_code, started.text
    id_ = started.json()["id"]
    async with gateway.events(id_, **AS_IDA) as (_, events):
        seen = [event.data["response"]["event"] async for event in events if event.name == "event"]
    read = (await gateway.http.get(f"/v1/generations/{id_}", headers=AS_IDA)).json()
    listed = (await gateway.http.get("/v1/characters", headers=AS_IDA)).json()

    told = "".join(event.get("textDelta", {}).get("text", "") for event in seen)
    assert told.strip() == read["character"]["history"]
    assert ("knight", "face.png") == (read["character"]["details"]["profession"], read["request"]["picture"]["name"])
    assert [id_] == [generation["id"] for generation in listed["generations"]]


async def test_what_cannot_be_made_is_refused_with_the_names_of_the_json(gateway: Gateway) -> None:
    """Fields as the body has them."""
    refused = await gateway.http.post("/v1/characters", json={"description": "\u200b"}, headers=AS_IDA)
    broken = {"description": "a knight", "picture": {"data": "bm8gcGljdHVyZQ=="}}
    broken_picture = await gateway.http.post("/v1/characters", json=broken, headers=AS_IDA)

    assert [400, 400] == [refused.status_code, broken_picture.status_code]
    assert "description" == refused.json()["error"]["violations"][0]["field"]
    assert "picture.data" == broken_picture.json()["error"]["violations"][0]["field"]

"""A foreign id is looked up as an unknown one is, so no clock can tell them apart: the journal is asked the same.

The owner is part of a log's address: there is no look at what exists before the look at whose it is. A second NATS
client hears every question that services put to the journal while somebody asks for an id; the ids of foreign and
unknown things set aside, these questions are the same ones, in number and in order. Who adds a look of any kind for one
of both adds a question.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest

from fabula.engine.ids import owner_token
from tests.integration.gateway.socket_io_clients import CHARACTERS, packets
from tests.integration.security.asking import addresses, ask, ids_of, native, request_of, unknown
from tests.integration.security.estate import MAKERS, Estate, Owner
from tests.integration.security.test_foreign import nobodys, of_rpc
from tests.unit.security.contracts import rpcs

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

_INBOX = re.compile(r"_INBOX\.\S+")
_DRAWN = re.compile(r"(?<=ID\.)[0-9a-f]{16}\b")
"""A request id that is drawn where the request has none."""


class Tap:
    """Hears what the journal is asked."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.heard: list[str] = []

    async def questions(self, asking: Callable[[], Awaitable[Any]], ids: list[str], owner: Owner) -> list[str]:
        """Return what is asked about these ids, or in this owner's name, while this is done."""
        await self._client.flush()
        self.heard.clear()
        await asking()
        await self._client.flush()
        words = {*ids, *(id_.partition("-")[2] for id_ in ids if "-" in id_), owner_token(owner.name)}
        words |= {hashlib.sha256(each.encode()).hexdigest() for each in ids} | {each.encode().hex() for each in ids}
        found = [each for each in self.heard if any(word in each for word in words)]
        for word in sorted(words - {owner_token(owner.name)}, key=len, reverse=True):
            found = [each.replace(word, "ID") for each in found]
        return [_DRAWN.sub("DRAWN", each) for each in found]


@asynccontextmanager
async def tapping(estate: Estate) -> AsyncIterator[Tap]:
    """Hear everything that goes to the journal, but for the answers."""
    client = await nats.connect(estate.nats_url)
    tap = Tap(client)

    async def hear(message: Any) -> None:
        if not message.subject.startswith("_INBOX."):
            tap.heard.append(f"{message.subject} {_INBOX.sub('', message.data.decode(errors='replace'))}")

    for topic in ("$JS.API.STREAM.MSG.GET.>", "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.>", "fabula.>"):
        await client.subscribe(topic, cb=hear)
    try:
        yield tap
    finally:
        await client.close()


async def test_every_rpc_asks_the_same_of_a_foreign_and_of_an_unknown_id(
    estate: Estate, ada: Owner, eve: Owner
) -> None:
    """And asks something at all, except for what is told from the id's form alone."""
    silent = set()
    async with tapping(estate) as tap:
        for rpc in rpcs():
            for hers in await of_rpc(rpc, ada):
                if not hers or rpc.kind == "ticket":
                    continue
                asked = []
                for ids in (hers, nobodys(hers)):
                    request = request_of(rpc, ids)

                    async def call(rpc: Any = rpc, request: Any = request) -> None:
                        await native(estate, rpc, request, eve.token, seconds=2.0)

                    asked.append(await tap.questions(call, list(ids.values()), eve))
                assert asked[0] == asked[1], rpc
                if not asked[0]:
                    silent.add(str(rpc))
    assert set() == silent, "the tap hears nothing: it proves nothing"
    assert any(ids_of(rpc) for rpc in rpcs())


async def test_every_address_asks_the_same_of_a_foreign_and_of_an_unknown_id(
    estate: Estate, ada: Owner, eve: Owner
) -> None:
    """Pictures among them; whatever the gateway asks of several services together."""
    heard = set()
    async with tapping(estate) as tap:
        for address in await addresses(estate):
            if not address.places or address.name == "createTicket":
                continue
            for what in MAKERS:
                hers = dict.fromkeys(address.places, await ada.thing(what))
                asked = []
                for ids in (hers, nobodys(hers)):

                    async def call(ids: Any = ids, address: Any = address) -> None:
                        await ask(estate, address, ids, headers=eve.headers | {"if-match": '"x"'})

                    asked.append(await tap.questions(call, list(ids.values()), eve))
                assert asked[0] == asked[1], (address, what)
                if asked[0]:
                    heard.add(address.name)
    named = {each.name for each in await addresses(estate) if each.places} - {"createTicket"}
    assert named == heard


async def test_a_session_is_joined_by_the_same_questions(estate: Estate, ada: Owner, eve: Owner) -> None:
    """Over Socket.IO."""
    hers = await ada.thing("session")
    asked = []
    async with tapping(estate) as tap, packets(estate.gateway, CHARACTERS) as client:
        await client.connect("/", {"token": eve.token})
        await client.ask("join_character_generation", {"sessionId": "warm"})
        for session in (hers, unknown(hers)):

            async def join(session: str = session) -> None:
                answer, _ = await client.ask("join_character_generation", {"sessionId": session})
                assert not answer["success"]
                await asyncio.sleep(0.2)

            asked.append(await tap.questions(join, [session], eve))
    assert asked[0] == asked[1]
    assert asked[0]

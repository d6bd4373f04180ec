"""Socket.IO clients with WebSockets are carried by the fan once they are level; that has to make no difference."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.pipe import Pipe
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.socket_io_clients import Packets, Polling, doors, packets, polling
from tests.integration.gateway.test_socketio_slow import unread
from tests.scripted_service import ScriptedLog, ScriptedServer, ScriptedStories, until

NAMESPACE = "/stories"
START, COMPLETE, CURSOR = "story:processing:start", "story:processing:complete", "story:cursor"
LARGE = "x" * 10_000
NOBODYS = "story-00000000-0000-4000-8000-999999999999"


def riders(gateway: Gateway) -> int:
    """Return how many the fans carry."""
    fans = [shared.fan for shared in gateway.house.hub._shared.values()]
    return sum(len(riders) for fan in fans for riders in fan._riders.values())


def begin_again(log: ScriptedLog, message: str = "") -> None:
    """Append an event of which clients are told twice."""
    log.append(retried={"from_stage": "write-1"})
    log.responses[-1].event.progress.message = message


async def ride(gateway: Gateway, client: Packets, log: ScriptedLog) -> None:
    """Enter the namespace, hear of a log's beginning, and be carried from there."""
    await let_in(client, after={log.id: 0})
    await raw(client, 2)
    await until(lambda: riders(gateway) == 1)


class Polled:
    """A polled session whose packets are looked at one by one."""

    def __init__(self, session: Polling) -> None:
        self.session = session
        self._fetched: list[str] = []

    async def connect(self, namespace: str, auth: dict[str, Any]) -> str:
        """Ask to be let into a namespace; return the answer."""
        await self.session.send(f"40{namespace},{json.dumps(auth)}")
        return await self.next()

    async def next(self) -> str:
        """Return the next packet that is no ping and no NOOP."""
        if not self._fetched:
            self._fetched = await self.session.fetched(1)
        return self._fetched.pop(0)


async def let_in(client: Packets | Polled, **auth: Any) -> None:
    """Enter the namespace."""
    assert (await client.connect(NAMESPACE, auth)).startswith("40")


async def raw(client: Packets | Polled, count: int) -> list[str]:
    """Return the next packets as they came."""
    return [await client.next() for _ in range(count)]


async def test_who_is_level_costs_no_task_and_is_told_the_same_as_who_polls(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """Packet by packet, cursors included; and also to the end of the run."""
    log = stories.new()
    session = Polled(await polling(gateway))
    async with packets(gateway) as first, packets(gateway) as second:
        for client in (session, first, second):
            await let_in(client, after={log.id: 0})
            assert 2 == len(await raw(client, 2))
        await until(lambda: riders(gateway) == 2)
        for number in range(20):
            begin_again(log, f"{number} ü")
            log.write("nobody here is told of text")
            if number % 5 == 0:
                await asyncio.sleep(0.01)
        log.succeed(story={"text": "x", "word_count": 1})
        told = [await raw(client, 20 * 4 + 2) for client in (session, first, second)]
        await until(lambda: riders(gateway) == 0 and not gateway.house.hub._watchers)

    assert told[0] == told[1] == told[2]
    assert COMPLETE in told[0][-2]
    assert log.responses[-1].event.sequence == json.loads(told[0][-1].split(",", 1)[1])[1]["cursor"]


async def test_acknowledgements_keep_their_place_among_what_is_told(gateway: Gateway, stories: ScriptedStories) -> None:
    """Answers come in the order of the questions, between events in the order of the log; what was left is silent."""
    log, other = stories.new(1), stories.new(2)
    async with packets(gateway) as client:
        await let_in(client, after={log.id: 0, other.id: 0})
        await raw(client, 4)
        await until(lambda: riders(gateway) == 2)
        for number in range(50):
            begin_again(log)
            await client.emit("story:leave", {"storyId": NOBODYS}, NAMESPACE, ack=number)
            await asyncio.sleep(0.002)
        await client.emit("story:leave", {"storyId": log.id}, NAMESPACE, ack=50)
        seen: list[str] = []
        while not seen or not seen[-1].startswith("43/stories,50"):
            seen.append(await client.next())
        begin_again(log)
        begin_again(other)
        rest = await client.events(4)

    answers = [int(packet[len("43/stories,") : packet.index("[")]) for packet in seen if packet.startswith("43")]
    cursors = [json.loads(packet[packet.index("[") :])[1]["cursor"] for packet in seen if CURSOR in packet]
    assert list(range(51)) == answers
    assert [each for n in range(2, len(cursors) // 2 + 2) for each in (f"{n - 1}.1", n)] == cursors
    assert {other.id} == {content["storyId"] for _, content in rest}


async def test_who_does_not_read_leaves_the_fan_and_comes_back_complete(
    open_gateway: OpenGateway, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it costs meanwhile is bounded, and others ride on; once it has read all, the fan carries it again."""
    full: set[Pipe] = set()
    real = Pipe.stop

    def stops(pipe: Pipe) -> None:
        full.add(pipe)
        real(pipe)

    monkeypatch.setattr(Pipe, "stop", stops)
    log = server.stories.new()
    async with open_gateway(server.address) as gateway, unread(gateway) as slow, packets(gateway) as fast:
        for client in (slow, fast):
            await let_in(client, after={log.id: 0})
            await raw(client, 2)
        await until(lambda: riders(gateway) == 2)
        told: list[str] = []
        for _ in range(100):
            for _ in range(8):
                begin_again(log, LARGE)
            told += await raw(fast, 8 * 4)
        await until(lambda: riders(gateway) == 1)
        assert 1 == len(full)
        assert max(each.transport.get_write_buffer_size() for each in gateway.server.server_state.connections) < 200_000
        late = await raw(slow, len(told))
        await until(lambda: riders(gateway) == 2)
        begin_again(log)
        assert told == late
        assert await raw(fast, 4) == await raw(slow, 4)


async def test_an_upgrade_in_the_middle_of_a_generation_loses_nothing(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """What is told before, during and after comes in order, each once; then the fan carries the client."""
    log = stories.new()
    session = Polled(await polling(gateway))
    await let_in(session, after={log.id: 0})
    async with packets(gateway) as other:
        await let_in(other, after={log.id: 0})
        expected, told = await raw(other, 2), await raw(session, 2)
        begin_again(log)
        told += await raw(session, 4)
        async with packets(gateway, query=f"&sid={session.session.handshake['sid']}") as client:
            await client.send("2probe")
            assert "3probe" == await client.raw()
            begin_again(log, LARGE)
            await asyncio.sleep(0.05)
            assert "6" == (await session.session.poll()).text
            await client.send("5")
            begin_again(log, "more")
            told += await raw(client, 8)
            await until(lambda: riders(gateway) == 2)
            begin_again(log, "and more")
            log.succeed(story={"text": "x", "word_count": 1})
            told += await raw(client, 6)
        expected += await raw(other, 4 * 4 + 2)

    assert expected == told


async def test_an_upgrade_in_one_go_ends_the_poll_as_well(gateway: Gateway, stories: ScriptedStories) -> None:
    """Of a client that waits neither for the answer to its probe nor for its poll to end."""
    log = stories.new()
    session = Polled(await polling(gateway))
    await let_in(session, after={log.id: 0})
    await raw(session, 2)
    waiting = asyncio.create_task(session.session.poll())
    await asyncio.sleep(0.1)
    async with packets(gateway, query=f"&sid={session.session.handshake['sid']}") as client:
        probe, upgrade = (b"\x81\x86\0\0\0\0" + b"2probe", b"\x81\x81\0\0\0\0" + b"5")
        client.socket.transport.write(probe + upgrade)
        assert "3probe" == await client.raw()
        assert "6" == (await waiting).text
        begin_again(log)
        assert 4 == len(await raw(client, 4))


@pytest.mark.parametrize("ending", ["41/stories,", "1"])
async def test_who_leaves_is_carried_no_more(gateway: Gateway, stories: ScriptedStories, ending: str) -> None:
    """Whether the namespace or the connection; who comes again to the namespace is told from its cursor on."""
    log = stories.new()
    async with packets(gateway) as client:
        await ride(gateway, client, log)
        await client.send(ending)
        await until(lambda: riders(gateway) == 0 and not gateway.house.hub._watchers)
        begin_again(log)
        if ending == "1":
            assert 1000 == await client.closed()
            return
        await let_in(client, after={log.id: 1})
        assert ["1.1", 2] == [content["cursor"] for name, content in await client.events(4) if name == CURSOR]
        await until(lambda: riders(gateway) == 1)


async def test_what_is_left_is_written_no_more_at_once(gateway: Gateway, stories: ScriptedStories) -> None:
    """Not only when its task has ended: what comes before that would stand behind the acknowledgement."""
    log = stories.new()
    async with packets(gateway) as client:
        await ride(gateway, client, log)
        (session,) = doors(gateway).sessions.values()
        session.clients[NAMESPACE].keeps.leave(log.id)

        assert 0 == riders(gateway)


async def test_a_retry_goes_on_behind_what_the_fan_has_told(gateway: Gateway, stories: ScriptedStories) -> None:
    """Nothing comes twice."""
    log = stories.new()
    async with packets(gateway) as client:
        await ride(gateway, client, log)
        begin_again(log)
        log.append(failed={"failure": {"message": "no"}})
        await raw(client, 6)
        await until(lambda: not gateway.house.hub._watchers)
        begin_again(log)
        cursors = [content["cursor"] for name, content in await client.events(4) if name == CURSOR]

    assert ["3.1", 4] == cursors


async def test_who_has_a_part_of_the_next_entry_is_told_the_rest_of_it_first(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """It is not level with who has none of it, even where the gateway has not seen that entry yet."""
    log = stories.new()
    async with packets(gateway) as whole, packets(gateway) as part:
        await ride(gateway, whole, log)
        await let_in(part, after={log.id: "1.1"})
        await until(lambda: gateway.house.hub._watchers.total() == 2)
        begin_again(log)
        everything = await raw(whole, 4)
        assert everything[2:] == await raw(part, 2)
        await until(lambda: riders(gateway) == 2)


async def test_without_a_pipe_the_library_does_it(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Under any ASGI server that knows WebSockets: by its queue, to the same packets."""
    log = server.stories.new()
    async with open_gateway(server.address, plain=True) as gateway, packets(gateway) as client:
        await let_in(client, after={log.id: 0})
        begin_again(log)
        log.succeed(story={"text": "x", "word_count": 1})
        assert {"success": True} == (await client.ask("story:leave", {"storyId": NOBODYS}, NAMESPACE))[0]
        session = Polled(await polling(gateway))
        await let_in(session, after={log.id: 0})
        polled = await raw(session, 8)
        async with packets(gateway) as again:
            await let_in(again, after={log.id: 0})
            assert polled == await raw(again, 8)
        assert 0 == riders(gateway)

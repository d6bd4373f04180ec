"""Frames of ours between those of the protocol: control frames, bad frames and ends while much is being told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway import protocols
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conformance.conftest import NUMBERS
from tests.integration.gateway.conformance.wire import (
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    End,
    Wire,
    close,
    frame,
    socket_wire,
)
from tests.scripted_service import ScriptedLog, ScriptedServer, ScriptedStories, until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIECES, PIECE = 150, "ü" * 10_000
UNSUBSCRIBE = b'{"frameId":"1","unsubscribe":{"generationId":"story-00000000-0000-4000-8000-000000000999"}}'


@pytest.fixture
def log(services: ScriptedServer) -> ScriptedLog:
    """A log with more in it than buffers hold."""
    assert isinstance(services.stories, ScriptedStories)
    log = services.stories.new(next(NUMBERS))
    for _ in range(PIECES):
        log.write(PIECE)
    return log


@asynccontextmanager
async def flooded(shared: Gateway, log: ScriptedLog) -> AsyncIterator[Wire]:
    """Open a socket that is told all of a log, and has read one frame of it."""
    before = shared.house.connections
    async with socket_wire(shared.host, "/v1/ws") as opened:
        await opened.send(frame(TEXT, json.dumps({"subscribe": {"generationId": log.id}}).encode()))
        assert await opened.next(TEXT)
        yield opened
    await until(lambda: shared.house.connections == before)


def told(end: End) -> list[int]:
    """Return the sequences of the events that came."""
    frames = [json.loads(text) for text in end.of(TEXT)]
    return [each["event"]["sequence"] for each in frames if "event" in each]


def whole(sequences: list[int]) -> bool:
    """Say whether none is missing among these."""
    return sequences == list(range(sequences[0], sequences[0] + len(sequences))) if sequences else True


async def test_control_frames_and_fragments_go_between_events(shared: Gateway, log: ScriptedLog) -> None:
    """Each frame comes whole, each event once; a message in fragments is understood while events come."""
    log.append(succeeded={})
    last = len(log.responses)
    async with flooded(shared, log) as opened:

        async def talk() -> None:
            for number in range(100):
                await opened.send(frame(PING, f"{number}".encode()) + frame(PONG, b"x"))
                await opened.send(frame(TEXT, UNSUBSCRIBE[:30], fin=False) + frame(PING, b"inside"), piece=9)
                await opened.send(frame(CONT, UNSUBSCRIBE[30:]))

        talking = asyncio.create_task(talk())
        end, done, over = End(), 0, False
        while not over or done < 100:
            opcode, payload = await opened.frame()
            end.frames.append((opcode, payload))
            done += opcode == TEXT and b'"done"' in payload[:200]
            over = over or (opcode == TEXT and b'"ended"' in payload[:200])
        await talking
        await opened.send(frame(PING, b"last") + close(1000))
        rest = await opened.rest()

    assert whole(told(end))
    assert last == told(end)[-1]
    assert ([b"last"], 1000) == (rest.of(PONG)[-1:], rest.code)
    numbers = [int(payload) for payload in end.of(PONG) if payload.isdigit()]
    assert numbers == sorted(set(numbers)), "pongs in another order than pings"


ENDS = {
    "goodbye": (close(1000), 1000),
    "goodbye without a code": (close(), 0),
    "goodbye of its own": (close(4321, b"enough"), 4321),
    "ping and goodbye": (frame(PING, b"x") + close(1001), 1001),
    "no text": (frame(TEXT, b"\xff"), 1007),
    "reserved bits": (frame(TEXT, b"x", rsv=7), 1002),
    "unknown opcode": (frame(3), 1002),
    "goodbye in a message": (frame(TEXT, b"{", fin=False) + close(1000), 1000),
    "no frame of the dialect": (frame(TEXT, b"no json"), 1007),
    "too large": (frame(TEXT, b"", length=1 << 40), 1009),
}


@pytest.mark.parametrize("case", ENDS)
async def test_an_end_comes_between_whole_frames(shared: Gateway, log: ScriptedLog, case: str) -> None:
    """What was written before is whole, and nothing comes behind the close frame."""
    data, code = ENDS[case]
    async with flooded(shared, log) as opened:
        await opened.send(data)
        end = await opened.rest()
    assert code == end.code
    assert whole(told(end))


async def test_half_closed_clients_are_told_what_was_written(shared: Gateway, log: ScriptedLog) -> None:
    """A client that says nothing more has left: the connection ends behind a whole frame."""
    async with flooded(shared, log) as opened:
        opened.end_sending()
        end = await opened.rest()
    assert whole(told(end))


def open_sockets(gateway: Gateway) -> list[protocols.PipedWebSocket]:
    """Return the server's side of all sockets."""
    return [each for each in gateway.server.server_state.connections if isinstance(each, protocols.PipedWebSocket)]


async def test_half_closed_clients_that_do_not_read_are_cut_off(
    shared: Gateway, log: ScriptedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or what was written for them would be kept for ever."""
    monkeypatch.setattr(protocols, "ABORT_SECONDS", 0.2)
    for _ in range(5 * PIECES):
        log.write(PIECE)
    async with flooded(shared, log) as opened:
        before = len(shared.server.server_state.connections)
        opened.stop_reading()
        await until(lambda: any(each.pipe.full for each in open_sockets(shared)))
        opened.end_sending()
        await until(lambda: len(shared.server.server_state.connections) < before)


async def test_clients_that_vanish_leave_nothing(shared: Gateway, log: ScriptedLog) -> None:
    """However much was under way."""
    for before in (0.0, 0.05):
        async with flooded(shared, log) as opened:
            await asyncio.sleep(before)
            opened.reset()


async def test_what_came_before_an_error_counts(shared: Gateway, services: ScriptedServer) -> None:
    """A command and a breach in one piece: the command was given."""
    stories = services.stories
    assert isinstance(stories, ScriptedStories)
    log = stories.new(next(NUMBERS))
    asked = json.dumps({"frameId": "c", "cancel": {"generationId": log.id}}).encode()
    async with socket_wire(shared.host, "/v1/ws") as opened:
        await opened.send(frame(TEXT, asked) + frame(3))
        assert 1002 == (await opened.rest()).code
    await until(lambda: ("CancelGeneration", log.id) in stories.commands)


async def test_engine_io_is_closed_in_good_order(shared: Gateway) -> None:
    """Its frames are not ours, and its end is the same."""
    async with socket_wire(shared.host, "/socket.io/?EIO=4&transport=websocket") as opened:
        assert (await opened.next(TEXT)).startswith(b"0{")
        await opened.send(frame(TEXT, b"40/stories,") + frame(PING, b"x"))
        kinds = {(await opened.frame())[0] for _ in range(2)}
        await opened.send(frame(TEXT, b"1"))
        end = await opened.rest()
    assert ({TEXT, PONG}, 1000) == (kinds, end.code)
    assert CLOSE not in kinds

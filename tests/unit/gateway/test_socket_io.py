"""The parts of the Socket.IO door that need no connection: packets, queues, places."""

from __future__ import annotations

import asyncio

import pytest
from engineio.packet import CLOSE, MESSAGE, PING, Packet

from fabula.errors import InvalidRequest, NotFound
from gateway.cursors import Cursor
from gateway.doors.socket_io.client import packet_text
from gateway.doors.socket_io.packets import MOST_PACKETS, event_of, is_readable, packets_of
from gateway.doors.socket_io.queues import MOST_BYTES, PacketQueue
from gateway.frontends.character_places import Place, character_id_of, read_place, room_name

IMAGE = "image-00000000-0000-4000-8000-000000000001"
SESSION = "00000000-0000-4000-8000-000000000002"


@pytest.mark.parametrize("packet", ["1", "2probe", "3", "3probe", "5", "40", "41/stories,", '42["x"]', "43[]", "44{}"])
def test_what_clients_may_send_is_let_through(packet: str) -> None:
    """Each type of the protocols, without attachments."""
    assert is_readable(packet)


@pytest.mark.parametrize(
    "packet", ["", "0{}", "2", "2x", "4", "47", "b", "bA", "b½", "4x", "4½", "5x", "6", "7", "[", "1x"]
)
def test_what_clients_may_not_send_is_told_by_its_beginning(packet: str) -> None:
    """What servers send, binary data, and what is none."""
    assert not is_readable(packet)


def test_a_body_is_taken_apart_or_refused_as_a_whole() -> None:
    """One packet that cannot be read spoils it, and so does one too many."""
    assert ["3", "40"] == packets_of("3\x1e40")
    assert [None, None, None] == [
        packets_of(body) for body in ("3\x1e", "x\x1e3", "\x1e".join(["3"] * (MOST_PACKETS + 1)))
    ]


@pytest.mark.parametrize("data", [None, {}, [], [1], [None, "x"], ["connect"], ["disconnect", 1], ["connect_error"]])
def test_what_is_no_event_of_a_client_is_none(data: object) -> None:
    """Names that the protocol keeps for itself are not for clients."""
    assert event_of(data) is None


def test_events_are_written_as_the_protocol_has_them() -> None:
    """The main namespace is not named."""
    assert '42["x",{"a":"ü"}]' == f"4{packet_text('/', 'x', {'a': 'ü'})}"
    assert '42/stories,["x",{}]' == f"4{packet_text('/stories', 'x', {})}"


async def test_messages_wait_for_room_and_the_protocols_own_packets_do_not() -> None:
    """One message may go over the bound; the next waits until enough was taken."""
    queue = PacketQueue()
    await queue.put(Packet(MESSAGE, "x" * (2 * MOST_BYTES)))
    waiting = asyncio.create_task(queue.put(Packet(MESSAGE, "late")))
    await asyncio.sleep(0)
    for packet in (Packet(PING), Packet(CLOSE), None):
        await queue.put(packet)

    assert (4, False) == (queue.qsize(), waiting.done())
    queue.get_nowait()
    await waiting
    assert 4 == queue.qsize()
    while not queue.empty():
        queue.get_nowait()
    assert 0 == queue.waiting_bytes


async def test_who_waits_for_a_client_that_has_gone_is_let_go() -> None:
    """At once, and from then on."""
    queue = PacketQueue()
    await queue.put(Packet(MESSAGE, "x" * MOST_BYTES))
    waiting = [asyncio.create_task(queue.room()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(each.done() for each in waiting)
    queue.release()
    await asyncio.gather(*waiting)
    await queue.room()
    assert queue.released


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (0, (Cursor(), "", Cursor())),
        ("16.1", (Cursor(16, 1), "", Cursor())),
        (f"{IMAGE}/7", (Cursor(), IMAGE, Cursor(7))),
        (f"{IMAGE}/7.2", (Cursor(), IMAGE, Cursor(7, 2))),
    ],
)
def test_a_place_is_read_as_it_was_given_out(value: object, parts: tuple[Cursor, str, Cursor]) -> None:
    """Of the character, or of the avatar that comes after it."""
    assert parts == read_place(value)
    assert str(value) == str(Place(*parts).value)


@pytest.mark.parametrize("value", [None, "", "x", -1, 1.0, True, f"{IMAGE}/", f"{IMAGE}/x", "image-1/7", [], {}])
def test_a_place_that_was_not_given_out_is_refused(value: object) -> None:
    """Whatever it is."""
    with pytest.raises(InvalidRequest, match="cursor"):
        read_place(value)


def test_sessions_are_named_by_what_follows_the_kind() -> None:
    """A character's id is taken as well; what is neither is as unknown as a session that there is not."""
    assert f"character-{SESSION}" == character_id_of(SESSION) == character_id_of(f"character-{SESSION}")
    others: list[object] = [None, 7, "", "x", SESSION.replace("8", "A"), f"story-{SESSION}", f"{{{SESSION}}}", []]
    for other in others:
        with pytest.raises(NotFound, match="no such character generation"):
            character_id_of(other)


def test_rooms_of_different_users_are_never_one() -> None:
    """Whatever they are called."""
    assert room_name("ann", f"character-{SESSION}") == f"character_generation:ann:{SESSION}"
    assert room_name("ann", f"character-{SESSION}") != room_name("ben", f"character-{SESSION}")

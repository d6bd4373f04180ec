"""What `Previews` promises, kept by the journal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from fabula.engine.ports import Address, Entry, Tag
from fabula.errors import InvalidRequest
from fabula.journal import Journal
from tests.nats import new_address


def preview(data: bytes, place: int = 0) -> Entry:
    """Return a preview."""
    return Entry(0, Tag.EPHEMERAL, data, place=place)


async def test_late_joiner_gets_the_newest(journal: Journal, address: Address) -> None:
    """Whoever comes late sees the newest preview at once."""
    for number in range(5):
        await journal.previews.publish(address, preview(bytes((number,))))

    async with asyncio.timeout(10), aclosing(journal.previews.follow(address)) as previews:
        assert preview(b"\4") == await anext(previews)


async def test_follower_gets_what_replaces_it(journal: Journal, address: Address) -> None:
    """A reader that keeps up sees each preview."""
    await journal.previews.publish(address, preview(b"0"))

    async with asyncio.timeout(10), aclosing(journal.previews.follow(address)) as previews:
        for number in range(10):
            assert preview(str(number).encode()) == await anext(previews)
            await journal.previews.publish(address, preview(str(number + 1).encode()))


async def test_slow_reader_skips_to_the_newest(journal: Journal, address: Address) -> None:
    """Previews that a reader missed are spared, not queued."""
    await journal.previews.publish(address, preview(b"first"))

    async with asyncio.timeout(10), aclosing(journal.previews.follow(address)) as previews:
        assert preview(b"first") == await anext(previews)
        for number in range(200):
            await journal.previews.publish(address, preview(str(number).encode()))
        await journal.link.round_trip()

        assert preview(b"199") == await anext(previews)


async def test_late_joiner_gets_the_newest_of_each_picture(journal: Journal, address: Address) -> None:
    """Pictures that are made together do not hide each other, though one of them is slow."""
    for place in range(8):
        for number in range(place + 1):
            await journal.previews.publish(address, preview(b"%d" % number, place))

    async with asyncio.timeout(10), aclosing(journal.previews.follow(address)) as previews:
        seen = [await anext(previews) for _ in range(8)]

    assert [preview(b"%d" % place, place) for place in range(8)] == sorted(seen, key=lambda entry: entry.place)


async def test_slow_reader_skips_to_the_newest_of_each_picture(journal: Journal, address: Address) -> None:
    """What a reader missed is spared for each picture by itself."""
    await journal.previews.publish(address, preview(b"first"))

    async with asyncio.timeout(10), aclosing(journal.previews.follow(address)) as previews:
        assert preview(b"first") == await anext(previews)
        for number in range(100):
            for place in (0, 3):
                await journal.previews.publish(address, preview(str(number).encode(), place))
        await journal.link.round_trip()

        assert {(0, b"99"), (3, b"99")} == {(one.place, one.data) for one in [await anext(previews) for _ in range(2)]}
        await journal.previews.publish(address, preview(b"last", 3))
        assert preview(b"last", 3) == await anext(previews)


async def test_previews_of_two_generations_are_apart(journal: Journal, kind: str) -> None:
    """A follower sees its own generation only."""
    one, two = new_address(kind), new_address(kind)
    await journal.previews.publish(one, preview(b"one"))
    await journal.previews.publish(two, preview(b"two"))

    async with asyncio.timeout(10), aclosing(journal.previews.follow(two)) as previews:
        assert preview(b"two") == await anext(previews)


async def test_follower_may_come_first(journal: Journal, address: Address) -> None:
    """A follower waits for the first preview."""
    async with asyncio.timeout(10), aclosing(journal.previews.follow(address)) as previews:
        waiting = asyncio.ensure_future(anext(previews))
        await asyncio.sleep(0.05)
        await journal.previews.publish(address, preview(b"x"))

        assert preview(b"x") == await waiting


async def test_preview_larger_than_a_message_is_an_invalid_request(journal: Journal, address: Address) -> None:
    """Too large a picture is refused before it is sent."""
    with pytest.raises(InvalidRequest):
        await journal.previews.publish(address, preview(b"x" * journal.link.max_payload))

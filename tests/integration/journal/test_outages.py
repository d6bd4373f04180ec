"""What happens when the NATS server dies, comes back, or was never there."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from uuid import uuid4

import pytest
import pytest_asyncio

from fabula.engine.ports import Address, Entry, Purpose, Tag
from fabula.errors import Unavailable
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.connection import Link
from fabula.journal.embedded import EmbeddedServer
from tests.nats import entries, sequences, take, write


@pytest_asyncio.fixture
async def mortal(own_server: EmbeddedServer) -> AsyncIterator[Journal]:
    """Open a journal on a server that the test may kill; nobody restarts it."""
    settings = JournalSettings(url=own_server.url, answer_seconds=1.0, idle_check_seconds=0.2, lease_seconds=0.5)
    async with connect(settings) as journal:
        yield journal


@pytest_asyncio.fixture
async def supervised(own_server: EmbeddedServer) -> AsyncIterator[Journal]:
    """Open a journal on a server that the test may kill; it is restarted on the same port and files."""
    supervising = asyncio.create_task(own_server.supervise())
    settings = JournalSettings(url=own_server.url, answer_seconds=5.0, idle_check_seconds=0.2, lease_seconds=0.5)
    async with connect(settings) as journal:
        yield journal
    supervising.cancel()
    await asyncio.wait([supervising])


def kill(server: EmbeddedServer) -> None:
    """Kill the server as `kill -9` does."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)


async def test_follower_and_writer_survive_kill_9_of_the_server(
    own_server: EmbeddedServer, supervised: Journal, address: Address
) -> None:
    """Killed three times in mid-write, the log is dense and a follower sees each event once."""
    total = 300
    following = asyncio.create_task(take(supervised.events.follow(address), total, seconds=50))
    revision = 0
    for sequence in range(1, total + 1):
        append = asyncio.create_task(
            supervised.events.append(address, entries(sequence), after=revision, append_id=uuid4().hex)
        )
        if sequence % 80 == 0:
            await asyncio.sleep(0)
            kill(own_server)
        revision = await append

    assert list(range(1, total + 1)) == sequences(await following)
    assert list(range(1, total + 1)) == sequences([record async for record in supervised.events.read(address)])


async def test_follower_survives_a_clean_stop_of_the_server(
    own_server: EmbeddedServer, mortal: Journal, address: Address
) -> None:
    """A server that is stopped and started again costs followers nothing but time."""
    (revision,) = await write(mortal.events, address, 1)
    records = mortal.events.follow(address)
    async with asyncio.timeout(30), aclosing(records):
        seen = [await anext(records)]
        await own_server.stop()
        port = int(own_server.url.rpartition(":")[2])
        async with EmbeddedServer(own_server.log_file.parent.parent, port):
            await asyncio.wait_for(_append_again(mortal, address, revision), 20)
            seen.append(await anext(records))

    assert [1, 2] == sequences(seen)


async def test_follower_outlasts_a_long_outage(own_server: EmbeddedServer, mortal: Journal, address: Address) -> None:
    """A follower waits for longer than any single call does."""
    (revision,) = await write(mortal.events, address, 1)
    records = mortal.events.follow(address)
    async with asyncio.timeout(30), aclosing(records):
        await anext(records)
        kill(own_server)
        following = asyncio.ensure_future(anext(records))
        await asyncio.sleep(2 * mortal.link.settings.answer_seconds)
        assert not following.done()
        await own_server.stop()
        await own_server.start()  # on the same files; the port is another one
        url = own_server.url
        async with connect(JournalSettings(url=url)) as other:
            await write(other.events, address, 1, after=revision, first=2)
        await own_server.stop()
        port = int(mortal.link.settings.url.rpartition(":")[2])
        async with EmbeddedServer(own_server.log_file.parent.parent, port):
            record = await following

    assert record.first_sequence == 2


async def test_every_call_says_unavailable_within_the_bound(
    own_server: EmbeddedServer, mortal: Journal, address: Address
) -> None:
    """With the server gone nothing hangs: each call gives up within its bound."""
    (revision,) = await write(mortal.events, address, 1)
    kill(own_server)
    calls = [
        mortal.events.append(address, entries(2), after=revision, append_id="x"),
        mortal.events.last(address),
        mortal.events.listing(address.kind, address.owner),
        mortal.events.lasts([address]),
        mortal.events.delete(address),
        anext(mortal.events.read(address)),
        anext(mortal.events.follow(address)),
        mortal.queue.claim(address.kind, 0.1),
        mortal.queue.depth(address.kind),
        mortal.queue.position(address.kind, revision),
        mortal.records.get("key"),
        mortal.records.put("key", b""),
        mortal.blobs.get("name"),
        mortal.blobs.put("name", b"x", "text/plain"),
        mortal.ping(),
    ]
    began = time.monotonic()

    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert [Unavailable] * len(calls) == [type(outcome) for outcome in outcomes]
    assert time.monotonic() - began < 3 * mortal.link.settings.answer_seconds


async def test_preview_is_dropped_while_the_server_is_away(
    own_server: EmbeddedServer, mortal: Journal, address: Address
) -> None:
    """A preview is best effort: its loss is no error."""
    kill(own_server)

    await asyncio.wait_for(mortal.previews.publish(address, Entry(0, Tag.EPHEMERAL, b"x")), 3)


async def test_append_after_an_unavailable_one_stores_once(
    own_server: EmbeddedServer, mortal: Journal, address: Address
) -> None:
    """Calling again with the same arguments after the outage stores the record exactly once."""
    (revision,) = await write(mortal.events, address, 1)
    kill(own_server)
    with pytest.raises(Unavailable):
        await mortal.events.append(address, entries(2), after=revision, append_id="same")
    port = int(own_server.url.rpartition(":")[2])
    await own_server.stop()

    async with EmbeddedServer(own_server.log_file.parent.parent, port):
        await _append_again(mortal, address, revision)
        await _append_again(mortal, address, revision)

        assert [1, 2] == sequences([record async for record in mortal.events.read(address)])


async def test_acknowledged_records_survive_kill_9(
    own_server: EmbeddedServer, supervised: Journal, address: Address
) -> None:
    """What was acknowledged before the kill is there after it, with the same revisions."""
    revisions = await write(supervised.events, address, 50)

    kill(own_server)

    assert revisions == [record.revision async for record in supervised.events.read(address)]


async def test_claim_survives_kill_9_of_the_server(
    own_server: EmbeddedServer, supervised: Journal, address: Address
) -> None:
    """A worker that waits for a job goes on waiting through a restart."""
    claim = asyncio.create_task(supervised.queue.claim(address.kind, 20))
    await asyncio.sleep(0.1)
    kill(own_server)
    await write(supervised.events, address, 1)

    job = await claim

    assert job is not None
    assert address == job.address


@pytest.mark.parametrize("pause_seconds", [0, 1])
async def test_job_survives_kill_9_of_the_server(
    own_server: EmbeddedServer, supervised: Journal, address: Address, pause_seconds: float
) -> None:
    """A job that was handed out before the restart can be done after it.

    Killed right after it has handed out the job, the server does not remember that it did: then the job comes once
    more. It is never lost, and it does not come for ever.
    """
    await write(supervised.events, address, 1)
    job = await supervised.queue.claim(address.kind, 5)
    assert job is not None
    await asyncio.sleep(pause_seconds)
    kill(own_server)

    await job.done()

    while (again := await supervised.queue.claim(address.kind, 1.5)) is not None:
        assert pause_seconds == 0
        await again.done()


async def test_job_of_a_dead_worker_survives_kill_9_of_the_server(
    own_server: EmbeddedServer, supervised: Journal, address: Address
) -> None:
    """A job whose worker died together with the server is handed out again."""
    await write(supervised.events, address, 1)
    assert await supervised.queue.claim(address.kind, 5) is not None
    kill(own_server)

    assert await supervised.queue.claim(address.kind, 10) is not None


async def test_listeners_are_told_that_they_may_have_missed_something(
    own_server: EmbeddedServer, supervised: Journal, address: Address
) -> None:
    """After a reconnect controls and feeds say so, and then go on."""
    (revision,) = await write(supervised.events, address, 1)
    controls = supervised.events.controls(address.kind)
    feed = supervised.events.feed(address.kind, address.owner)
    async with asyncio.timeout(20), aclosing(controls), aclosing(feed):
        assert (None, None) == (await anext(controls), await anext(feed))

        kill(own_server)
        assert (None, None) == (await anext(controls), await anext(feed))

        await supervised.events.append(address, entries(2), after=revision, append_id="stop", purpose=Purpose.CONTROL)
        assert address.id == await anext(controls)
        news = await anext(feed)

    assert news is not None
    assert address.id == news[0]


async def test_previews_work_after_the_server_has_forgotten_their_stream(
    own_server: EmbeddedServer, supervised: Journal, address: Address
) -> None:
    """A stream in memory is gone after a restart: it is declared again, and followers get what comes."""
    await supervised.previews.publish(address, Entry(0, Tag.EPHEMERAL, b"before"))
    previews = supervised.previews.follow(address)
    async with asyncio.timeout(20), aclosing(previews):
        assert (await anext(previews)).data == b"before"
        kill(own_server)
        await supervised.events.last(address)

        await supervised.previews.publish(address, Entry(0, Tag.EPHEMERAL, b"after"))

        assert (await anext(previews)).data == b"after"


async def test_server_that_is_not_there_at_start_is_unavailable() -> None:
    """Connecting gives up within its bound and says why."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"nats://127.0.0.1:{unused.getsockname()[1]}"
        began = time.monotonic()

        with pytest.raises(Unavailable, match="No NATS server"):
            async with connect(JournalSettings(url=url, connect_seconds=0.5)):
                pass

    assert time.monotonic() - began < 2


@pytest.mark.parametrize("url", ["", "nonsense://x", "nats://no-such-host.invalid:4222"])
async def test_url_that_is_none_is_unavailable(url: str) -> None:
    """A mistyped address is answered like a server that is away, not with a traceback of the library."""
    with pytest.raises(Unavailable, match="No NATS server"):
        async with connect(JournalSettings(url=url, connect_seconds=0.5)):
            pass


async def test_several_processes_may_declare_the_streams_at_once(own_server: EmbeddedServer) -> None:
    """Many journals that open at the same moment on an empty server all succeed."""

    async def open_and_ping() -> float:
        async with connect(JournalSettings(url=own_server.url)) as journal:
            return await journal.ping()

    pings = await asyncio.gather(*(open_and_ping() for _ in range(10)))

    assert len(pings) == 10


async def test_operators_settings_of_a_stream_are_left_alone(own_server: EmbeddedServer) -> None:
    """Opening the journal again does not undo what an operator has set."""
    settings = JournalSettings(url=own_server.url)
    async with connect(settings) as journal:
        config = (await journal.link.ask("STREAM.INFO.FABULA_EVENTS", {}))["config"]
        await journal.link.ask("STREAM.UPDATE.FABULA_EVENTS", {**config, "max_bytes": 1 << 30})

    async with connect(settings) as journal:
        config = (await journal.link.ask("STREAM.INFO.FABULA_EVENTS", {}))["config"]

    assert (1 << 30, "new") == (config["max_bytes"], config["discard"])


async def test_existing_streams_keep_their_number_of_replicas(own_server: EmbeddedServer) -> None:
    """A process that is told another number does not change what is there."""
    async with connect(JournalSettings(url=own_server.url)):
        pass
    async with connect(JournalSettings(url=own_server.url, replicas=3)) as journal:
        config = (await journal.link.ask("STREAM.INFO.FABULA_EVENTS", {}))["config"]

    assert config["num_replicas"] == 1


async def test_follower_of_a_closed_journal_ends(own_server: EmbeddedServer, address: Address) -> None:
    """A follower that is left over when its journal closes ends with an error instead of waiting for ever."""
    settings = JournalSettings(url=own_server.url, idle_check_seconds=0.1)
    async with connect(settings) as journal:
        await write(journal.events, address, 1)
        records = journal.events.follow(address)
        await anext(records)

    with pytest.raises(Unavailable):
        await asyncio.wait_for(anext(records), 5)


async def _append_again(journal: Journal, address: Address, after: int) -> None:
    """Append the second record, calling again while the journal is away."""
    while True:
        try:
            await journal.events.append(address, entries(2), after=after, append_id="same")
        except Unavailable:
            continue
        return


async def test_a_question_that_is_being_cut_short_does_not_stop_the_next_cut(own_server: EmbeddedServer) -> None:
    """The connection may be lost again, or closed, while who asked is still tidying up."""
    link = Link(JournalSettings(url=own_server.url, answer_seconds=5.0))
    await link.open()
    asked, tidying, tidy = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def ask() -> None:
        try:
            asked.set()
            await asyncio.Event().wait()
        finally:
            tidying.set()
            await tidy.wait()

    asking = asyncio.create_task(link.until_answered(ask))
    await asked.wait()
    await link.close()
    await tidying.wait()
    await link.close()
    tidy.set()

    with pytest.raises(Unavailable):
        await asking

"""What `Blobs` promises, kept by the journal."""

from __future__ import annotations

import random
from hashlib import sha256
from uuid import uuid4

import pytest

from fabula.engine.ports import BlobInfo
from fabula.errors import InvalidRequest, LogCorrupted, NotFound
from fabula.journal import Journal, subjects


@pytest.fixture
def name() -> str:
    """Give a name that no other test uses."""
    return f"story/{uuid4()}/source"


@pytest.mark.parametrize("size", [0, 1, 128 << 10, (128 << 10) + 1, 6 << 20])
async def test_blob_comes_back_whole(journal: Journal, name: str, size: int) -> None:
    """Bytes of any size come back, with what is known of them."""
    data = random.Random(size).randbytes(size)

    info = await journal.blobs.put(name, data, "image/png")

    assert BlobInfo(name, size, "image/png", sha256(data).hexdigest()) == info
    assert data == await journal.blobs.get(name)
    assert info == await journal.blobs.info(name)


async def test_unknown_blob_is_not_found(journal: Journal, name: str) -> None:
    """There is nothing under a name that was never used."""
    with pytest.raises(NotFound):
        await journal.blobs.get(name)
    with pytest.raises(NotFound):
        await journal.blobs.info(name)


async def test_same_name_replaces_the_blob(journal: Journal, name: str) -> None:
    """A second put replaces the bytes and leaves none of the first behind."""
    await journal.blobs.put(name, b"a" * 300_000, "text/plain")
    await journal.blobs.put(name, b"b", "text/html")

    answer = await journal.link.ask("STREAM.INFO.FABULA_BLOBS", {"subjects_filter": f"{subjects.blob(name)}.>"})

    assert b"b" == await journal.blobs.get(name)
    assert "text/html" == (await journal.blobs.info(name)).media_type
    assert [1, 1] == list(answer["state"]["subjects"].values())


async def test_delete_all_removes_what_lies_below(journal: Journal) -> None:
    """Every name that begins with the prefix goes, and no other."""
    root = uuid4().hex
    names = [f"{root}/1/a", f"{root}/1/b/c", f"{root}/12/a", f"{root}/2"]
    for name in names:
        await journal.blobs.put(name, name.encode(), "text/plain")

    await journal.blobs.delete_all(f"{root}/1/")
    await journal.blobs.delete_all(f"{root}/1/")

    assert [False, False, True, True] == [await _exists(journal, name) for name in names]


async def test_delete_all_takes_a_prefix_within_a_step(journal: Journal) -> None:
    """A prefix need not end where a step of the path ends."""
    root = uuid4().hex
    names = [f"{root}/ab", f"{root}/abc/d", f"{root}/ac", f"{root}/b/ab"]
    for name in names:
        await journal.blobs.put(name, b"x", "text/plain")

    await journal.blobs.delete_all(f"{root}/ab")

    assert [False, False, True, True] == [await _exists(journal, name) for name in names]


@pytest.mark.parametrize("name", ["a", "ä/ö ü", "a/b.c", "a//b", "*/>", "c/m"])
async def test_names_may_hold_anything(journal: Journal, name: str) -> None:
    """No name can reach outside its own place."""
    await journal.blobs.put(name, name.encode(), "text/plain")

    assert name.encode() == await journal.blobs.get(name)


@pytest.mark.parametrize("name", ["", "x" * 600])
async def test_name_that_is_none_is_an_invalid_request(journal: Journal, name: str) -> None:
    """A name has one to 512 characters."""
    with pytest.raises(InvalidRequest):
        await journal.blobs.put(name, b"", "text/plain")


async def test_lost_chunk_is_noticed(journal: Journal, name: str) -> None:
    """Bytes that do not match their digest are never returned; nor does the reader hang."""
    await journal.blobs.put(name, b"x" * 300_000, "text/plain")
    await journal.link.ask("STREAM.PURGE.FABULA_BLOBS", {"filter": f"{subjects.blob(name)}.c.*", "keep": 1})

    with pytest.raises(LogCorrupted):
        await journal.blobs.get(name)


async def _exists(journal: Journal, name: str) -> bool:
    try:
        await journal.blobs.info(name)
    except NotFound:
        return False
    return True

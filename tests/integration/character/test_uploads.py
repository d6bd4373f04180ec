"""Requests and uploads: what is accepted, and what is refused before anything is kept."""

from __future__ import annotations

import asyncio
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import AlreadyExists, InvalidRequest
from tests.integration.character.house import Customer, House, picture_file

pytestmark = pytest.mark.asyncio(loop_scope="module")


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few dozen bytes that says it has so many pixels."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def turned(orientation: int) -> bytes:
    """Return a JPEG that says that it is to be turned, and where it was taken."""
    image = Image.new("RGB", (60, 40), "teal")
    exif = image.getexif()
    exif[0x0112], exif[0x010E] = orientation, "taken at home"
    output = io.BytesIO()
    image.save(output, "JPEG", exif=exif)
    return output.getvalue()


REFUSED: dict[str, bytes] = {
    "no picture": b"no picture",
    "a page": b"<html><svg/></html>",
    "cut off": picture_file(size=(200, 200))[:-40],
    "a cut JPEG": picture_file("JPEG", (200, 200))[:300],
    "of an unknown kind": picture_file("TIFF"),
    "only a header": b"\x89PNG\r\n\x1a\n",
    "a bomb": bomb(30_000, 30_000),
    "a long bomb": bomb(1, 2_000_000_000),
    "a picture without pixels": bomb(0, 10),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_upload_that_is_no_picture_is_refused(house: House, ida: Customer, what: str) -> None:
    """Whatever its name says; nothing is kept or started."""
    with pytest.raises(InvalidRequest) as refusal:
        await ida.start(picture={"name": "face.png", "data": REFUSED[what]}, request_id="face")

    assert ["character.picture.data"] == [field for field, _ in refusal.value.violations]
    assert [] == list((await ida.call("ListGenerations")).generations)
    id_ = await ida.start(request_id="face")  # it is free for the right picture
    await ida.result(id_)
    assert [] == await house.blobs(id_)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("name", ["face.png", "face.exe", "", "../../etc/passwd"])
async def test_picture_is_known_by_what_it_is(house: House, ida: Customer, form: str, name: str) -> None:
    """Its name is a label and no more; what is kept is a PNG."""
    id_ = await ida.start("", picture={"name": name, "data": picture_file(form)}, generate_avatar=False)
    picture = (await ida.get(id_)).request.picture
    kept = Image.open(io.BytesIO(await house.journal.blobs.get(picture.stored.name)))

    assert (name, "PNG", (48, 32)) == (picture.name, kept.format, kept.size)
    assert picture.stored.name.startswith(f"character/{id_}/picture-")
    await ida.result(id_)


async def test_picture_is_kept_upright_and_without_metadata(house: House, ida: Customer) -> None:
    """Nobody learns where it was taken."""
    id_ = await ida.start(picture={"data": turned(6)})
    picture = (await ida.get(id_)).request.picture
    data = await house.journal.blobs.get(picture.stored.name)

    assert (40, 60) == (picture.width, picture.height)
    assert b"taken at home" not in data
    assert not Image.open(io.BytesIO(data)).getexif()
    await ida.result(id_)


async def test_of_an_animation_the_first_frame_counts(house: House, ida: Customer) -> None:
    """And of a large picture fewer pixels are kept."""
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    output = io.BytesIO()
    frames[0].save(output, "GIF", save_all=True, append_images=frames[1:])
    moving = await ida.start(picture={"data": output.getvalue()})
    large = await ida.start(picture={"data": picture_file("JPEG", (4000, 3000))})

    picture = (await ida.get(moving)).request.picture
    kept = Image.open(io.BytesIO(await house.journal.blobs.get(picture.stored.name)))
    assert (255, 0, 0) == kept.getpixel((5, 5))
    assert not getattr(kept, "is_animated", False)
    picture = (await ida.get(large)).request.picture
    assert picture.width * picture.height <= 4 * 1024 * 1024
    await ida.result(moving)
    await ida.result(large)


async def test_picture_of_ten_mebibytes_passes(ida: Customer) -> None:
    """The transport takes what the contract promises; a byte more is refused by its rule."""
    data = picture_file(size=(64, 64))
    padded = data + bytes(10 * 1024 * 1024 - len(data))
    await ida.made(picture={"data": padded})
    with pytest.raises(InvalidRequest) as refusal:
        await ida.start(picture={"data": padded + b"x"})
    assert "character.picture.data" == refusal.value.violations[0][0]


async def test_many_uploads_at_once_are_all_read(ida: Customer) -> None:
    """Two at a time are decoded; the others wait."""
    files = [picture_file("JPEG", (800, 600), colour) for colour in ("red", "green", "blue", "teal", "gold", "gray")]
    ids = await asyncio.gather(*(ida.start(picture={"data": data}) for data in files))
    for id_ in ids:
        await ida.result(id_)

    assert len(files) == len(set(ids)) == len(await ida.listed())


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"description": ""}, "character"),
        ({"description": " \n"}, "character"),
        ({"description": "\u200b\u00a0"}, "character.description"),
        ({"description": "x" * 4001}, "character.description"),
        ({"style": "x" * 501}, "character.style"),
        ({"language": "not a tag"}, "character.language"),
        ({"picture": {"data": b""}}, "character"),
        ({"picture": {"data": picture_file(), "stored": {"name": "character/x/picture-0"}}}, "character"),
        ({"picture": {"data": picture_file(), "name": "x" * 256}}, "character.picture.name"),
    ],
)
async def test_request_beyond_the_bounds_is_refused_at_once(ida: Customer, fields: dict[str, Any], where: str) -> None:
    """Naming the field; nothing is started."""
    with pytest.raises(InvalidRequest) as refusal:
        await ida.start(**fields)

    assert where in [field for field, _ in refusal.value.violations]
    assert [] == list((await ida.call("ListGenerations")).generations)


async def test_starting_again_with_the_same_request_id_is_the_same_character(house: House, ida: Customer) -> None:
    """With another picture it is refused, and the first one's stays."""
    fields: dict[str, Any] = {"request_id": "knight-1", "picture": {"data": picture_file()}}
    one = await ida.start(**fields)
    assert one == await ida.start(**fields)
    await ida.result(one)
    kept = await house.blobs(one)
    with pytest.raises(AlreadyExists):
        await ida.start(**{**fields, "picture": {"data": picture_file(colour="red")}})

    assert set(kept) <= set(await house.blobs(one))
    assert 1 == len(await ida.listed())


async def test_generations_are_listed_watched_and_read(ida: Customer) -> None:
    """The common rpcs work on characters as on stories."""
    id_ = await ida.start("  a red\nfox ")
    character = await ida.result(id_)
    listed = (await ida.call("ListGenerations", states=[gen.STATE_SUCCEEDED])).generations
    snapshot = await ida.until(id_, lambda one: one.event.HasField("snapshot"), snapshot=True)
    basic = await ida.call("GetGeneration", generation_id=id_, view=gen.GENERATION_VIEW_BASIC)

    assert [(id_, "a red fox")] == [(one.id, one.title) for one in listed]
    assert character == snapshot[-1].character
    assert not basic.HasField("character")
    found = await ida.get(id_)
    assert ("a red\nfox", "en", 7, True) == (
        found.request.description,
        found.request.language,
        found.request.seed,
        found.request.generate_avatar,
    )
    assert character == (await ida.watched(id_))[-1].character

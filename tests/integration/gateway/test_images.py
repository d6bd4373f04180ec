"""Pictures at the gateway's doors: started, listed, watched with previews, downloaded whole and in parts."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from fabula.api.image.v1 import image_pb2
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedImages, ScriptedLog, ScriptedServer, ScriptedStories, until

DATA = bytes(range(256)) * 1000
LARGEST_SOURCE = 10 * 1024 * 1024


@pytest.fixture
def painted(images: ScriptedImages) -> ScriptedLog:
    """A generation with a finished picture."""
    log = images.new()
    images.paint(log, DATA)
    return log


def preview(step: int, image: bytes = b"\x00preview\xff") -> dict[str, Any]:
    """Return the body of a preview."""
    return {"image": image, "media_type": "image/webp", "step": step}


async def test_a_picture_is_started_by_its_json(gateway: Gateway, images: ScriptedImages) -> None:
    """202, where it is, and the generation."""
    body = {"prompt": "A castle by the sea", "width": 256, "useRefinement": True, "requestId": "r-1"}
    response = await gateway.http.post("/v1/images", json=body)

    (log,) = images.logs.values()
    assert 202 == response.status_code
    assert f"/v1/generations/{log.id}" == response.headers["location"]
    asked = image_pb2.ImageRequest(prompt="A castle by the sea", width=256, use_refinement=True)
    assert asked == log.responses[0].request


async def test_the_largest_source_passes_as_a_file_and_as_base64(gateway: Gateway, images: ScriptedImages) -> None:
    """10 MiB, as the contract allows, by both ways; the bytes come to the service as they were."""
    data = DATA * (LARGEST_SOURCE // len(DATA)) + DATA[: LARGEST_SOURCE % len(DATA)]
    request = {"prompt": "In autumn", "strength": 0.4}
    as_file = await gateway.http.post(
        "/v1/images", files={"file": ("sea.png", data)}, data={"request": json.dumps(request)}
    )
    source = {"name": "sea.png", "data": base64.b64encode(data).decode()}
    as_json = await gateway.http.post("/v1/images", json={**request, "source": source})

    assert [202, 202] == [as_file.status_code, as_json.status_code]
    for log in images.logs.values():
        assert image_pb2.Source(name="sea.png", data=data) == log.responses[0].request.source


async def test_a_source_that_is_too_large_is_refused(gateway: Gateway, images: ScriptedImages) -> None:
    """413 above what a largest source can need, the file's own bytes; a story's file has its own, smaller bound."""
    too_large = b"x" * (16 << 20)
    picture = await gateway.http.post("/v1/images", files={"file": ("sea.png", too_large)})
    story = await gateway.http.post("/v1/stories", files={"file": ("sea.txt", too_large[: 3 << 20])})
    barely = await gateway.http.post(
        "/v1/images",
        files={"file": ("sea.png", too_large[: LARGEST_SOURCE + 1])},
        data={"request": '{"prompt": "The sea"}'},
    )

    assert [413, 413, 413] == [picture.status_code, story.status_code, barely.status_code]
    assert {} == images.logs


async def test_pictures_are_read_listed_and_steered_like_stories(gateway: Gateway, images: ScriptedImages) -> None:
    """The addresses of generations are the same for every kind; a list is of one kind."""
    log = images.new()
    path = f"/v1/generations/{log.id}"
    read = (await gateway.http.get(path)).json()
    listed = (await gateway.http.get("/v1/images")).json()["generations"]
    states = [(await gateway.http.post(f"{path}:{verb}")).json()["state"] for verb in ("pause", "resume", "cancel")]

    assert (log.id, "image") == (read["generation"]["id"], read["generation"]["kind"])
    assert [log.id] == [each["id"] for each in listed]
    assert [] == (await gateway.http.get("/v1/stories")).json()["generations"]
    assert ["STATE_PAUSED", "STATE_RUNNING", "STATE_CANCELLED"] == states
    assert 204 == (await gateway.http.delete(path)).status_code


async def test_the_model_tells_what_it_can_do(gateway: Gateway, images: ScriptedImages) -> None:
    """Its defaults and bounds; 503 before a worker has loaded one."""
    told = await gateway.http.get("/v1/images/model")
    images.model = None
    none = await gateway.http.get("/v1/images/model")

    assert ("painter/1", 256) == (told.json()["model"]["name"], told.json()["model"]["defaultWidth"])
    assert (503, True) == (none.status_code, none.json()["error"]["retryable"])


async def test_previews_come_over_the_socket_and_do_not_move_the_cursor(
    gateway: Gateway, images: ScriptedImages
) -> None:
    """A preview is an event without a sequence, its picture in base64."""
    log = images.new()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        first = (await socket.next())["event"]
        log.show(preview=preview(5))
        shown = (await socket.next())["event"]
        images.paint(log, DATA)
        frames = await socket.until_end()

    assert (1, "sequence" in shown) == (first["sequence"], False)
    assert "type.googleapis.com/fabula.api.image.v1.WatchProgressResponse" == shown["response"]["@type"]
    content = shown["response"]["event"]["preview"]
    assert (b"\x00preview\xff", "image/webp", 5) == (
        base64.b64decode(content["image"]), content["mediaType"], content["step"]
    )  # fmt: skip
    (picture,) = frames[0]["event"]["response"]["image"]["pictures"]
    assert len(DATA) == picture["blob"]["sizeBytes"]


@pytest.mark.parametrize("door", ["socket", "stream"])
async def test_who_comes_late_sees_the_newest_preview(gateway: Gateway, images: ScriptedImages, door: str) -> None:
    """Of all that were shown, only the last, and at once; behind what the log holds."""
    log = images.new()
    async with gateway.socket() as early:
        await early.subscribe(log.id)
        await early.next()
        for step in (5, 10, 15):
            log.show(preview=preview(step))
            await early.next()
        if door == "socket":
            async with gateway.socket() as late:
                await late.subscribe(log.id)
                events = [(await late.next())["event"] for _ in range(2)]
        else:
            async with gateway.events(log.id) as (_, stream):
                events = [event.data async for event in _first(stream, 2)]

    assert [1, None] == [event.get("sequence") for event in events]
    assert 15 == events[1]["response"]["event"]["preview"]["step"]


@pytest.mark.parametrize("door", ["socket", "stream"])
async def test_of_several_pictures_the_newest_preview_of_each_is_seen(
    gateway: Gateway, images: ScriptedImages, door: str
) -> None:
    """Pictures that are painted together do not hide each other's previews from who comes late."""
    log = images.new()
    async with gateway.socket() as early:
        await early.subscribe(log.id)
        await early.next()
        for step, index in ((5, 0), (5, 1), (10, 0)):
            log.show(preview={**preview(step), "index": index})
            await early.next()
        if door == "socket":
            async with gateway.socket() as late:
                await late.subscribe(log.id)
                events = [(await late.next())["event"] for _ in range(3)]
        else:
            async with gateway.events(log.id) as (_, stream):
                events = [event.data async for event in _first(stream, 3)]

    shown = [event["response"]["event"]["preview"] for event in events[1:]]
    assert {(0, 10), (1, 5)} == {(one.get("index", 0), one["step"]) for one in shown}


async def _first(stream: Any, count: int) -> Any:
    """Yield the first events of a stream, its opening left out."""
    async for event in stream:
        if event.name:
            yield event
            count -= 1
        if not count:
            return


async def test_a_slow_reader_gets_the_newest_preview_only(gateway: Gateway, images: ScriptedImages) -> None:
    """What it has not read is not kept for it: hundreds of previews pass, and it is sent the last."""
    log = images.new()
    large, last = b"p" * 60_000, 300
    async with gateway.socket() as quick, gateway.socket(max_queue=1) as slow:
        for socket in (quick, slow):
            await socket.subscribe(log.id)
            await socket.next()
        for step in range(1, last + 1):
            log.show(preview=preview(step, large))
            while (await quick.next())["event"]["response"]["event"]["preview"]["step"] != step:
                pass
        steps: list[int] = []
        while not steps or steps[-1] != last:
            steps.append((await slow.next())["event"]["response"]["event"]["preview"]["step"])

    assert sorted(set(steps)) == steps
    assert len(steps) < last / 2


async def test_a_picture_is_downloaded(gateway: Gateway, images: ScriptedImages, painted: ScriptedLog) -> None:
    """Its bytes, with all that a browser wants to know of them."""
    answer = await gateway.http.get(f"/v1/images/{painted.id}")
    (digest,) = images.files

    assert (200, DATA) == (answer.status_code, answer.content)
    assert {
        "content-type": "image/png",
        "content-length": str(len(DATA)),
        "etag": f'"{digest}"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=31536000, immutable",
        "content-disposition": f'inline; filename="{painted.id}.png"',
        "x-content-type-options": "nosniff",
    }.items() <= dict(answer.headers).items()


async def test_of_several_pictures_each_is_downloaded_by_its_index(gateway: Gateway, images: ScriptedImages) -> None:
    """From 0; one that is not there is not found, and no number is no index."""
    log = images.new()
    images.paint(log, b"first", b"second")
    answers = [await gateway.http.get(f"/v1/images/{log.id}?index={index}") for index in ("0", "1", "2", "x")]

    assert [200, 200, 404, 400] == [answer.status_code for answer in answers]
    assert [b"first", b"second"] == [answer.content for answer in answers[:2]]
    assert f'inline; filename="{log.id}-2.png"' == answers[1].headers["content-disposition"]


async def test_what_one_has_is_not_sent_again(gateway: Gateway, painted: ScriptedLog, images: ScriptedImages) -> None:
    """304 by its validator, weak or in a list; nothing is read from the service for it, nor for HEAD."""
    path = f"/v1/images/{painted.id}"
    (digest,) = images.files
    same = [
        await gateway.http.get(path, headers={"if-none-match": value})
        for value in (f'"{digest}"', f'"x", W/"{digest}"', "*")
    ]
    other = await gateway.http.get(path, headers={"if-none-match": '"other"'})
    head = await gateway.http.head(path)

    assert [(304, b"", f'"{digest}"')] * 3 == [(one.status_code, one.content, one.headers["etag"]) for one in same]
    assert (200, DATA) == (other.status_code, other.content)
    assert (200, b"", str(len(DATA))) == (head.status_code, head.content, head.headers["content-length"])


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-99", 0, 100),
        ("bytes=255900-", 255_900, 256_000),
        ("bytes=-10", 255_990, 256_000),
        ("bytes=100-999999", 100, 256_000),
    ],
)
async def test_a_part_is_sent(gateway: Gateway, painted: ScriptedLog, asked: str, start: int, stop: int) -> None:
    """One range of bytes, and where it lies."""
    answer = await gateway.http.get(f"/v1/images/{painted.id}", headers={"range": asked})

    assert (206, DATA[start:stop]) == (answer.status_code, answer.content)
    assert f"bytes {start}-{stop - 1}/{len(DATA)}" == answer.headers["content-range"]
    assert str(stop - start) == answer.headers["content-length"]


@pytest.mark.parametrize("asked", ["bytes=0-0,5-9", "lines=1-2"])
async def test_what_is_no_single_range_is_ignored(gateway: Gateway, painted: ScriptedLog, asked: str) -> None:
    """All of it is sent."""
    answer = await gateway.http.get(f"/v1/images/{painted.id}", headers={"range": asked})

    assert (200, DATA) == (answer.status_code, answer.content)


async def test_a_part_that_does_not_exist_is_refused(gateway: Gateway, painted: ScriptedLog) -> None:
    """416, with the size there is."""
    answer = await gateway.http.get(f"/v1/images/{painted.id}", headers={"range": f"bytes={len(DATA)}-"})

    assert (416, f"bytes */{len(DATA)}") == (answer.status_code, answer.headers["content-range"])
    assert "RANGE_NOT_SATISFIABLE" == answer.json()["error"]["code"]


async def test_a_part_of_something_else_is_not_joined_to_it(
    gateway: Gateway, painted: ScriptedLog, images: ScriptedImages
) -> None:
    """`If-Range` with another validator, or a date, gets the whole."""
    (digest,) = images.files
    path = f"/v1/images/{painted.id}"
    answers = [
        await gateway.http.get(path, headers={"range": "bytes=0-9", "if-range": value})
        for value in (f'"{digest}"', '"other"', "Sat, 21 Nov 2026 13:00:00 GMT")
    ]

    assert [206, 200, 200] == [answer.status_code for answer in answers]


async def test_there_is_no_picture_before_it_is_finished(
    gateway: Gateway, images: ScriptedImages, stories: ScriptedStories
) -> None:
    """409 while it is painted; a story's id is no picture's."""
    unfinished = await gateway.http.get(f"/v1/images/{images.new().id}")
    story = await gateway.http.get(f"/v1/images/{stories.new().id}")

    assert (409, "FAILED_PRECONDITION") == (unfinished.status_code, unfinished.json()["error"]["code"])
    assert "no-store" == unfinished.headers["cache-control"]
    assert 404 == story.status_code


async def test_a_picture_is_its_owners_only(open_gateway: OpenGateway) -> None:
    """Another's is as unknown as none."""
    guarded = ScriptedServer(ScriptedStories(SECRET), ScriptedImages(SECRET))
    await guarded.start()
    assert guarded.images is not None
    log = guarded.images.new(1, "ada")
    guarded.images.paint(log, DATA)
    async with open_gateway(guarded.address, jwt_secret=SECRET) as gateway:
        path = f"/v1/images/{log.id}"
        mine, hers = ({"authorization": f"Bearer {token(name)}"} for name in ("bob", "ada"))
        nobody = await gateway.http.get(path)
        foreign = await gateway.http.get(path, headers=mine)
        own = await gateway.http.get(path, headers=hers)
    await guarded.stop()

    assert [401, 404, 200] == [nobody.status_code, foreign.status_code, own.status_code]


async def test_a_picture_is_not_held_whole(gateway: Gateway, images: ScriptedImages) -> None:
    """Who does not read holds back the service; who leaves ends the call."""
    log = images.new()
    large = DATA * 160  # 40 MB: more than all buffers on the way
    images.paint(log, large)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.house.settings.http_port, limit=4096)
    writer.write(f"GET /v1/images/{log.id} HTTP/1.1\r\nHost: {gateway.host}\r\n\r\n".encode())
    assert b"200 OK" in await reader.readline()
    before = -1
    while before != images.sent:  # until nothing moves any more
        before = images.sent
        await asyncio.sleep(0.3)
    assert 0 < images.sent < len(large) / 2
    writer.transport.abort()
    await until(lambda: not gateway.server.server_state.connections)


async def test_stories_have_no_pictures(gateway: Gateway, stories: ScriptedStories) -> None:
    """What a kind's contract does not have has no address."""
    answers = [await gateway.http.get(f"/v1/stories/{what}") for what in ("model", stories.new().id)]

    assert [404, 404] == [answer.status_code for answer in answers]
    assert 404 == (await gateway.http.get("/v1/images/templates")).status_code

"""Pictures by the real adapter on tiny pipelines: the service whole, but for the size of its model."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.image.v1 import image_pb2 as pb
from fabula.backends.diffusers_image import DiffusersImage
from fabula.engine.events import CancelRequested, LogLine, StageRestarted
from fabula.errors import AlreadyExists, Conflict, InvalidRequest, NotFound
from tests.integration.image.house import Customer, House, bodies, picture_file

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

QUICK: dict[str, Any] = {"steps": 4, "preview_interval": 0}


@pytest_asyncio.fixture(loop_scope="module")
async def ida(real_house: House) -> AsyncIterator[Customer]:
    """A caller nobody knows yet; what they leave unfinished is cancelled, so that it keeps nobody from the model."""
    customer = real_house.customer()
    yield customer
    for generation in (await customer.call("ListGenerations")).generations:
        if generation.state in (gen.STATE_QUEUED, gen.STATE_RUNNING, gen.STATE_PAUSED):
            await customer.call("CancelGeneration", generation_id=generation.id)


async def test_base_does_forty_steps_and_the_refiner_ten(real_house: House, ida: Customer) -> None:
    """Of fifty, at the usual hand-over; both pictures are downloaded whole."""
    id_ = await ida.start(steps=50, use_refinement=True, count=2, preview_interval=10)
    image = await ida.result(id_)
    log = await real_house.log(ida, id_)
    pictures = await ida.pictures(id_)

    assert (40, 10, "base", "refiner") == (image.base_steps, image.refiner_steps, image.model, image.refiner)
    assert [(64, 64), (64, 64)] == [Image.open(io.BytesIO(data)).size for data in pictures]
    assert pictures[0] != pictures[1]
    assert [7, 8] == [one.seed for one in image.pictures]
    assert {50} == {event.progress.steps for event in log if event.progress.steps}
    assert ["picture-0.png", "picture-1.png"] == await real_house.kept(id_)


async def test_same_seed_makes_the_same_picture(ida: Customer) -> None:
    """To the bit; another seed makes another one; without a seed it is said which it was."""
    one, same, other = [await ida.start(**{**QUICK, "seed": seed}) for seed in (5, 5, 6)]
    for id_ in (one, same, other):
        await ida.result(id_)
    response = await ida.call("StartGeneration", image=pb.ImageRequest(prompt="a fox", **QUICK))
    drawn = await ida.result(response.generation.id)

    assert await ida.pictures(one) == await ida.pictures(same)
    assert await ida.pictures(one) != await ida.pictures(other)
    assert response.generation.id
    assert (await ida.get(response.generation.id)).request.seed == drawn.seed


async def test_previews_of_both_pictures_come(ida: Customer) -> None:
    """WebP, with the step that they show; a watcher who comes late sees the newest of each."""
    id_ = await ida.start(steps=40, count=2, preview_interval=1)
    seen: dict[int, Any] = {}

    def both(response: Any) -> bool:
        if response.event.WhichOneof("body") == "preview":
            seen[response.event.preview.index] = response.event.preview
        return len(seen) == 2

    await ida.until(id_, both)
    assert {"image/webp"} == {preview.media_type for preview in seen.values()}
    assert all(Image.open(io.BytesIO(preview.image)).format == "WEBP" for preview in seen.values())
    assert all(0 < preview.step <= 40 for preview in seen.values())
    assert all(len(preview.image) <= 16 * 1024 for preview in seen.values())
    seen.clear()
    await ida.until(id_, both)
    await ida.result(id_)


async def test_cancel_ends_within_a_step_and_decodes_nothing(real_house: House, ida: Customer) -> None:
    """Hundred steps would take long; after the cancel no stage begins any more, and nothing is kept."""
    id_ = await ida.start(steps=100, use_refinement=True, width=256, height=256)
    await ida.until_step(id_, "base_model", 2)
    await ida.call("CancelGeneration", generation_id=id_)
    found = await ida.reaches(id_, gen.STATE_CANCELLED)
    log = await real_house.log(ida, id_)
    asked = next(event for event in log if isinstance(event.body, CancelRequested))

    last = max(event.progress.step or 0 for event in log)
    assert last - (asked.progress.step or 0) <= 2
    assert not found.image.pictures
    assert [] == await real_house.kept(id_)


async def test_cancelled_neighbour_does_not_change_a_picture(ida: Customer) -> None:
    """Two requests in one batch: one is cancelled, the other's picture is that of an undisturbed run, to the bit."""
    undisturbed = await _pair(ida, cancel=False)
    disturbed = await _pair(ida, cancel=True)

    assert undisturbed == disturbed


async def _pair(ida: Customer, *, cancel: bool) -> list[bytes]:
    """Paint two requests in one batch; return the first one's picture."""
    blocker = await ida.start(steps=150, width=256, height=256, preview_interval=0)
    await ida.until_step(blocker, "base_model", 1)
    asked: dict[str, Any] = {"steps": 30, "preview_interval": 0}
    one, other = await ida.start("a red fox", seed=11, **asked), await ida.start("a blue house", seed=12, **asked)
    for id_ in (one, other):
        await ida.until(id_, lambda response: response.event.progress.message == "Waiting for the model")
    await ida.call("CancelGeneration", generation_id=blocker)
    await ida.until_step(one, "base_model", 3)
    if cancel:
        await ida.call("CancelGeneration", generation_id=other)
        await ida.reaches(other, gen.STATE_CANCELLED)
    image = await ida.result(one)
    if not cancel:
        await ida.result(other)
    assert (2, 0) == (image.base_batch.size, image.base_batch.slot)
    return await ida.pictures(one)


async def test_pause_and_resume_end_in_the_same_bits(real_house: House, ida: Customer) -> None:
    """In the base's part and in the refiner's, for schedulers that remember steps and for one that draws noise."""
    for scheduler, stage, step in (
        ("euler", "base_model", 6),
        ("dpm++2m", "refiner_model", 33),
        ("euler-ancestral", "base_model", 9),
    ):
        asked: dict[str, Any] = {"steps": 40, "use_refinement": True, "scheduler": scheduler, "preview_interval": 0}
        one = await ida.start(**asked)
        await ida.until_step(one, stage, step)
        await ida.call("PauseGeneration", generation_id=one)
        await ida.reaches(one, gen.STATE_PAUSED, gen.STATE_SUCCEEDED)
        await ida.call("ResumeGeneration", generation_id=one)
        await ida.result(one)
        log = await real_house.log(ida, one)
        undisturbed = await ida.start(**asked)
        await ida.result(undisturbed)

        assert not any(isinstance(event.body, StageRestarted) for event in log)
        assert await ida.pictures(undisturbed) == await ida.pictures(one), scheduler


async def test_source_is_gone_out_from(ida: Customer) -> None:
    """A picture from a picture: in its proportions, turned upright, only a part of the steps done; its name is told."""
    data = picture_file("JPEG", (200, 100))
    near = await ida.start(source={"name": "sea\x1b.jpg", "data": data}, strength=0.25, steps=8)
    far = await ida.start(source={"name": "sea.jpg", "data": data}, steps=8)
    image = await ida.result(near)
    other = await ida.result(far)
    found = await ida.get(near)

    assert (2, 4) == (image.base_steps, other.base_steps)
    assert (128, 64) == (image.pictures[0].width, image.pictures[0].height)
    assert "sea.jpg" == found.request.source.name
    assert not found.request.source.data
    assert 0.6 == (await ida.get(far)).request.strength


@pytest.mark.parametrize(("form", "name"), [("FORMAT_PNG", "PNG"), ("FORMAT_WEBP", "WEBP"), ("FORMAT_JPEG", "JPEG")])
async def test_picture_is_stored_as_asked(ida: Customer, form: str, name: str) -> None:
    """And says so."""
    id_ = await ida.start(format=form, **QUICK)
    image = await ida.result(id_)
    (data,) = await ida.pictures(id_)

    assert name == Image.open(io.BytesIO(data)).format
    assert f"image/{name.lower()}" == image.pictures[0].blob.media_type


async def test_picture_may_be_downloaded_in_parts(ida: Customer) -> None:
    """The first response says what it is; then pieces of at most 64 KiB, from the byte and up to the byte asked for."""
    id_ = await ida.start(width=256, height=256, **QUICK)
    await ida.result(id_)
    picture, pieces = await ida.downloaded(id_)
    whole = b"".join(pieces)

    assert picture.blob.size_bytes == len(whole) > 64 * 1024
    assert max(map(len, pieces)) <= 64 * 1024
    for fields in ({"offset": 10, "limit": 5}, {"offset": 70_000}, {"limit": 66_000}, {"offset": len(whole)}):
        offset, limit = fields.get("offset", 0), fields.get("limit", len(whole))
        assert whole[offset : offset + limit] == b"".join((await ida.downloaded(id_, **fields))[1])


async def test_what_cannot_be_downloaded_is_said(real_house: House, ida: Customer) -> None:
    """Another's, or nobody's: NOT_FOUND; not yet, or never: FAILED_PRECONDITION; beyond: INVALID_ARGUMENT."""
    id_ = await ida.start(**QUICK)
    await ida.result(id_)
    slow = await ida.start(steps=150, width=256, height=256)

    for stranger, wanted in ((real_house.customer(), id_), (ida, id_[:-1]), (ida, "story-1")):
        with pytest.raises(NotFound):
            await stranger.downloaded(wanted)
    for fields in ({"index": 1}, {"offset": 10_000_000}):
        with pytest.raises(InvalidRequest, match="must be"):
            await ida.downloaded(id_, **fields)
    with pytest.raises(Conflict, match="watch it until"):
        await ida.downloaded(slow)
    await ida.call("CancelGeneration", generation_id=slow)
    await ida.reaches(slow, gen.STATE_CANCELLED)
    with pytest.raises(Conflict, match="none were made"):
        await ida.downloaded(slow)
    await ida.call("DeleteGeneration", generation_id=id_)
    with pytest.raises(NotFound):
        await ida.downloaded(id_)
    assert [] == await real_house.kept(id_)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"prompt": ""}, "image"),
        ({"prompt": "\u200b"}, "image.prompt"),
        ({"width": 77}, "image.width"),
        ({"width": 8192}, "image.width"),
        ({"width": 9000}, "image.width"),
        ({"height": 8}, "image.height"),
        ({"steps": 151}, "image.steps"),
        ({"steps": 0}, "image.steps"),
        ({"guidance": -1}, "image.guidance"),
        ({"count": 9}, "image.count"),
        ({"scheduler": "heun"}, "image.scheduler"),
        ({"use_refinement": True, "handover": 1.0}, "image.handover"),
        ({"strength": 0.5}, "image"),
        ({"source": {"data": b""}}, "image"),
        ({"source": {"data": b"no picture"}}, "image.source.data"),
        ({"source": {"data": picture_file()[:-30]}}, "image.source.data"),
        ({"source": {"data": picture_file(), "stored": {"name": "image/x/picture-0"}}}, "image"),
    ],
)
async def test_request_beyond_the_bounds_is_refused_at_once(ida: Customer, fields: dict[str, Any], where: str) -> None:
    """With the field that is wrong."""
    with pytest.raises(InvalidRequest) as caught:
        await ida.start(**fields)

    assert where in [field for field, _ in caught.value.violations]


async def test_source_of_ten_mebibytes_passes(ida: Customer) -> None:
    """The transport takes what the contract promises; a byte more is refused by its rule."""
    data = picture_file(size=(64, 64))
    padded = data + bytes(10 * 1024 * 1024 - len(data))
    id_ = await ida.start(source={"data": padded}, **QUICK)
    await ida.result(id_)
    with pytest.raises(InvalidRequest) as caught:
        await ida.start(source={"data": padded + b"x"})
    assert "image.source.data" == caught.value.violations[0][0]


async def test_starting_again_with_the_same_request_id_is_the_same_generation(ida: Customer) -> None:
    """With another request it is refused."""
    fields: dict[str, Any] = {"request_id": "boat-1", "source": {"data": picture_file()}, **QUICK}
    one = await ida.start(**fields)
    assert one == await ida.start(**fields)
    with pytest.raises(AlreadyExists):
        await ida.start(**{**fields, "steps": 5})
    await ida.result(one)


async def test_generations_are_listed_watched_and_read(ida: Customer) -> None:
    """The common rpcs work on pictures as on stories."""
    id_ = await ida.start("  a red\nfox ", **QUICK)
    await ida.result(id_)
    listed = (await ida.call("ListGenerations")).generations
    snapshot = await ida.until(id_, lambda one: one.event.HasField("snapshot"), snapshot=True)
    basic = await ida.call("GetGeneration", generation_id=id_, view=gen.GENERATION_VIEW_BASIC)

    assert [(id_, "a red fox")] == [(one.id, one.title) for one in listed]
    assert 1 == len(snapshot[-1].image.pictures)
    assert not basic.HasField("image")
    found = await ida.get(id_)
    assert (64, 64, 4, 1, True) == (
        found.request.width,
        found.request.height,
        found.request.steps,
        found.request.count,
        found.request.HasField("guidance"),
    )
    watched = await ida.watched(id_)
    assert "succeeded" == bodies(watched)[-1]
    assert found.image == watched[-1].image


async def test_model_tells_what_it_can_do(ida: Customer) -> None:
    """Defaults, bounds, schedulers, and on what it runs."""
    model = (await ida.call("GetModel")).model

    assert ("base", "refiner", 64, 64, 8) == (
        model.name,
        model.refiner,
        model.default_width,
        model.default_height,
        model.side_multiple,
    )
    assert "euler" == model.schedulers[0].name
    assert ("cpu", "float32") == (model.environment.device, model.environment.dtype)


async def test_model_host_may_die(real_house: House, ida: Customer) -> None:
    """The process that holds the model is killed in the middle: the picture goes on, and ends in the same bits."""
    asked: dict[str, Any] = {"steps": 25, "preview_interval": 0, "width": 128, "height": 128}
    model = real_house.model
    assert isinstance(model, DiffusersImage)
    id_ = await ida.start(**asked)
    await ida.until_step(id_, "base_model", 8)
    assert model.state.pid is not None
    os.kill(model.state.pid, signal.SIGKILL)
    await ida.result(id_)
    log = await real_house.log(ida, id_)
    undisturbed = await ida.start(**asked)
    await ida.result(undisturbed)

    assert await ida.pictures(undisturbed) == await ida.pictures(id_)
    assert 1 == sum(isinstance(event.body, LogLine) for event in log)
    assert not any(isinstance(event.body, StageRestarted) for event in log)

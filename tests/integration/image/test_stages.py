"""The stages over a real server, worker and journal; a double of a model fails where a test wants it to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.image.v1 import image_pb2 as pb
from fabula.backends.image import Part
from fabula.engine.events import (
    Advanced,
    Failed,
    LogLevel,
    LogLine,
    Released,
    StageFinished,
    StageRestarted,
    StageStarted,
)
from fabula.engine.ports import BlobInfo
from fabula.errors import ModelCrashed, ModelOutOfMemory, ModelOutputInvalid, ModelUnavailable, Unavailable
from fabula.journal.blobs import JetStreamBlobs
from fabula.journal.embedded import EmbeddedServer
from tests.integration.image.house import House, open_house, picture_file
from tests.unit.image.sketches import CARD, Sketcher

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(nats_url: str) -> AsyncIterator[House]:
    """A server and a worker whose model is a double."""
    async with open_house(nats_url, Sketcher()) as opened:
        yield opened


@pytest.fixture
def model(house: House) -> Sketcher:
    """The double, as new."""
    sketcher = house.model
    assert isinstance(sketcher, Sketcher)
    fresh = Sketcher()
    for name in fresh.__slots__:
        setattr(sketcher, name, getattr(fresh, name))
    return sketcher


async def test_request_becomes_a_picture(house: House, model: Sketcher) -> None:
    """Start, watch, get and download: the log keeps all rules, and says how the picture was made."""
    ida = house.customer()
    id_ = await ida.start("a red boat", count=2)
    found = await ida.reaches(id_, gen.STATE_SUCCEEDED)
    log = await house.log(ida, id_)
    pictures = await ida.pictures(id_)

    assert ["encode_prompt", "base_model", "decode", "keep"] == [
        event.body.stage for event in log if isinstance(event.body, StageStarted)
    ]
    image = found.image
    assert (7, "sketcher/1", "", 10, 0, "euler", 3.0) == (
        image.seed,
        image.model,
        image.refiner,
        image.base_steps,
        image.refiner_steps,
        image.scheduler,
        image.guidance,
    )
    assert [(0, 7, 64, 64), (1, 8, 64, 64)] == [(one.index, one.seed, one.width, one.height) for one in image.pictures]
    assert [one.blob.size_bytes for one in image.pictures] == [len(data) for data in pictures]
    assert ["encode_prompt", "base_model", "decode"] == [timing.stage for timing in image.timings]
    assert ("cpu", "f1") == (image.environment.device, image.environment.fingerprint)
    assert (2, 0) == (image.base_batch.size, image.base_batch.slot)
    assert ["picture-0.png", "picture-1.png"] == await house.kept(id_)


async def test_refiner_goes_on_counting_where_the_base_has_ended(house: House, model: Sketcher) -> None:
    """Forty steps and ten of fifty, in one count, each an event however fast they come."""
    ida = house.customer()
    id_ = await ida.start(high_quality=True)
    image = await ida.result(id_)
    log = await house.log(ida, id_)
    finished = {event.body.stage: event.body.units for event in log if isinstance(event.body, StageFinished)}
    counted = [
        (event.body.stage, event.body.step, event.body.steps)
        for event in log
        if isinstance(event.body, Advanced) and event.body.step is not None
    ]

    assert (40, 10, "finisher/1") == (image.base_steps, image.refiner_steps, image.refiner)
    assert (40, 10) == (finished["base_model"], finished["refiner_model"])
    assert list(range(1, 51)) == [step for _, step, _ in counted]
    assert {50} == {steps for _, _, steps in counted}
    assert {"base_model"} == {stage for stage, step, _ in counted if step <= 40}
    assert {"refiner_model"} == {stage for stage, step, _ in counted if step > 40}
    assert [Part.BASE, Part.REFINER] == [part for part, _ in model.begun]


async def test_cancel_is_obeyed_within_a_step(house: House, model: Sketcher) -> None:
    """No step and no decoding follow, and nothing is kept."""
    ida = house.customer()
    model.hold_at = 8
    id_ = await ida.start()
    await asyncio.wait_for(model.reached.wait(), 20)
    await ida.call("CancelGeneration", generation_id=id_)
    await ida.reaches(id_, gen.STATE_CANCELLED)
    await house.log(ida, id_)

    assert (7, 0) == (model.steps, model.decoded)
    assert [] == await house.kept(id_)


@pytest.mark.parametrize("command", ["Cancel", "Delete"])
async def test_what_a_paused_picture_had_kept_goes_with_it(house: House, model: Sketcher, command: str) -> None:
    """A paused picture has its newest step; cancelled or deleted, nothing is left."""
    ida = house.customer()
    model.hold_at = 4
    id_ = await ida.start()
    await asyncio.wait_for(model.reached.wait(), 20)
    await ida.call("PauseGeneration", generation_id=id_)
    await ida.reaches(id_, gen.STATE_PAUSED)
    assert ["work/checkpoint-base"] == await house.kept(id_)

    await ida.call(f"{command}Generation", generation_id=id_)
    assert [] == await house.kept(id_)


@pytest.mark.parametrize(("hold_at", "begun"), [(4, (Part.BASE, 3)), (10, (Part.BASE, 9)), (1, (Part.BASE, 0))])
async def test_paused_picture_goes_on_with_the_next_step(
    house: House, model: Sketcher, hold_at: int, begun: tuple[Part, int]
) -> None:
    """A pause keeps the very last step; the bits are those of an undisturbed run."""
    ida = house.customer()
    model.hold_at = hold_at
    id_ = await ida.start()
    await asyncio.wait_for(model.reached.wait(), 20)
    await ida.call("PauseGeneration", generation_id=id_)
    await ida.reaches(id_, gen.STATE_PAUSED)
    model.hold_at = 0
    await ida.call("ResumeGeneration", generation_id=id_)
    await ida.result(id_)
    log = await house.log(ida, id_)
    undisturbed = await ida.start()
    await ida.result(undisturbed)

    assert [(Part.BASE, 0), begun] == model.begun[:2]
    assert 10 == model.steps - 10
    assert (hold_at == 1) is any(isinstance(event.body, StageRestarted) for event in log)
    assert await ida.pictures(undisturbed) == await ida.pictures(id_)


async def test_model_that_has_changed_begins_anew_and_says_so(house: House, model: Sketcher) -> None:
    """A state of another model would end in another picture."""
    ida = house.customer()
    model.hold_at = 6
    id_ = await ida.start()
    await asyncio.wait_for(model.reached.wait(), 20)
    await ida.call("PauseGeneration", generation_id=id_)
    await ida.reaches(id_, gen.STATE_PAUSED)
    model.hold_at, model.what = 0, replace(CARD, fingerprint="f2")
    await ida.call("ResumeGeneration", generation_id=id_)
    image = await ida.result(id_)
    log = await house.log(ida, id_)

    assert [StageRestarted("base_model", "the model has changed")] == [
        event.body for event in log if isinstance(event.body, StageRestarted)
    ]
    assert (Part.BASE, 0) == model.begun[-1]
    assert ("f2", 10) == (image.environment.fingerprint, image.base_steps)


async def test_model_that_changed_between_its_parts_is_a_clear_failure(house: House, model: Sketcher) -> None:
    """The refiner cannot go on with another base's latents; a retry from the base's stage can."""
    ida = house.customer()
    model.decoding = [ModelOutputInvalid("not a number")] * 3
    id_ = await ida.start()
    await ida.reaches(id_, gen.STATE_FAILED)
    model.what = replace(CARD, fingerprint="f2")
    await ida.call("RetryGeneration", generation_id=id_)
    await ida.until(id_, lambda one: one.event.run == 2 and one.event.state == gen.STATE_FAILED)
    failure = (await ida.get(id_)).generation.failure
    assert "FAILED_PRECONDITION" == failure.code
    assert "the model has changed" in failure.message
    assert "base_model" in failure.message

    await ida.call("RetryGeneration", generation_id=id_, from_stage="base_model")
    await ida.until(id_, lambda one: one.event.run == 3 and one.event.state == gen.STATE_SUCCEEDED)
    await house.log(ida, id_)


async def test_crash_of_the_model_goes_on_from_the_newest_step(house: House, model: Sketcher) -> None:
    """Nothing is repeated: what the model had told last is kept before the stage is tried again."""
    ida = house.customer()
    model.failing = [(8, ModelCrashed("the model's process died"))]
    id_ = await ida.start()
    await ida.result(id_)
    log = await house.log(ida, id_)

    assert [(Part.BASE, 0), (Part.BASE, 7)] == model.begun
    assert 10 == model.steps
    assert [LogLevel.WARNING] == [event.body.level for event in log if isinstance(event.body, LogLine)]


async def test_scheduler_that_cannot_go_on_begins_again_and_says_so(house: House, model: Sketcher) -> None:
    """Where there is no state in the middle, the stage restarts."""
    ida = house.customer()
    model.failing = [(8, ModelCrashed("the model's process died"))]
    id_ = await ida.start(scheduler="pndm")
    await ida.result(id_)
    log = await house.log(ida, id_)

    assert [(Part.BASE, 0), (Part.BASE, 0)] == model.begun
    assert 1 == sum(isinstance(event.body, StageRestarted) for event in log)


@pytest.mark.parametrize(
    "error",
    [
        ModelOutOfMemory("out of memory: ask for smaller pictures, or fewer at a time"),
        ModelOutputInvalid("the picture is not a number any more"),
        ModelUnavailable("the folder of the model is gone"),
    ],
)
async def test_failure_of_the_model_is_the_generations_and_the_worker_goes_on(
    house: House, model: Sketcher, error: Any
) -> None:
    """It is tried again twice, then the generation says what was wrong; the next request is served."""
    ida = house.customer()
    model.failing = [(3, error), (3, error), (3, error)]
    id_ = await ida.start()
    found = await ida.reaches(id_, gen.STATE_FAILED)
    await house.log(ida, id_)

    assert (error.code, error.message) == (found.generation.failure.code, found.generation.failure.message)
    assert (await ida.painted()).pictures


async def test_long_prompt_is_told(house: House, model: Sketcher) -> None:
    """The log names what the model does not read."""
    ida = house.customer()
    id_ = await ida.start("one two three four five six seven eight nine ten")
    await ida.result(id_)
    log = await house.log(ida, id_)

    said = [event.body for event in log if isinstance(event.body, LogLine)]
    assert [LogLevel.WARNING] == [line.level for line in said]
    assert "“nine ten”" in said[0].message


async def test_waiting_for_the_model_is_told(house: House, model: Sketcher) -> None:
    """While others are at work, a request says what it waits for."""
    ida = house.customer()
    model.hold_at = 1
    one = await ida.start()
    await asyncio.wait_for(model.reached.wait(), 20)
    other = await ida.start()
    await ida.until(other, lambda response: response.event.progress.message == "Waiting for the model")
    model.go.set()
    await ida.result(one)
    await ida.result(other)
    log = await house.log(ida, other)

    assert "Painting" in [event.progress.message for event in log]


async def test_previews_of_each_picture_come(house: House, model: Sketcher) -> None:
    """With a count of two, a late watcher sees the newest preview of both."""
    ida = house.customer()
    model.hold_at = 8
    id_ = await ida.start(count=2, preview_interval=2)
    await asyncio.wait_for(model.reached.wait(), 20)
    seen: dict[int, int] = {}

    def both(response: Any) -> bool:
        if response.event.WhichOneof("body") == "preview":
            seen[response.event.preview.index] = response.event.preview.step
        return seen == {0: 6, 1: 6}

    await ida.until(id_, both)
    model.go.set()
    await ida.result(id_)


async def test_source_keeps_its_proportions(house: House, model: Sketcher) -> None:
    """Where no size is asked for; only the part of the steps that the strength names is done."""
    ida = house.customer()
    id_ = await ida.start(source={"data": picture_file(size=(300, 100))}, strength=0.5)
    image = await ida.result(id_)
    found = await ida.get(id_)

    assert (112, 40, 5) == (image.pictures[0].width, image.pictures[0].height, image.base_steps)
    source = found.request.source
    assert ("", b"", 300, 100, "image/png") == (
        source.name,
        source.data,
        source.width,
        source.height,
        source.stored.media_type,
    )


async def test_hand_back_keeps_the_newest_step(tmp_path: Path) -> None:
    """A worker that shuts down keeps its newest step, and the next one goes on behind it."""
    model = Sketcher(hold_at=9)
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, model, working=False) as house:
        ida = house.customer()
        async with house.working():
            id_ = await ida.start()
            await asyncio.wait_for(model.reached.wait(), 20)
        model.hold_at = 0
        async with house.working():
            await ida.result(id_)
        log = await house.log(ida, id_)

    assert [(Part.BASE, 0), (Part.BASE, 8)] == model.begun
    assert 1 == sum(isinstance(event.body, Released) for event in log)


async def test_what_is_beyond_the_model_fails_where_no_server_could_tell(tmp_path: Path) -> None:
    """Before a model was loaded anywhere, requests are accepted; the worker refuses what the model cannot do."""
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, Sketcher(), working=False) as house:
        ida = house.customer()
        with pytest.raises(Unavailable):
            await ida.call("GetModel")
        id_, fine = await ida.start(width=777), await ida.start()
        async with house.working():
            found = await ida.reaches(id_, gen.STATE_FAILED)
            await ida.result(fine)
        log = await house.log(ida, id_)

    assert "INVALID_REQUEST" == found.generation.failure.code
    assert "width must be from 32 to 256" in found.generation.failure.message
    assert isinstance(log[-1].body, Failed)
    assert not log[-1].body.retryable


async def test_model_that_cannot_be_loaded_is_tried_again_and_told(tmp_path: Path) -> None:
    """The worker starts all the same; a request tries again, and fails with the reason while it stays."""
    model = Sketcher(loading=[ModelUnavailable("there is no such folder")] * 4)
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, model, working=False) as house:
        ida = house.customer()
        async with house.working():
            id_ = await ida.start()
            found = await ida.reaches(id_, gen.STATE_FAILED)
            await ida.painted("another one")

    assert ("MODEL_UNAVAILABLE", "there is no such folder") == (
        found.generation.failure.code,
        found.generation.failure.message,
    )


class _FullDisk(JetStreamBlobs):
    """Blobs of whose store the disk is full, for some names."""

    def __init__(self, blobs: JetStreamBlobs, refused: str) -> None:
        super().__init__(blobs._link, blobs._pager)
        self.refused = refused

    async def put(self, name: str, data: bytes, media_type: str) -> BlobInfo:
        """Store, or refuse."""
        if self.refused in name:
            raise Unavailable("The journal's disk, or what it may use of it, is full.")
        return await super().put(name, data, media_type)


@pytest.mark.parametrize(("refused", "state"), [("checkpoint", gen.STATE_SUCCEEDED), ("picture", gen.STATE_FAILED)])
async def test_full_disk_costs_checkpoints_or_is_told(tmp_path: Path, refused: str, state: gen.State.ValueType) -> None:
    """A checkpoint that cannot be kept never ends the work; a picture that cannot is a failure that says why."""
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, Sketcher(), working=False) as house:
        ida = house.customer()
        async with house.working(spoil=lambda blobs: _FullDisk(blobs, refused)):
            id_ = await ida.start()
            found = await ida.reaches(id_, gen.STATE_SUCCEEDED, gen.STATE_FAILED)
        await house.log(ida, id_)
        assert state == found.generation.state
        if state == gen.STATE_FAILED:
            assert "disk" in found.generation.failure.message
            async with house.working():
                await ida.call("RetryGeneration", generation_id=id_)
                await ida.until(id_, lambda one: one.event.run == 2 and one.event.state == gen.STATE_SUCCEEDED)


async def test_callers_generations_are_streamed(house: House, model: Sketcher) -> None:
    """Those there are, then each that changes or is deleted; nobody else's."""
    ida, otto = house.customer(), house.customer()
    first = await ida.start("a red boat")
    await ida.result(first)
    await otto.painted()
    seen: list[tuple[str, str, bool]] = []
    stream = ida.client.stream("WatchGenerations", pb.WatchGenerationsRequest(), ida.caller)
    async with asyncio.timeout(30), aclosing(stream) as changes:
        async for data in changes:
            change = pb.WatchGenerationsResponse.FromString(data)
            seen.append((change.generation.id, change.generation.title, change.deleted))
            if len(seen) == 1:
                await ida.call("DeleteGeneration", generation_id=first)
            elif change.deleted:
                break

    assert (first, "a red boat", False) == seen[0]
    assert (first, True) == (seen[-1][0], seen[-1][2])
    assert {first} == {id_ for id_, _, _ in seen}

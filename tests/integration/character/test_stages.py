"""The stages over a real server, worker and journal; a double of a maker waits and fails where a test wants it to."""

from __future__ import annotations

import asyncio
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.engine.events import (
    LogLine,
    Released,
    StageRestarted,
    StageStarted,
    TextDelta,
)
from fabula.engine.ids import address_of as image_of
from fabula.errors import Conflict, InvalidRequest, ModelCrashed, ModelOutputInvalid
from fabula.journal.embedded import EmbeddedServer
from services.character import avatars
from services.character.domain import Wish
from tests.integration.character.house import (
    KEEP,
    Customer,
    House,
    address_of,
    bodies,
    open_house,
    picture_file,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

WISH = Wish("a brave knight of forty", seed=7)
MAKING = ["generate_details", "generate_history", "create_character"]
LOOKING = ["upload_image", "analyse_image", "extract_description"]


def begun(log: list[Any]) -> list[str]:
    """Return the stages that a log has, as often as they were begun."""
    return [event.body.stage for event in log if isinstance(event.body, StageStarted)]


def restarts(log: list[Any]) -> list[str]:
    """Return the stages that began again."""
    return [event.body.stage for event in log if isinstance(event.body, StageRestarted)]


async def test_description_becomes_a_character(house: House, ida: Customer) -> None:
    """Start, watch and get: the log keeps all rules, the history comes in pieces, the library has the character."""
    house.maker.hold_before = 1  # what is stored before the second piece cannot be one event with it
    id_ = await ida.start(generate_avatar=False)
    await ida.until_written(id_, 1)
    house.maker.go.set()
    seen = await ida.watched(id_)
    log = await house.log(ida, id_)
    found = await ida.get(id_)

    assert MAKING == begun(log)
    assert "succeeded" == bodies(seen)[-1]
    deltas = [response.event.text_delta.text for response in seen if response.event.HasField("text_delta")]
    assert len(deltas) > 1
    assert "".join(deltas) == await house.maker.whole(WISH)
    character = found.character
    assert "".join(deltas).strip() == character.history
    assert (id_, 40, "knight", "held/1", 7) == (
        character.id,
        character.details.age,
        character.details.profession,
        character.maker,
        character.seed,
    )
    assert (False, "") == (character.saved, character.avatar.generation_id)
    assert ["generate_details", "generate_history"] == [timing.stage for timing in character.timings]
    assert KEEP == character.expire_time.ToDatetime(UTC) - character.create_time.ToDatetime(UTC)
    assert character == await ida.kept(id_)
    assert character.etag
    assert [] == await house.tasks(id_)


async def test_each_stage_tells_what_came_of_it(house: House, ida: Customer) -> None:
    """With a picture: who looked, what was found, how that was put into words, and how the maker took it up."""
    id_ = await ida.start("", picture={"name": "fa\x1bce.png", "data": picture_file(size=(300, 200))})
    seen = await ida.watched(id_)
    log = await house.log(ida, id_)
    outputs = {one.event.stage_finished.stage: one for one in seen if one.event.HasField("stage_finished")}

    assert [*LOOKING, *MAKING, "queue_avatar"] == begun(log) == list(outputs)
    analysis, looks = outputs["analyse_image"].analysis, outputs["extract_description"].looks
    assert "looker/1" == analysis.reader
    assert {fact.name for fact in analysis.facts} >= {"colours", "light"}
    assert analysis.lacks in [event.body.message for event in log if isinstance(event.body, LogLine)]
    assert looks.physical_description
    assert [looks.physical_description] == [
        wish.looks.physical_description for wish in house.maker.wishes if wish.looks
    ]
    assert outputs["generate_details"].details == outputs["create_character"].character.details
    assert outputs["generate_history"].history.text == outputs["create_character"].character.history
    assert outputs["queue_avatar"].character == seen[-1].character
    picture = seen[0].request.picture
    assert ("face.png", b"", 300, 200, "image/png") == (
        picture.name,
        picture.data,
        picture.width,
        picture.height,
        picture.stored.media_type,
    )
    assert await house.journal.blobs.get(picture.stored.name) == house.reader.seen[0]
    assert [picture.stored.name.rpartition("/")[2]] == await house.blobs(id_)
    messages = {event.progress.message for event in log}
    assert {"Looking at the picture", "Deciding who it is", "Telling where it comes from"} <= messages
    assert "face.png" == (await ida.get(id_)).generation.title


async def test_picture_and_description_make_one_character(house: House, ida: Customer) -> None:
    """The maker gets both."""
    await ida.made("a fox who bakes", style="noir", language="de", picture={"data": picture_file()})

    (wish,) = house.maker.wishes
    assert ("a fox who bakes", "noir", "de", 7) == (wish.description, wish.style, wish.language, wish.seed)
    assert wish.looks is not None


async def test_progress_counts_words(house: House, ida: Customer) -> None:
    """The fraction never goes down, and the history's words are its steps."""
    id_ = await ida.start()
    seen = await ida.watched(id_)

    steps = [one.event.progress.step for one in seen if one.event.HasField("text_delta")]
    assert steps == sorted(steps)
    assert len((await ida.kept(id_)).history.split()) == steps[-1]
    told = [one.event.progress.fraction for one in seen if one.event.progress.stage == "generate_history"]
    assert 0.3 < told[0] < told[-1] < 1.0


async def test_avatar_is_queued_durably_and_linked(house: House, ida: Customer) -> None:
    """Its id is known before the image service has heard of it."""
    character = await ida.made()

    generation_id = image_of("image", ida.owner, f"{character.id}.avatar-1").id
    assert (1, generation_id, "") == (
        character.avatar.state,
        character.avatar.generation_id,
        character.avatar.ready_generation_id,
    )
    assert character == await ida.kept(character.id)
    (task,) = await house.tasks(character.id)
    assert avatars.painting(address_of(ida, character.id)) == task
    assert (generation_id, ida.owner, ()) == (task.generation_id, task.owner, task.remove)


async def test_same_seed_makes_the_same_character(house: House, ida: Customer) -> None:
    """Another seed makes another; without one it is said which it was."""
    one, same, other = [await ida.made(seed=seed) for seed in (5, 5, 6)]
    drawn = await ida.call("StartGeneration", character={"description": "a knight"})
    result = await ida.result(drawn.generation.id)

    assert (one.details, one.history) == (same.details, same.history)
    assert one.details != other.details
    assert result.seed == (await ida.get(drawn.generation.id)).request.seed > 0


async def test_pause_goes_on_in_the_middle_of_the_history(house: House, ida: Customer) -> None:
    """Nothing is told twice, and nothing is left out."""
    house.maker.hold_before = 4
    id_ = await ida.start()
    await asyncio.wait_for(house.maker.held.wait(), 20)
    await ida.until_written(id_, 10)
    await ida.call("PauseGeneration", generation_id=id_)
    paused = await ida.reaches(id_, gen.STATE_PAUSED)
    house.maker.go.set()
    await ida.call("ResumeGeneration", generation_id=id_)
    character = await ida.result(id_)
    log = await house.log(ida, id_)

    whole = await house.maker.whole(WISH)
    assert whole.startswith(paused.character.history)
    assert 0 < len(paused.character.history) < len(whole)
    assert paused.character.details == character.details
    assert ["", paused.character.history] == house.maker.begun
    assert whole.strip() == character.history
    assert [] == restarts(log)
    assert 1 == len(house.maker.wishes)


async def test_cancel_leaves_no_character(house: House, ida: Customer) -> None:
    """What was told stays in the log; the library has nothing."""
    house.maker.hold_before = 3
    id_ = await ida.start()
    await asyncio.wait_for(house.maker.held.wait(), 20)
    await ida.call("CancelGeneration", generation_id=id_)
    await ida.reaches(id_, gen.STATE_CANCELLED)
    log = await house.log(ida, id_)

    assert ["generate_details", "generate_history"] == begun(log)
    assert [] == await ida.listed()
    with pytest.raises(Conflict):
        await ida.call("ResumeGeneration", generation_id=id_)


async def test_worker_that_dies_costs_nothing_of_the_history(tmp_path: Path) -> None:
    """Another one goes on in the middle of it, behind what is in the log."""
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, working=False) as house:
        ida = house.customer()
        house.maker.hold_before = 5
        async with house.killed():
            id_ = await ida.start()
            await asyncio.wait_for(house.maker.held.wait(), 20)
            await ida.until_written(id_, 10)
        house.maker.go.set()
        async with house.working():
            character = await ida.result(id_)
        log = await house.log(ida, id_)
        whole = await house.maker.whole(WISH)

    assert whole.strip() == character.history
    assert "" != house.maker.begun[1]
    assert whole.startswith(house.maker.begun[1])
    assert [] == restarts(log)
    assert not any(isinstance(event.body, Released) for event in log)
    assert whole == "".join(event.body.text for event in log if isinstance(event.body, TextDelta))


async def test_worker_that_stops_hands_the_character_on(tmp_path: Path) -> None:
    """In the middle of the history, likewise."""
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, working=False) as house:
        ida = house.customer()
        house.maker.hold_before = 5
        async with house.working():
            id_ = await ida.start()
            await asyncio.wait_for(house.maker.held.wait(), 20)
        house.maker.go.set()
        async with house.working():
            character = await ida.result(id_)
        log = await house.log(ida, id_)
        whole = await house.maker.whole(WISH)

    assert 1 == sum(isinstance(event.body, Released) for event in log)
    assert whole.strip() == character.history
    assert [] == restarts(log)


async def test_maker_that_cannot_go_on_begins_the_history_again(tmp_path: Path) -> None:
    """And says so; who it is stays decided."""
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, working=False) as house:
        ida = house.customer()
        house.maker.hold_before, house.maker.continues = 5, False
        async with house.working():
            id_ = await ida.start()
            await asyncio.wait_for(house.maker.held.wait(), 20)
        house.maker.go.set()
        async with house.working():
            character = await ida.result(id_)
        log = await house.log(ida, id_)
        whole = await house.maker.whole(WISH)

    assert ["generate_history"] == restarts(log)
    assert ["", ""] == house.maker.begun
    assert whole.strip() == character.history
    assert 1 == len(house.maker.wishes)


async def test_history_that_another_maker_began_is_begun_again(house: House, ida: Customer) -> None:
    """Where the maker finds that it is not its own."""
    house.maker.telling = [(4, ModelCrashed("it died")), (0, ModelOutputInvalid("not my beginning"))]
    id_ = await ida.start()
    character = await ida.result(id_)
    log = await house.log(ida, id_)

    assert ["generate_history"] == restarts(log)
    assert ["not my beginning"] == [event.body.reason for event in log if isinstance(event.body, StageRestarted)]
    assert (await house.maker.whole(WISH)).strip() == character.history


async def test_failure_of_the_maker_is_told_and_can_be_retried(house: House, ida: Customer) -> None:
    """Tried again twice, then the generation says what was wrong; from the stage that failed it goes on."""
    error = ModelOutputInvalid("the model's answer cannot be used: it is no JSON")
    house.maker.telling = [(2, error)] * 9
    id_ = await ida.start()
    found = await ida.reaches(id_, gen.STATE_FAILED)
    assert (error.code, error.message) == (found.generation.failure.code, found.generation.failure.message)
    assert [] == await ida.listed()

    house.maker.telling = []
    await ida.call("RetryGeneration", generation_id=id_)
    await ida.until(id_, lambda one: one.event.run == 2 and one.event.state == gen.STATE_SUCCEEDED)
    log = await house.log(ida, id_)

    assert 1 == begun(log).count("generate_details")
    assert [id_] == await ida.listed()


async def test_retry_from_an_earlier_stage_decides_anew(house: House, ida: Customer) -> None:
    """A stage that there is not is refused."""
    house.maker.telling = [(2, InvalidRequest("too long"))]
    id_ = await ida.start()
    await ida.reaches(id_, gen.STATE_FAILED)
    with pytest.raises(InvalidRequest, match="there is no stage 'analyse_image'"):
        await ida.call("RetryGeneration", generation_id=id_, from_stage="analyse_image")

    await ida.call("RetryGeneration", generation_id=id_, from_stage="generate_details")
    await ida.until(id_, lambda one: one.event.run == 2 and one.event.state == gen.STATE_SUCCEEDED)
    log = await house.log(ida, id_)

    assert 2 == begun(log).count("generate_details") == len(house.maker.wishes)


async def test_reader_that_fails_is_tried_again(house: House, ida: Customer) -> None:
    """The picture is looked at once more; a failure that stays is the generation's."""
    house.reader.failing = [ModelCrashed("it died")]
    id_ = await ida.start(picture={"data": picture_file()})
    await ida.result(id_)
    assert 2 == len(house.reader.seen)

    house.reader.failing = [ModelCrashed("it died")] * 3
    id_ = await ida.start(picture={"data": picture_file()})
    found = await ida.reaches(id_, gen.STATE_FAILED)
    assert "MODEL_CRASHED" == found.generation.failure.code
    await ida.call("RetryGeneration", generation_id=id_)
    await ida.until(id_, lambda one: one.event.run == 2 and one.event.state == gen.STATE_SUCCEEDED)


async def test_picture_that_is_lost_is_a_clear_failure(house: House, ida: Customer) -> None:
    """At the first stage, before anybody looks."""
    house.maker.deciding = [InvalidRequest("wait")]
    id_ = await ida.start(picture={"data": picture_file()})
    await ida.reaches(id_, gen.STATE_FAILED)
    await house.journal.blobs.delete_all(f"character/{id_}/")
    await ida.call("RetryGeneration", generation_id=id_, from_stage="upload_image")
    found = await ida.until(id_, lambda one: one.event.run == 2 and one.event.state == gen.STATE_FAILED)

    assert ("NOT_FOUND", "upload_image") == (found[-1].event.failed.failure.code, found[-1].event.failed.stage)


async def test_empty_history_is_no_history(house: House, ida: Customer) -> None:
    """A maker that says nothing has not done its work."""
    house.maker.mute = True
    id_ = await ida.start()
    found = await ida.reaches(id_, gen.STATE_FAILED)

    assert ("MODEL_OUTPUT_INVALID", "the character was given no history") == (
        found.generation.failure.code,
        found.generation.failure.message,
    )
    assert [] == await ida.listed()

"""One worker and one generation: the plain course, failures and retries, and what goes on inside a stage."""

from __future__ import annotations

import asyncio

import pytest

from fabula.engine.events import (
    Claimed,
    Failed,
    LogLine,
    Progress,
    StageFinished,
    StageRestarted,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.history import fold
from fabula.engine.paces import PaceBook
from fabula.engine.pipeline import Outputs, Retries, Stage, StageContext
from fabula.errors import BackendFailed, InvalidRequest, ModelCrashed
from services.story.domain import Chapter
from tests.integration.engine.workplace import Scene, Script, Workplace, failing, lifecycle, names, quick
from tests.log_rules import texts_of
from tests.nats import eventually


async def test_generation_runs_to_its_end(place: Workplace) -> None:
    """Stage after stage, with text, checkpoints and a result; the job leaves the queue."""
    write = Scene("write", "Once ", "upon ", "a time")
    write.let()
    async with place.working(quick("plan"), write.stage):
        address = await place.start()
        log = await place.until_end(address)

    assert ["Accepted", "Claimed", *["StageStarted", "StageFinished"] * 2, "Succeeded"] == lifecycle(log)
    chapter = Chapter(1, "write", "Once upon a time")
    assert {"plan": None, "write": chapter} == fold(log).outputs
    assert Succeeded(chapter) == log[-1].body
    assert {"write": "Once upon a time"} == texts_of(log)
    assert await place.queue_is_empty()


async def test_what_the_log_says_is_true_at_every_moment(place: Workplace) -> None:
    """Agents, stage, step and units are those of the work at hand."""
    write = Scene("write", "Once ", "upon ", "a time")
    async with place.working(write.stage):
        address = await place.start()
        await write.is_entered()
        seen: list[Progress] = []
        for _ in write.pieces:
            write.let(1)
            seen.append((await place.until_body(address, TextDelta, after=len(seen) + 3))[-1].progress)
        write.let()
        finished, succeeded = (await place.until_end(address))[-2:]

    assert [("write", 1, 3), ("write", 2, 3), ("write", 3, 3)] == [(at.stage, at.step, at.steps) for at in seen]
    assert {("Writer",)} == {at.active_agents for at in seen}
    assert [1 / 3, 2 / 3, 0.999] == pytest.approx([at.fraction for at in seen])
    assert isinstance(finished.body, StageFinished)
    assert 3 == finished.body.units
    assert () == succeeded.progress.active_agents


async def test_failed_stage_is_tried_again(place: Workplace) -> None:
    """A failure that trying again can help is mended quietly; the text of the failed try is void."""
    async with place.working(failing("write", ModelCrashed("it died"), ModelCrashed("again"))):
        log = await place.until_end(await place.start())

    assert [
        "Accepted",
        "Claimed",
        "StageStarted",
        *["LogLine", "StageRestarted"] * 2,
        "StageFinished",
        "Succeeded",
    ] == lifecycle(log)
    assert {"write": "x"} == texts_of(log)


async def test_retries_are_bounded(place: Workplace) -> None:
    """When all tries have failed the run fails, says why and where, and may be retried by the user."""
    errors = [ModelCrashed("it died", host="gpu-1") for _ in range(3)]
    async with place.working(quick("plan"), failing("write", *errors)):
        log = await place.until_end(await place.start())
        assert await place.queue_is_empty()

    failed = log[-1].body
    assert isinstance(failed, Failed)
    assert ("MODEL_CRASHED", "it died", (("host", "gpu-1"),)) == (
        failed.failure.code,
        failed.failure.message,
        failed.failure.details,
    )
    assert ("write", True, State.FAILED) == (failed.stage, failed.retryable, log[-1].state)


async def test_failure_that_no_retry_can_help_fails_at_once(place: Workplace) -> None:
    """A request that cannot be done is not tried three times."""
    async with place.working(failing("write", InvalidRequest("no such language"))):
        log = await place.until_end(await place.start())

    assert ["Accepted", "Claimed", "StageStarted", "Failed"] == lifecycle(log)


async def test_unknown_errors_are_told_without_their_text(place: Workplace) -> None:
    """What an unforeseen error says may be anything: the log for watchers names its type only."""
    async with place.working(failing("write", RuntimeError("secret"))):
        log = await place.until_end(await place.start())

    assert "secret" not in repr(log[-1].body)
    assert "RuntimeError" in repr(log[-1].body)


async def test_group_of_one_error_is_that_error(place: Workplace) -> None:
    """A stage that works with tasks of its own fails as its task did."""
    wrapped = ExceptionGroup("tasks", [ExceptionGroup("tasks", [BackendFailed("no answer")])])
    async with place.working(failing("write", wrapped, retries=Retries(0))):
        log = await place.until_end(await place.start())

    assert isinstance(log[-1].body, Failed)
    assert "BACKEND_FAILED" == log[-1].body.failure.code


async def test_stage_that_is_cancelled_from_within_fails(place: Workplace) -> None:
    """A stray CancelledError (a future that somebody cancelled) is a failure, not the end of the worker."""

    async def run(_context: StageContext, _outputs: Outputs) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with place.working(Stage("write", run)) as hand:
        log = await place.until_end(await place.start())
        assert not hand.task.done()

    assert ["Accepted", "Claimed", "StageStarted", "Failed"] == names(log)


async def test_retry_goes_on_from_the_failed_stage(place: Workplace) -> None:
    """The user's retry keeps the finished stages, and begins a run whose progress begins at nothing."""
    plan, write = Scene("plan"), failing("write", InvalidRequest("not now"))
    plan.let()
    async with place.working(plan.stage, write):
        address = await place.start()
        await place.until_end(address)
        await place.command("retry", address)
        log = await place.until_body(address, Succeeded)
        assert await place.queue_is_empty()

    assert 1 == plan.entered
    retried = next(index for index, name in enumerate(names(log)) if name == "Retried")
    assert ["Retried", "Claimed", "StageStarted", "StageFinished", "Succeeded"] == lifecycle(log[retried:])
    assert (2, 0.0, 0.0) == (log[retried].run, log[retried].progress.fraction, log[retried].progress.elapsed)


async def test_retry_from_an_earlier_stage_does_it_again(place: Workplace) -> None:
    """A retry may name an earlier stage."""
    plan, write = Scene("plan"), failing("write", InvalidRequest("not now"))
    plan.let()
    async with place.working(plan.stage, write):
        address = await place.start()
        await place.until_end(address)
        await place.command("retry", address, from_stage="plan")
        await place.until_body(address, Succeeded)

    assert 2 == plan.entered


async def test_plan_that_cannot_be_made_fails_the_run(place: Workplace) -> None:
    """A fault outside the stages ends in the log as a failure; worker and queue are none the worse."""

    class Broken(Script):
        def plan(self, request: object, outputs: Outputs) -> list[Stage]:
            raise LookupError("no such template")

    async with place.working(pipeline=Broken(())) as hand:
        log = await place.until_end(await place.start())
        assert await place.queue_is_empty()
        assert not hand.task.done()

    assert ["Accepted", "Claimed", "Failed"] == lifecycle(log)


async def test_output_that_cannot_be_stored_fails_the_run(place: Workplace) -> None:
    """An output of a type that the codec does not know is a fault of the stage, not the death of the worker."""
    async with place.working(quick("plan", object())) as hand:
        log = await place.until_end(await place.start())
        assert await place.queue_is_empty()
        assert not hand.task.done()

    assert isinstance(log[-1].body, Failed)
    assert ("INTERNAL", "plan") == (log[-1].body.failure.code, log[-1].body.stage)


async def test_output_that_is_too_large_fails_the_run(place: Workplace) -> None:
    """A record larger than the store accepts is refused with its reason, once and for all."""
    async with place.working(quick("plan", Chapter(1, "huge", "x" * 2_000_000))):
        log = await place.until_end(await place.start())

    assert isinstance(log[-1].body, Failed)
    assert "too large" in log[-1].body.failure.message


async def test_large_text_is_stored_in_several_records(place: Workplace) -> None:
    """A megabyte of letters that take four bytes each is written without a fault, in order."""

    async def run(context: StageContext, _outputs: Outputs) -> None:
        context.text("🦊" * 127_000)
        context.log("a fox")
        context.text("🐺" * 200_000)

    async with place.working(Stage("write", run)):
        log = await place.until_end(await place.start())

    assert State.SUCCEEDED is log[-1].state
    assert "🦊" * 127_000 + "🐺" * 200_000 == texts_of(log)["write"]


async def test_many_lines_at_once_are_stored_in_several_records(place: Workplace) -> None:
    """Thousands of small events in one breath do not make a record that is too large."""

    async def run(context: StageContext, _outputs: Outputs) -> None:
        for number in range(8000):
            context.log(str(number))

    async with place.working(Stage("write", run)):
        log = await place.until_end(await place.start())

    assert [str(number) for number in range(8000)] == [
        event.body.message for event in log if isinstance(event.body, LogLine)
    ]


async def test_slots_are_respected(place: Workplace) -> None:
    """A worker runs as many generations at once as it has slots, and the next as soon as one ends."""
    scenes = Scene("write")
    async with place.working(scenes.stage, slots=2):
        addresses = [await place.start() for _ in range(5)]
        await scenes.is_entered(2)
        claimed = [names(await place.events(address)).count("Claimed") for address in addresses]
        assert (2, 3) == (sum(claimed), await place.journal.queue.depth(place.kind))
        scenes.let(1)
        await scenes.is_entered(3)
        scenes.let()
        for address in addresses:
            assert State.SUCCEEDED is (await place.until_end(address))[-1].state
    assert await place.queue_is_empty()


async def test_previews_are_shown_and_not_logged(place: Workplace) -> None:
    """The newest preview replaces the one before; the log has none of them."""
    go_on = asyncio.Event()

    async def run(context: StageContext, _outputs: Outputs) -> None:
        for number in range(50):
            context.preview(b"%d" % number, "image/png", step=number)
        await go_on.wait()

    async with place.working(Stage("paint", run)):
        address = await place.start()
        async with asyncio.timeout(20):
            async for entry in place.journal.previews.follow(address):
                preview = place.codec._response()
                preview.ParseFromString(entry.data)
                if preview.event.preview.step == 49:
                    break
        go_on.set()
        log = await place.until_end(address)

    assert (b"49", "paint") == (preview.event.preview.image, preview.event.progress.stage)
    assert ["Accepted", "Claimed", "StageStarted", "StageFinished", "Succeeded"] == names(log)


async def test_time_left_is_told_once_it_is_known(place: Workplace) -> None:
    """The first generation of a kind has no forecast; the next one has, from what the first took."""
    write = Scene("write", "Once ", "upon ", "a time")
    write.let()
    async with place.working(write.stage):
        first = await place.until_end(await place.start())

        async def kept() -> bool:
            return await place.journal.records.get(f"pace.{place.kind}.script") is not None

        await eventually(kept)
        second = await place.until_end(await place.start())

    assert first[2].progress.remaining is None
    assert second[2].progress.remaining is not None


async def test_worker_says_that_it_is_alive(place: Workplace) -> None:
    """Health checks look for this record."""

    async def alive() -> bool:
        sign = await PaceBook(place.journal.records, place.kind).life()
        return sign is not None and sign.worker == "somebody"

    async with place.working(quick("plan"), name="somebody"):
        await eventually(alive)


async def test_unreadable_paces_keep_nobody_from_working(place: Workplace) -> None:
    """Forecasts are a service, not a condition."""
    await place.journal.records.put(f"pace.{place.kind}.script", b"[not, json")
    async with place.working(quick("plan")):
        log = await place.until_end(await place.start())

    assert State.SUCCEEDED is log[-1].state


async def test_stage_knows_what_was_before(place: Workplace) -> None:
    """Outputs and times of the finished stages are at hand."""
    seen: list[tuple[dict[str, object], list[str]]] = []

    async def run(context: StageContext, outputs: Outputs) -> None:
        seen.append((dict(outputs), list(context.timings)))

    async with place.working(quick("plan", Chapter(1, "plan", "three")), Stage("write", run)):
        await place.until_end(await place.start())

    assert [({"plan": Chapter(1, "plan", "three")}, ["plan"])] == seen


async def test_restart_by_the_stage_itself(place: Workplace) -> None:
    """A stage may declare void what it wrote."""

    async def run(context: StageContext, _outputs: Outputs) -> None:
        context.text("nonsense")
        context.restart("it made no sense")
        context.text("sense")

    async with place.working(Stage("write", run)):
        log = await place.until_end(await place.start())

    assert {"write": "sense"} == texts_of(log)
    assert [StageRestarted("write", "it made no sense")] == [
        event.body for event in log if isinstance(event.body, StageRestarted)
    ]
    assert [1] == [event.body.attempt for event in log if isinstance(event.body, Claimed)]

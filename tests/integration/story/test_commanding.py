from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import Conflict, FabulaError, InvalidRequest, NotFound
from tests.integration.story.house import House, User, bodies, story, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

Arrange = Callable[[House, User], Awaitable[str]]


def failure() -> FabulaError:
    """Return a failure that no worker retries by itself."""
    return InvalidRequest("the model does not like boats", place="harbour")


async def running(house: House, user: User) -> str:
    """Start a story that holds in its first chapter until the test ends."""
    script = house.script(hold_before=2)
    id_ = await user.start(story(script.premise))
    await script.held.wait()
    return id_


async def paused(house: House, user: User) -> str:
    """Start a story and pause it in mid-sentence."""
    id_ = await running(house, user)
    await user.call("PauseGeneration", generation_id=id_)
    await user.reaches(id_, gen.STATE_PAUSED)
    return id_


async def succeeded(house: House, user: User) -> str:
    """Tell a story to its end."""
    id_ = await user.start(story(house.script().premise))
    await user.log(id_)
    return id_


async def failed(house: House, user: User) -> str:
    """Start a story whose first chapter fails."""
    script = house.script(hold_before=2, failure=failure())
    script.go.set()
    id_ = await user.start(story(script.premise))
    await user.log(id_)
    return id_


async def cancelled(house: House, user: User) -> str:
    """Start a story and cancel it in mid-sentence."""
    id_ = await running(house, user)
    await user.call("CancelGeneration", generation_id=id_)
    await user.log(id_)
    return id_


async def deleted(house: House, user: User) -> str:
    """Tell a story and delete it."""
    id_ = await succeeded(house, user)
    await user.call("DeleteGeneration", generation_id=id_)
    return id_


STATES: dict[str, Arrange] = {
    "running": running,
    "paused": paused,
    "succeeded": succeeded,
    "failed": failed,
    "cancelled": cancelled,
    "deleted": deleted,
}
COMMANDS = ("Cancel", "Pause", "Resume", "Retry", "Delete")
RUNNING, PAUSED, QUEUED = gen.STATE_RUNNING, gen.STATE_PAUSED, gen.STATE_QUEUED
ENDS: dict[tuple[str, str], tuple[gen.State.ValueType, ...] | type[FabulaError] | None] = {
    ("running", "Cancel"): (RUNNING, gen.STATE_CANCELLED),
    ("running", "Pause"): (RUNNING, PAUSED),
    ("running", "Resume"): (RUNNING,),
    ("running", "Retry"): Conflict,
    ("running", "Delete"): Conflict,
    ("paused", "Cancel"): (gen.STATE_CANCELLED,),
    ("paused", "Pause"): (PAUSED,),
    ("paused", "Resume"): (QUEUED, RUNNING),
    ("paused", "Retry"): Conflict,
    ("paused", "Delete"): None,
    ("succeeded", "Cancel"): Conflict,
    ("succeeded", "Pause"): Conflict,
    ("succeeded", "Resume"): Conflict,
    ("succeeded", "Retry"): Conflict,
    ("succeeded", "Delete"): None,
    ("failed", "Cancel"): Conflict,
    ("failed", "Pause"): Conflict,
    ("failed", "Resume"): Conflict,
    ("failed", "Retry"): (QUEUED, RUNNING, gen.STATE_SUCCEEDED),
    ("failed", "Delete"): None,
    ("cancelled", "Cancel"): (gen.STATE_CANCELLED,),
    ("cancelled", "Pause"): Conflict,
    ("cancelled", "Resume"): Conflict,
    ("cancelled", "Retry"): Conflict,
    ("cancelled", "Delete"): None,
    ("deleted", "Cancel"): NotFound,
    ("deleted", "Pause"): NotFound,
    ("deleted", "Resume"): NotFound,
    ("deleted", "Retry"): NotFound,
    ("deleted", "Delete"): None,
}
"""What each command answers in each state: the states it may show, an error, or nothing for a deletion."""


async def test_every_command_is_tried_in_every_state() -> None:
    """The table below has no hole."""
    assert {(state, command) for state in STATES for command in COMMANDS} == set(ENDS)


@pytest.mark.parametrize(("state", "command"), sorted(ENDS))
async def test_a_command_twice_is_answered_alike(house: House, user: User, state: str, command: str) -> None:
    """Each command, in each state, given twice, does what the contract says, and the second time nothing more.

    A retry may be repeated while its run lasts only; here that is over in no time, and the second one may be late.
    """
    id_ = await STATES[state](house, user)
    expected = ENDS[state, command]

    for _ in range(2):
        if isinstance(expected, type):
            with pytest.raises(expected) as caught:
                await user.call(f"{command}Generation", generation_id=id_)
            if expected is Conflict:
                assert (command.lower(), state) == (caught.value.details["command"], caught.value.details["state"])
        else:
            try:
                answer = await user.call(f"{command}Generation", generation_id=id_)
            except Conflict:
                assert ("failed", "Retry") == (state, command)
                continue
            if expected is not None:
                assert answer.generation.state in expected


@pytest.mark.parametrize("command", ["Cancel", "Pause"])
async def test_asking_twice_leaves_one_trace(house: House, user: User, command: str) -> None:
    """A command that is given again and again is one event in the log."""
    id_ = await running(house, user)

    for _ in range(3):
        await user.call(f"{command}Generation", generation_id=id_)
    await user.reaches_any(id_, gen.STATE_CANCELLED, gen.STATE_PAUSED)

    assert 1 == bodies(await user.log_so_far(id_)).count(f"{command.lower()}_requested")


async def test_a_pause_and_a_resume_go_on_in_mid_sentence(house: House, user: User) -> None:
    """The story after a pause is the story without one: nothing is written twice, no stage begun again."""
    script = house.script(hold_before=3)
    id_ = await user.start(story(script.premise))
    await script.held.wait()
    await user.call("PauseGeneration", generation_id=id_)
    await user.reaches(id_, gen.STATE_PAUSED)

    script.go.set()
    await user.call("ResumeGeneration", generation_id=id_)
    log = await user.log(id_)

    assert "".join(script.pieces) == text_of(log, "write-1")
    assert 0 == bodies(log).count("stage_restarted")
    assert 1 == script.outlines
    assert ["pause_requested", "paused", "resumed"] == [
        name for name in bodies(log) if name in ("pause_requested", "paused", "resumed")
    ]


async def test_a_cancel_keeps_what_was_written(house: House, user: User) -> None:
    """What was made before the cancel stays readable; an ended generation is nobody's work."""
    id_ = await cancelled(house, user)

    read = await user.call("GetGeneration", generation_id=id_)

    assert gen.STATE_CANCELLED == read.generation.state
    assert [] == list(read.generation.progress.active_agents)
    assert "Ann came down" in read.story.text
    assert read.generation.progress.fraction < 1


async def test_a_retry_begins_with_the_stage_that_failed(house: House, user: User) -> None:
    """Finished stages are kept: the outline is not made again."""
    script = house.script(hold_before=2, failure=failure())
    script.go.set()
    id_ = await user.start(story(script.premise))
    ended = (await user.log(id_))[-1].event.failed
    assert ("INVALID_REQUEST", {"place": "harbour"}, "write-1") == (
        ended.failure.code,
        dict(ended.failure.details),
        ended.stage,
    )

    retried = await user.call("RetryGeneration", generation_id=id_)
    log = await user.log(id_)

    assert 2 == retried.generation.run
    assert ("succeeded", 2, 1) == (bodies(log)[-1], log[-1].event.run, script.outlines)
    assert "".join(script.pieces) == text_of(log, "write-1")


async def test_a_retry_may_begin_earlier(house: House, user: User) -> None:
    """From a named stage on, everything is done again."""
    script = house.script(hold_before=2, failure=failure())
    script.go.set()
    id_ = await user.start(story(script.premise))
    await user.log(id_)

    await user.call("RetryGeneration", generation_id=id_, from_stage="outline")
    log = await user.log(id_)

    assert ("succeeded", 2) == (bodies(log)[-1], script.outlines)


@pytest.mark.parametrize("stage", ["keep", "write-2", "Outline", " ", "x" * 64])
async def test_a_retry_from_no_stage_of_this_log_is_refused(house: House, user: User, stage: str) -> None:
    """The answer names the field and the stages there are, and nothing has begun."""
    id_ = await failed(house, user)

    with pytest.raises(InvalidRequest, match="there are: load_prompts, outline, write-1") as caught:
        await user.call("RetryGeneration", generation_id=id_, from_stage=stage)

    assert "from_stage" == caught.value.violations[0][0]
    assert gen.STATE_FAILED == (await user.get(id_)).state


async def test_what_is_deleted_is_gone(house: House, user: User) -> None:
    """Neither get nor list knows it any more."""
    id_ = await deleted(house, user)

    with pytest.raises(NotFound):
        await user.get(id_)
    assert [] == await user.listed()


async def test_a_queued_story_obeys_at_once(idle_house: House) -> None:
    """While it waits for a worker a story can be paused, resumed, cancelled and deleted, each time twice."""
    user = idle_house.user()
    id_ = await user.start()

    for command, state in (("Pause", PAUSED), ("Resume", QUEUED), ("Cancel", gen.STATE_CANCELLED)):
        answers = [await user.call(f"{command}Generation", generation_id=id_) for _ in range(2)]
        assert [state, state] == [answer.generation.state for answer in answers]
        assert answers[0] == answers[1]
    with pytest.raises(Conflict):
        await user.call("RetryGeneration", generation_id=id_)
    for _ in range(2):
        await user.call("DeleteGeneration", generation_id=id_)


async def test_cancelling_one_story_leaves_the_others_alone(house: House, user: User) -> None:
    """A cancel ends the story that it names."""
    script = house.script(hold_before=2)
    other = await user.start(story(script.premise))
    await script.held.wait()

    await cancelled(house, user)
    script.go.set()

    assert "succeeded" == bodies(await user.log(other))[-1]


async def test_a_draft_that_the_critic_rejects_is_revised(house: House, user: User) -> None:
    """Edit, review and revise follow each other until it is accepted; every review stands in the result."""
    id_ = await user.start(story(house.script(rejections=1).premise, revisions=3))

    log = await user.log(id_)

    finished = [r.event.stage_finished.stage for r in log if r.event.HasField("stage_finished")]
    assert ["edit-1", "review-1", "revise-1", "edit-2", "review-2", "keep"] == finished[-6:]
    assert [False, True] == [review.accepted for review in log[-1].story.reviews]
    assert ["count again"] == [finding.reason for finding in log[-1].story.reviews[0].findings]
    assert finished == [timing.stage for timing in log[-1].story.timings] + ["keep"]


async def test_a_draft_that_is_never_accepted_is_kept_with_its_reviews(house: House, user: User) -> None:
    """After the last revision the story succeeds as it is, and says so."""
    id_ = await user.start(story(house.script(rejections=9).premise, revisions=1))

    log = await user.log(id_)

    assert "succeeded" == bodies(log)[-1]
    assert [False, False] == [review.accepted for review in log[-1].story.reviews]

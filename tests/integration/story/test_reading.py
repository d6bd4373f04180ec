from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import InvalidRequest, NotFound
from tests.integration.story.house import House, User, first, story

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def pages(user: User, **fields: Any) -> list[list[str]]:
    """Return the ids of all pages."""
    found: list[list[str]] = []
    token = ""
    while True:
        page = await user.call("ListGenerations", page_token=token, **fields)
        found.append([generation.id for generation in page.generations])
        if not (token := page.next_page_token):
            return found


async def test_get_is_the_fold_of_the_log(house: House, user: User) -> None:
    """State, progress, request and story are those that the watch tells."""
    id_ = await user.start(story(house.script().premise, title="The Boats"))
    log = await user.log(id_)

    read = await user.call("GetGeneration", generation_id=id_)

    assert log[0].request == read.request
    assert log[-1].story == read.story
    assert log[-1].event.progress == read.generation.progress
    assert (len(log), gen.STATE_SUCCEEDED, "The Boats", 1) == (
        read.generation.last_sequence,
        read.generation.state,
        read.generation.title,
        read.generation.run,
    )
    assert (log[0].event.time, log[-1].event.time) == (read.generation.create_time, read.generation.update_time)


async def test_the_basic_view_is_the_generation_and_nothing_else(house: House, user: User) -> None:
    """As the full view has it; of what is not there, there is no view either."""
    id_ = await user.start(story(house.script().premise))
    await user.log(id_)

    full = await user.call("GetGeneration", generation_id=id_, view=gen.GENERATION_VIEW_FULL)
    basic = await user.call("GetGeneration", generation_id=id_, view=gen.GENERATION_VIEW_BASIC)

    assert full.HasField("story")
    assert pb.GetGenerationResponse(generation=full.generation) == basic
    with pytest.raises(NotFound):
        await user.call(
            "GetGeneration", generation_id="story-00000000-0000-4000-8000-000000000000", view=gen.GENERATION_VIEW_BASIC
        )


async def test_get_tells_what_there_is_in_mid_story(house: House, user: User) -> None:
    """Outline and text so far are readable while the story is written."""
    script = house.script(hold_before=2)
    id_ = await user.start(story(script.premise))
    await script.held.wait()
    await user.has_written(id_, script.pieces[1].strip())
    read = await user.call("GetGeneration", generation_id=id_)
    script.go.set()

    assert gen.STATE_RUNNING == read.generation.state
    assert ["Writer"] == read.generation.progress.active_agents
    assert "The boats" == read.story.outline.chapters[0].title
    assert read.story.word_count > 0


async def test_a_list_has_everything_newest_first(idle_house: House) -> None:
    """Pages of any size hold each generation once, the newest first."""
    user = idle_house.user()
    ids = [await user.start() for _ in range(7)][::-1]

    assert [ids] == await pages(user)
    assert [ids[:3], ids[3:6], ids[6:]] == await pages(user, page_size=3)
    assert [ids] == await pages(user, page_size=7)
    assert [[]] == await pages(idle_house.user())


async def test_pages_stay_in_place_while_new_generations_come_and_old_ones_go(idle_house: House) -> None:
    """A token continues where its page ended, whatever was started or deleted since."""
    user = idle_house.user()
    ids = [await user.start() for _ in range(6)][::-1]
    page = await user.call("ListGenerations", page_size=2)
    await user.start()
    await user.call("DeleteGeneration", generation_id=ids[1])
    await user.call("DeleteGeneration", generation_id=ids[2])

    following = await user.call("ListGenerations", page_size=2, page_token=page.next_page_token)

    assert ids[3:5] == [generation.id for generation in following.generations]


async def test_a_list_by_states_has_those_only(idle_house: House) -> None:
    """The filter goes before the page: pages are full, and no token leads to an empty one."""
    user = idle_house.user()
    ids = [await user.start() for _ in range(6)][::-1]
    for id_ in ids[::2]:
        await user.call("CancelGeneration", generation_id=id_)

    assert [ids[::2][:2], ids[::2][2:]] == await pages(user, states=[gen.STATE_CANCELLED], page_size=2)
    assert [ids[1::2]] == await pages(user, states=[gen.STATE_QUEUED])
    assert [ids] == await pages(user, states=[gen.STATE_QUEUED, gen.STATE_CANCELLED])
    assert [[]] == await pages(user, states=[gen.STATE_FAILED])


@pytest.mark.parametrize("token", ["x", "!", "5", "MTIz", "1-2", "-", "9" * 256, "١-0123456789abcdef", "1_0-0", " "])
async def test_what_is_no_page_token_is_refused(idle_house: House, token: str) -> None:
    """A token that this list has not given is named as the fault it is."""
    with pytest.raises(InvalidRequest) as caught:
        await idle_house.user().call("ListGenerations", page_token=token)

    assert "page_token" == caught.value.violations[0][0]


async def test_a_page_token_of_another_list_is_refused(idle_house: House) -> None:
    """A token is good for its owner, its filter and its rpc only."""
    ann, ben = idle_house.user(), idle_house.user()
    for _ in range(2):
        await ann.start()
        await ben.start()
    page_token = (await ann.call("ListGenerations", page_size=1)).next_page_token
    template_token = (await ann.call("ListTemplates", page_size=1)).next_page_token

    for user, rpc, fields in (
        (ben, "ListGenerations", {"page_token": page_token}),
        (ann, "ListGenerations", {"page_token": page_token, "states": [gen.STATE_QUEUED]}),
        (ann, "ListGenerations", {"page_token": template_token}),
        (ann, "ListTemplates", {"page_token": page_token}),
    ):
        with pytest.raises(InvalidRequest):
            await user.call(rpc, **fields)


async def test_page_sizes_are_bounded(idle_house: House) -> None:
    """Zero is the default, a huge one is read as the largest, a negative one is refused."""
    user = idle_house.user()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(101):
            tasks.create_task(user.start())

    assert [20, 20, 20, 20, 20, 1] == [len(page) for page in await pages(user)]
    assert [100, 1] == [len(page) for page in await pages(user, page_size=2**31 - 1)]
    with pytest.raises(InvalidRequest) as caught:
        await user.call("ListGenerations", page_size=-1)
    assert "page_size" == caught.value.violations[0][0]


async def test_templates_come_in_pages_by_name(idle_house: House) -> None:
    """All templates, each once, in the order of their names."""
    user = idle_house.user()
    names: list[str] = []
    token = ""
    while True:
        page = await user.call("ListTemplates", page_size=2, page_token=token)
        names += [template.name for template in page.templates]
        if not (token := page.next_page_token):
            break

    assert sorted(names) == names
    assert names == [template.name for template in (await user.call("ListTemplates", page_size=1000)).templates]
    with pytest.raises(InvalidRequest):
        await user.call("ListTemplates", page_size=-5)


async def feed(user: User) -> Any:
    """Watch the caller's generations."""
    async with aclosing(user.client.stream("WatchGenerations", pb.WatchGenerationsRequest(), user.caller)) as stream:
        async for data in stream:
            yield pb.WatchGenerationsResponse.FromString(data)


async def test_a_feed_begins_with_what_there_is(idle_house: House) -> None:
    """First the generations there are, newest first, each once; then it waits."""
    user = idle_house.user()
    ids = [await user.start() for _ in range(3)][::-1]

    async with aclosing(feed(user)) as news:
        told = [(await anext(news)).generation for _ in ids]
        new = await user.start()
        async with asyncio.timeout(5):
            following = (await anext(news)).generation

    assert ids == [generation.id for generation in told]
    assert [await user.get(id_) for id_ in ids] == told
    assert new == following.id


async def test_a_feed_tells_what_changes(house: House, user: User) -> None:
    """A start, a way through the states, an end and a deletion are all told, in their order."""
    async with asyncio.timeout(20), aclosing(feed(user)) as news:
        beginning = asyncio.ensure_future(anext(news))
        id_ = await user.start(story(house.script().premise))
        told = [(await beginning).generation]
        while told[-1].state != gen.STATE_SUCCEEDED:
            told.append((await anext(news)).generation)
        await user.call("DeleteGeneration", generation_id=id_)
        gone = await anext(news)

    sequences = [generation.last_sequence for generation in told]
    assert sorted(set(sequences)) == sequences
    assert {id_} == {generation.id for generation in told}
    assert await house.user().listed() == []
    assert (True, pb.WatchGenerationsResponse(generation=gen.Generation(id=id_), deleted=True)) == (gone.deleted, gone)


async def test_nothing_is_missed_between_the_list_and_the_feed(idle_house: House) -> None:
    """Whatever is started while the feed begins is told."""
    user = idle_house.user()
    ids: set[str] = set()

    async def start() -> None:
        ids.add(await user.start())

    for _ in range(3):
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(first(feed(user), len(ids) + 10))
            for _ in range(10):
                tasks.create_task(start())
        assert ids == {response.generation.id for response in watching.result()}


async def test_an_unknown_generation_is_not_found(user: User) -> None:
    """An id in the right form that nobody has started, and what is no id at all, are answered alike."""
    for id_ in ("story-00000000-0000-4000-8000-000000000000", "image-1", "story-", "../etc", "story-" + "x" * 40):
        for rpc in (
            "GetGeneration",
            "CancelGeneration",
            "PauseGeneration",
            "ResumeGeneration",
            "RetryGeneration",
            "DeleteGeneration",
        ):
            with pytest.raises(NotFound) as caught:
                await user.call(rpc, generation_id=id_)
            assert ("there is no such generation", {"id": id_}) == (caught.value.message, dict(caught.value.details))

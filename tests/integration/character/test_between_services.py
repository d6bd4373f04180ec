"""Story, character and image service as processes of their own: what they tell each other, seen from between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace

import pytest
import pytest_asyncio

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.story.v1 import story_pb2
from fabula.errors import InvalidRequest, NotFound, Unavailable
from fabula.rpc.client import Caller, Client
from fabula.rpc.kinds import CHARACTER, IMAGE, STORY
from tests.integration.character.house import Customer
from tests.integration.character.processes import Process, process
from tests.integration.character.relay import Relay, relaying
from tests.integration.image import house as image_house
from tests.integration.image.processes import process as image_process
from tests.integration.story.house import SECRET, User, story, token
from tests.integration.story.processes import Service, service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OTHER_TRACE = "0af7651916cd43dd8448eb211c80319c"

ROUNDING_SECONDS = 0.1
"""gRPC tells a deadline in three figures, rounded up, at each of the hops."""


def traced(owner: str, trace_id: str = TRACE) -> Caller:
    """Return a caller whose call is part of a trace."""
    return Caller(token(owner), f"00-{trace_id}-00f067aa0ba902b7-01")


@dataclass(frozen=True, slots=True)
class Row:
    """Three services in a row, with a relay between each and the next.

    Attributes:
        stories: Server of stories, before the first relay.
        library: What passes from stories to characters.
        characters: Server of characters, between both.
        studio: What passes from characters to pictures.
        images: Server of pictures, behind the second.
    """

    stories: Service
    library: Relay
    characters: Process
    studio: Relay
    images: image_house.Customer

    def customer(self, owner: str) -> Customer:
        """Return somebody who has characters made."""
        return Customer(Client(CHARACTER, self.characters.channel), traced(owner), owner)

    def user(self, owner: str, trace_id: str = TRACE) -> User:
        """Return somebody who has stories told."""
        return User(Client(STORY, self.stories.channel), traced(owner, trace_id))

    def viewer(self, owner: str) -> image_house.Customer:
        """Return somebody who looks at pictures."""
        return image_house.Customer(self.images.client, Caller(token(owner)), owner)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def row(nats_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Row]:
    """Run all of them, but nobody who paints."""
    folder = tmp_path_factory.mktemp("row")
    shared = {"FABULA_JWT_SECRET": SECRET, "FABULA_GRAMMAR_WORDS_PER_SECOND": "0"}
    async with AsyncExitStack() as stack:
        images = await stack.enter_async_context(image_process("server", nats_url, folder, shared))
        studio = await stack.enter_async_context(relaying(images.port))
        ours = {**shared, "FABULA_IMAGE_ADDRESS": f"127.0.0.1:{studio.port}"}
        characters = await stack.enter_async_context(process("server", nats_url, folder, **ours))
        await stack.enter_async_context(process("worker", nats_url, folder, **ours))
        library = await stack.enter_async_context(relaying(characters.port))
        theirs = {**shared, "FABULA_CHARACTER_ADDRESS": f"127.0.0.1:{library.port}"}
        stories = await stack.enter_async_context(service("server", nats_url, folder, **theirs))
        await stack.enter_async_context(service("worker", nats_url, folder, **theirs))
        yield Row(stories, library, characters, studio, image_house.Customer(Client(IMAGE, images.channel), Caller()))


def about(*people: dict[str, str]) -> story_pb2.StoryRequest:
    """Return the request for a story about these people."""
    return story("Two friends count boats.", characters=list(people))


async def test_a_story_asks_for_its_people_as_its_owner(row: Row) -> None:
    """Server and worker, each in the story's trace and with a deadline; the server's ends with its caller's."""
    made = await row.customer("ida").made(generate_avatar=False)
    row.library.passed.clear()
    user = row.user("ida", OTHER_TRACE)
    request = STORY.request("StartGeneration")(story=about({"id": made.id}))
    started = await user.client.call("StartGeneration", request, user.caller, 3.0)
    log = await user.log(started.generation.id)

    assert "succeeded" == log[-1].event.WhichOneof("body")
    assert made.history in {person.history for one in log if one.HasField("cast") for person in one.cast.characters}
    asked_at_once, asked_in_the_stage = await row.library.until("GetCharacter", 2)
    assert [("ida", OTHER_TRACE)] * 2 == [(one.owner, one.trace_id) for one in (asked_at_once, asked_in_the_stage)]
    assert asked_at_once.seconds is not None
    assert asked_in_the_stage.seconds is not None
    assert 0 < asked_at_once.seconds <= 3.0 + ROUNDING_SECONDS


async def test_anothers_character_is_unknown_to_a_story(row: Row) -> None:
    """It is asked for as who wants the story, for whom there is no such character."""
    made = await row.customer("ida").made(generate_avatar=False)
    row.library.passed.clear()
    with pytest.raises(InvalidRequest) as refusal:
        await row.user("otto").start(about({"name": "Ann"}, {"id": made.id}))
    with pytest.raises(NotFound):
        await row.customer("otto").kept(made.id)

    assert "story.characters[1].id" == refusal.value.violations[0][0]
    assert ["otto"] == [one.owner for one in row.library.calls("GetCharacter")]


async def test_a_library_that_hangs_holds_nobody_beyond_their_deadline(row: Row) -> None:
    """What the story server had asked for ends with its caller; nothing was started, and others are served."""
    made = await row.customer("ida").made(generate_avatar=False)
    user = row.user("ida")
    wanted = STORY.request("StartGeneration")(story=about({"id": made.id}), request_id="held")
    with row.library.silent():
        with pytest.raises(Unavailable):
            await user.client.call("StartGeneration", wanted, user.caller, 1.0)
        [asked] = await row.library.until("GetCharacter")
        await asyncio.wait_for(asked.over.wait(), 30)
        other = await row.user("otto").start(story())
        with pytest.raises(Unavailable, match="the library of characters does not answer"):
            await user.start(about({"id": made.id}))  # its caller would wait for longer than the server does

    assert asked.seconds is not None
    assert asked.seconds <= 1.0 + ROUNDING_SECONDS
    assert {other} == set(await row.user("otto").listed())
    with pytest.raises(NotFound):
        await anext(aiter(user.watch(request_id="held")))


async def test_a_story_waits_for_a_library_that_hangs(row: Row) -> None:
    """Silent from the moment that the story is accepted: its worker says so, asks again, and goes on."""
    made = await row.customer("ida").made(generate_avatar=False)
    user = row.user("ida")
    with row.library.silent(after=1):
        id_ = await user.start(about({"id": made.id}))
        async with aclosing(user.watch(generation_id=id_)) as responses:
            async for response in responses:
                if "does not answer" in response.event.log_line.message:
                    break
    log = await user.log(id_)

    assert "succeeded" == log[-1].event.WhichOneof("body")
    assert 1 == sum("does not answer" in one.event.log_line.message for one in log)
    assert {"ida"} == {one.owner for one in row.library.calls("GetCharacter")}


async def test_a_face_is_asked_for_as_its_owner(row: Row) -> None:
    """In the trace of the call that asked for the character, into the image service's log; watched as who watches."""
    ida = row.customer("ida")
    row.studio.passed.clear()
    made = await ida.made()
    [asked] = await row.studio.until("StartGeneration")
    [first] = await row.viewer("ida").until(made.avatar.generation_id, lambda _: True, wait_for_start=True)
    keepers = await row.studio.until("WatchProgress")
    request = pb.WatchCharacterRequest(character_id=made.id)
    with pytest.raises(Unavailable):
        await watch(replace(ida.caller, deadline=asyncio.get_running_loop().time() + 2.0), row, request)
    with pytest.raises(NotFound):
        await watch(traced("otto"), row, request)
    with pytest.raises(NotFound):
        await row.viewer("otto").get(made.avatar.generation_id)

    calls = row.studio.passed
    assert {("ida", TRACE)} == {(one.owner, one.trace_id) for one in calls}
    assert asked.seconds is not None
    assert (TRACE, 1) == (first.event.trace_id, first.event.sequence)
    theirs = [one for one in calls if one.token == ida.caller.token]
    assert ["WatchProgress"] == [one.rpc for one in theirs]
    assert theirs[0].seconds is not None
    assert theirs[0].seconds <= 2.0 + ROUNDING_SECONDS
    assert not set(map(id, keepers)) & set(map(id, theirs))


async def watch(caller: Caller, row: Row, request: pb.WatchCharacterRequest) -> None:
    """Watch a character and its face, to the end."""
    client = Client(CHARACTER, row.characters.channel)
    async with aclosing(client.stream("WatchCharacter", request, caller)) as stream:
        async for _ in stream:
            pass


async def test_an_image_service_that_hangs_holds_no_character(row: Row) -> None:
    """It is done while the painter does not answer; the face is asked for until it does, and there is one."""
    ida = row.customer("ida")
    with row.studio.silent():
        made = await ida.made()
        [asked, *_] = await row.studio.until("StartGeneration")
        assert pb.AVATAR_STATE_PENDING == (await ida.kept(made.id)).avatar.state
        saved = await ida.call("SaveCharacter", character_id=made.id)
        other = await ida.made("a red fox", generate_avatar=False)
    await row.viewer("ida").until(made.avatar.generation_id, lambda _: True, wait_for_start=True)

    assert asked.seconds is not None
    assert saved.character.saved
    assert other.history
    started = await row.viewer("ida").call("ListGenerations")
    assert 1 == [one.id for one in started.generations].count(made.avatar.generation_id)

"""Stories with characters of the library: story server, story worker and character service, over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.worker import WorkerSettings
from fabula.errors import InvalidRequest, Unavailable
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import STORY
from fabula.rpc.server import Listen
from fabula.runtime import server, worker
from services.character.contract import CharacterContract
from services.story.contract import StoryContract
from services.story.domain import Character
from services.story.grammar.author import GrammarAuthor
from services.story.grammar.portraits import portrait_of
from services.story.library import open_library
from services.story.pipeline import StoryPipeline
from tests.integration.character import house as characters
from tests.integration.story.house import SECRET, User, bodies, free_port, running, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Street:
    """A house of characters, and beside it whoever tells stories."""

    characters: characters.House

    @asynccontextmanager
    async def telling(self, *, library: int = 0, worker_library: int = 0) -> AsyncIterator[User]:
        """Run a story server and a worker while the block lasts; they find the library at these ports."""
        port = free_port()
        at_server, at_worker = (f"127.0.0.1:{one or self.characters.port}" for one in (library, worker_library))
        async with AsyncExitStack() as stack:
            kept = await stack.enter_async_context(open_library(at_server))
            serving = server(StoryContract(kept), Listen(port=port, drain_seconds=1.0), Authenticator(SECRET))
            await stack.enter_async_context(running(serving, self.characters.settings))

            @asynccontextmanager
            async def open_pipeline() -> AsyncIterator[StoryPipeline]:
                async with open_library(at_worker) as known:
                    yield StoryPipeline(GrammarAuthor(0), known, Issuer(SECRET))

            working = worker(StoryContract().codec, open_pipeline, WorkerSettings(4, 1.0))
            await stack.enter_async_context(running(working, self.characters.settings))
            channel = await stack.enter_async_context(open_channel(f"127.0.0.1:{port}"))
            await channel.channel_ready()
            yield User(Client(STORY, channel), Caller(token("ida")))

    def at(self, port: int) -> Any:
        """Run one more character server, at this port, while the block lasts."""
        part = server(CharacterContract(), Listen(port=port, drain_seconds=1.0), Authenticator(SECRET))
        return running(part, self.characters.settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def street(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Street]:
    """A NATS server, and a house of characters."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, characters.open_house(nats.url) as house:
        yield Street(house)


@pytest.fixture
def ida(street: Street) -> characters.Customer:
    """Who has characters, and asks for stories."""
    return street.characters.customer("ida")


def about(*people: dict[str, Any], **fields: Any) -> pb.StoryRequest:
    """Return the request for a story about these people."""
    return story("Two friends count boats in the harbour.", words=500, characters=list(people), **fields)


async def test_a_story_takes_up_characters_of_the_library(street: Street, ida: characters.Customer) -> None:
    """By their names, with their looks and histories; those who are only described occur as well."""
    made = await ida.made("a brave knight named Gisela")
    name = f"{made.details.first_name} {made.details.last_name}".strip()
    async with street.telling() as user:
        id_ = await user.start(about({"id": made.id, "description": "afraid of boats"}, {"name": "Otto"}))
        log = await user.log(id_)

    asked = log[0].request.characters[0]
    assert (name, made.id, "") == (asked.name, asked.id, asked.history)
    stages = [response.event.stage_finished.stage for response in log if response.event.HasField("stage_finished")]
    assert ["load_prompts", "load_characters", "outline"] == stages[:3]
    known, other = next(response.cast.characters for response in log if response.HasField("cast"))
    assert (name, made.details.physical_description, made.history) == (known.name, known.looks, known.history)
    assert known.description.endswith("afraid of boats")
    assert ("Otto", "") == (other.name, other.looks)
    text = log[-1].story.text
    assert "succeeded" == bodies(log)[-1]
    assert made.details.first_name in text
    assert "Otto" in text
    portrait = portrait_of(Character(known.name, looks=known.looks, history=known.history))
    assert portrait
    assert portrait in text


async def test_a_character_that_is_not_there_is_refused_by_its_field(street: Street, ida: characters.Customer) -> None:
    """Another's is as unknown as any; so is every name that occurs twice."""
    mine, others = await ida.made(), await street.characters.customer("otto").made()
    refusals = []
    async with street.telling() as user:
        for id_ in (others.id, f"{mine.id[:-4]}0000", "story-1", "*", "ü"):
            with pytest.raises(InvalidRequest) as refusal:
                await user.start(about({"name": "Ann"}, {"id": id_}))
            refusals.append((refusal.value.message, refusal.value.violations))
        with pytest.raises(InvalidRequest) as refusal:
            await user.start(about({"id": mine.id}, {"name": f" {mine.details.first_name} {mine.details.last_name}"}))

    assert 1 == len(set(refusals))
    assert "story.characters[1].id" == refusals[0][1][0][0]
    assert "story.characters[1].name" == refusal.value.violations[0][0]


async def test_what_was_accepted_stays_accepted(street: Street, ida: characters.Customer) -> None:
    """The same request again gives the same story, though the character is gone or the library silent."""
    made = await ida.made()
    wanted, silent = about({"id": made.id, "name": "Ann"}), free_port()
    async with street.telling() as user:
        id_ = await user.start(wanted, request_id="once")
        await user.reaches(id_, gen.STATE_SUCCEEDED)
        await ida.call("DiscardCharacter", character_id=made.id)
        assert id_ == await user.start(wanted, request_id="once")
    async with street.telling(library=silent) as user:
        assert id_ == await user.start(wanted, request_id="once")
        with pytest.raises(Unavailable, match="the library of characters does not answer") as refusal:
            await user.start(wanted, request_id="twice")

    assert str(silent) not in refusal.value.message


async def test_a_worker_waits_for_the_library(street: Street, ida: characters.Customer) -> None:
    """It says so, once, and goes on as soon as the library is there; who is gone by then fails the story."""
    made, lost = await ida.made(), await ida.made()
    port = free_port()
    async with street.telling(worker_library=port) as user:
        waiting = [await user.start(about({"id": one.id, "name": "Ann"})) for one in (made, lost)]
        for id_ in waiting:
            async for response in user.watch(generation_id=id_):
                if "waiting for Ann" in response.event.log_line.message:
                    break
        await ida.call("DiscardCharacter", character_id=lost.id)
        async with street.at(port):
            logs = [await user.log(id_) for id_ in waiting]

    said = [response.event.log_line.message for response in logs[0] if response.event.HasField("log_line")]
    assert 1 == sum("waiting for Ann" in line for line in said)
    assert ["succeeded", "failed"] == [bodies(log)[-1] for log in logs]
    failure = logs[1][-1].event.failed.failure
    assert ("NOT_FOUND", True) == (failure.code, "Ann is not in the library" in failure.message)

"""Stories with characters of the library: story server, story worker and character service, over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import InvalidRequest, Unavailable
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import Authenticator
from fabula.rpc.server import Listen
from fabula.runtime import server
from services.character.contract import CharacterContract
from services.story.domain import Character
from services.story.grammar.portraits import portrait_of
from tests.integration.character import house as characters
from tests.integration.story.house import SECRET, User, bodies, free_port, running
from tests.integration.story.street import about, telling

pytestmark = pytest.mark.asyncio(loop_scope="module")

DOZEN = (
    *("Agnes", "Berta", "Cecily", "Dorothea", "Edith", "Frieda"),
    *("Gertrude", "Hedwig", "Ingrid", "Johanna", "Karla", "Lotte"),
)


@dataclass(frozen=True, slots=True)
class Street:
    """A house of characters, and beside it whoever tells stories."""

    characters: characters.House

    def telling(self, *, library: int = 0, worker_library: int = 0) -> AbstractAsyncContextManager[User]:
        """Run a story server and a worker while the block lasts; they find the library at these ports."""
        port = self.characters.port
        return telling(self.characters.settings, library=library or port, worker_library=worker_library or port)

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


async def refused(user: User, *people: dict[str, Any]) -> tuple[str, str]:
    """Ask for a story about these people, which must be refused; return the field at fault, and why."""
    with pytest.raises(InvalidRequest) as refusal:
        await user.start(about(*people))
    ((path, problem),) = refusal.value.violations
    assert problem in refusal.value.message
    return path, problem


async def test_a_character_that_is_not_there_is_refused_by_its_field(street: Street, ida: characters.Customer) -> None:
    """Another's is as unknown as one that never was, and as one that has been discarded."""
    others, gone = await street.characters.customer("otto").made(), await ida.made()
    await ida.call("DiscardCharacter", character_id=gone.id)
    never = "character-00000000-0000-4000-8000-000000000000"
    async with street.telling() as user:
        refusals = [await refused(user, {"name": "Ann"}, {"id": id_}) for id_ in (others.id, gone.id, never)]

    assert {("story.characters[1].id", "there is no such character in your library")} == set(refusals)


@pytest.mark.parametrize("kind", ["story", "image"])
async def test_an_id_of_another_kind_is_no_characters(street: Street, kind: str) -> None:
    """It says what a character's id looks like."""
    async with street.telling() as user:
        path, problem = await refused(user, {"id": f"{kind}-00000000-0000-4000-8000-000000000000"})

    assert ("story.characters[0].id", True) == (path, "begins with `character-`" in problem)


async def test_an_id_must_be_whole(street: Street, ida: characters.Customer) -> None:
    """Neither part of one, nor another spelling, nor a pattern, nor another library's key."""
    made = await ida.made()
    name = made.details.first_name
    odd = (
        made.id[:-1],
        made.id.upper(),
        f"{made.id} ",
        f" {made.id}",
        "character-*",
        "character-",
        "*",
        "ü",
        "..",
        name,
    )
    async with street.telling() as user:
        refusals = [await refused(user, {"id": id_}) for id_ in odd]

    assert {"story.characters[0].id"} == {path for path, _ in refusals}
    assert all("no character's id" in problem for _, problem in refusals)


async def test_nobody_is_in_a_story_twice(street: Street, ida: characters.Customer) -> None:
    """Neither by id, under whatever names, nor two of one name."""
    made = await ida.made()
    name = f"{made.details.first_name} {made.details.last_name}".strip()
    async with street.telling() as user:
        twice = await refused(user, {"id": made.id, "name": "Ann"}, {"name": "Otto"}, {"id": made.id, "name": "Ben"})
        namesakes = await refused(user, {"id": made.id}, {"name": f" {name.upper()}"})

    assert ("story.characters[2].id", True) == (twice[0], "the same character as story.characters[0]" in twice[1])
    assert ("story.characters[1].name", True) == (namesakes[0], "give one of them another name" in namesakes[1])


async def test_a_name_beside_an_id_is_what_the_story_says(street: Street, ida: characters.Customer) -> None:
    """All else is as the library has it; without a name its own is used, and neither id nor name is refused."""
    made = await ida.made("a brave knight named Gisela")
    async with street.telling() as user:
        log = await user.log(await user.start(about({"id": made.id, "name": "Ursel"})))
        nobody = await refused(user, {"id": made.id}, {"description": "afraid of boats"})

    (known,) = next(response.cast.characters for response in log if response.HasField("cast"))
    told = made.history.replace(made.details.first_name, "Ursel")
    assert ("Ursel", made.id, told) == (known.name, known.id, known.history)
    assert made.details.first_name not in log[-1].story.text
    assert "Ursel" in log[-1].story.text
    assert ("story.characters[1].name", True) == (nobody[0], "a name, or the id" in nobody[1])


async def test_a_dozen_of_the_library_come_along(street: Street, ida: characters.Customer) -> None:
    """As many as a story may have, and each of them is named in it; one more is refused."""
    made = [await ida.made(f"a knight named {name}", generate_avatar=False) for name in DOZEN]
    people = [{"id": one.id} for one in made]
    async with street.telling() as user:
        log = await user.log(await user.start(about(*people, words=1200)))
        too_many = await refused(user, *people, {"name": "Otto"})

    cast = next(response.cast.characters for response in log if response.HasField("cast"))
    assert [one.id for one in made] == [one.id for one in cast]
    assert [] == [name for name in DOZEN if name not in log[-1].story.text]
    assert "story.characters" == too_many[0]


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

"""On whose behalf the library of characters is asked: a server passes its caller on, a worker speaks for the owner."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import jwt
import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import FabulaError, ModelOutputInvalid, Unavailable
from fabula.journal import JournalSettings
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import OWN_AUDIENCE
from fabula.rpc.issuer import TOKEN_SECONDS, traceparent
from fabula.rpc.kinds import STORY
from services.story.domain import Brief, Outline
from services.story.grammar.author import GrammarAuthor
from services.story.library import CALL_SECONDS, FOREIGN
from tests.integration.story.house import SECRET, User, bodies, free_port, token
from tests.integration.story.processes import service
from tests.integration.story.recording import Asked, Recorder, recording
from tests.integration.story.street import about, telling

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENCE_SECONDS = 60.0
"""How long a test waits for what must come: the machine may be busy."""

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
MARA, BEN, LOST = (f"character-00000000-0000-4000-8000-00000000000{digit}" for digit in (1, 2, 3))


@pytest_asyncio.fixture(loop_scope="module")
async def settings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[JournalSettings]:
    """A journal of the test's own: no worker of another takes its jobs."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats:
        yield JournalSettings(url=nats.url, name="test", lease_seconds=1.0, idle_check_seconds=0.2)


@pytest_asyncio.fixture(loop_scope="module")
async def library() -> AsyncIterator[Recorder]:
    """A library in which there are two."""
    async with recording(free_port(), **{MARA: "Mara", BEN: "Ben"}) as recorder:
        yield recorder


def traced(user: User) -> User:
    """Return the same caller, in a trace."""
    return User(user.client, replace(user.caller, trace=traceparent(TRACE)))


def waited(*asked: Asked, most: float) -> bool:
    """Whether each of these calls had a deadline, and so soon. On the wire it is rounded up."""
    return bool(asked) and all(one.seconds is not None and 0 < one.seconds <= most * 1.05 for one in asked)


async def start(user: User, seconds: float | None, *ids: str) -> str:
    """Ask for a story about these, and wait no longer than so many seconds for the answer; return its id."""
    request = pb.StartGenerationRequest(story=about(*({"id": id_} for id_ in ids)))
    method = user.client._channel.unary_unary(
        STORY.path("StartGeneration"),
        request_serializer=pb.StartGenerationRequest.SerializeToString,
        response_deserializer=pb.StartGenerationResponse.FromString,
    )
    response: Any = await method(request, metadata=user.caller.metadata, timeout=seconds)
    id_: str = response.generation.id
    return id_


async def test_a_server_asks_as_its_caller(settings: JournalSettings, library: Recorder) -> None:
    """With the very token that came, in the same trace, and for no longer than the caller waits."""
    async with telling(settings, library=library.port, working=False) as user:
        caller = replace(user.caller, token=token("ida", note="as it came"), trace=traceparent(TRACE))
        await start(User(user.client, caller), 3.0, MARA, BEN)

    assert [MARA, BEN] == [asked.id for asked in library.asked]
    assert {caller.token} == {asked.token for asked in library.asked}
    assert {TRACE} == {asked.trace_id for asked in library.asked}
    assert caller.trace not in {asked.metadata["traceparent"] for asked in library.asked}  # a span of its own
    assert waited(*library.asked, most=3.0)


async def test_who_waits_for_ever_is_answered_all_the_same(settings: JournalSettings, library: Recorder) -> None:
    """Without a deadline the library has a few seconds, for all characters together; no trace, no header."""
    library.delay_seconds = 0.5
    async with telling(settings, library=library.port, working=False) as user:
        await start(user, None, MARA, BEN)

    first, second = library.asked
    assert waited(first, most=CALL_SECONDS)
    assert waited(second, most=CALL_SECONDS - library.delay_seconds)
    assert "" == library.asked[0].trace_id


async def test_who_waits_long_does_not_wait_longer_for_it(settings: JournalSettings, library: Recorder) -> None:
    """A long deadline is no reason to hold a call open."""
    async with telling(settings, library=library.port, working=False) as user:
        await start(user, 600.0, MARA)

    assert waited(*library.asked, most=CALL_SECONDS)


async def test_a_silent_library_is_told_in_the_callers_time(settings: JournalSettings, library: Recorder) -> None:
    """The refusal says that trying again may help; nothing is started."""
    library.silent = True
    async with telling(settings, library=library.port, working=False) as user:
        request = pb.StartGenerationRequest(story=about({"id": MARA}))
        with pytest.raises(Unavailable):
            await user.client.call("StartGeneration", request, user.caller, 1.0)
        assert [] == await user.listed()

    assert waited(*library.asked, most=1.0)


async def test_without_authentication_there_is_no_token_to_pass_on(
    settings: JournalSettings, library: Recorder
) -> None:
    """Neither does a worker mint one."""
    async with telling(settings, library=library.port, secret=None) as user:
        await user.reaches(await start(user, 5.0, MARA), gen.STATE_SUCCEEDED, PATIENCE_SECONDS)

    assert [False, False] == ["authorization" in asked.metadata for asked in library.asked]


async def test_a_worker_speaks_for_the_owner(settings: JournalSettings, library: Recorder) -> None:
    """With a token of a minute, in the trace of the call that asked for the story, and never for long."""
    async with telling(settings, library=library.port) as user:
        id_ = await start(traced(user), 5.0, MARA)
        await user.reaches(id_, gen.STATE_SUCCEEDED, PATIENCE_SECONDS)

    server, worker = library.asked
    claims = jwt.decode(worker.token, SECRET, algorithms=["HS256"], audience=OWN_AUDIENCE)
    assert user.caller.token == server.token != worker.token
    assert "ida" == claims["sub"]
    assert 0 < claims["exp"] - time.time() <= TOKEN_SECONDS
    assert TRACE == worker.trace_id
    assert waited(worker, most=CALL_SECONDS)


async def test_a_library_with_another_secret_is_a_fault_of_the_installation(
    settings: JournalSettings, library: Recorder
) -> None:
    """It is told as such, at the start and by the worker; the caller's own token is not what is wrong."""
    async with telling(settings, library=library.port, working=False) as user:
        id_ = await start(user, 5.0, MARA)
        library.foreign = True
        with pytest.raises(FabulaError) as refusal:
            await user.start(about({"id": MARA}))
        assert [id_] == await user.listed()
    async with telling(settings, library=library.port) as user:
        failed = await user.reaches(id_, gen.STATE_FAILED, PATIENCE_SECONDS)

    assert ("INTERNAL", FOREIGN) == (refusal.value.code, refusal.value.message)
    assert FOREIGN == failed.failure.message


class Hesitant(GrammarAuthor):
    """Cannot plan a story until it is told to."""

    ready = False

    async def outline(self, brief: Brief) -> Outline:
        """Plan the story, or fail."""
        if not self.ready:
            raise ModelOutputInvalid("nothing comes to mind")
        return await super().outline(brief)


def casts(log: list[Any]) -> list[list[str]]:
    """Return the names of each cast in a log."""
    return [[one.name for one in response.cast.characters] for response in log if response.HasField("cast")]


def looks(log: list[Any]) -> list[str]:
    """Return how the first person of each cast looks."""
    return [response.cast.characters[0].looks for response in log if response.HasField("cast")]


async def test_a_retry_from_the_loading_takes_the_characters_as_they_are_then(
    settings: JournalSettings, library: Recorder
) -> None:
    """A retry from a later stage keeps what was loaded; the name is that of the first request in any case."""
    author = Hesitant(0)
    async with telling(settings, library=library.port, author=author) as user:
        id_ = await start(user, 5.0, MARA)
        await user.reaches(id_, gen.STATE_FAILED, PATIENCE_SECONDS)
        library.names[MARA], library.looks = "Maria", "She is small."
        await user.call("RetryGeneration", generation_id=id_)
        await user.reaches(id_, gen.STATE_FAILED, PATIENCE_SECONDS)
        assert 2 == len(library.asked)  # the server once, the worker once
        author.ready = True
        await user.call("RetryGeneration", generation_id=id_, from_stage="load_characters")
        await user.reaches(id_, gen.STATE_SUCCEEDED, PATIENCE_SECONDS)
        log = await user.log(id_)

    assert 3 == len(library.asked)
    assert [["Mara"], ["Mara"]] == casts(log)
    assert ["She is tall.", "She is small."] == looks(log)
    assert "Mara was small." in log[-1].story.text
    assert "Mara was tall." not in log[-1].story.text


async def test_who_is_gone_fails_the_story_and_who_is_back_lets_it_be_told(
    settings: JournalSettings, library: Recorder
) -> None:
    """The failure names who is missed; a retry asks again, and for everybody."""
    library.names[LOST] = "Lotte"
    async with telling(settings, library=library.port, working=False) as user:
        id_ = await start(user, 5.0, MARA, LOST)
    del library.names[LOST]
    async with telling(settings, library=library.port) as user:
        failed = await user.reaches(id_, gen.STATE_FAILED, PATIENCE_SECONDS)
        library.names[LOST] = "Lotte"
        await user.call("RetryGeneration", generation_id=id_)
        await user.reaches(id_, gen.STATE_SUCCEEDED, PATIENCE_SECONDS)
        log = await user.log(id_)

    assert "NOT_FOUND" == failed.failure.code
    assert "Lotte is not in the library of characters any more" in failed.failure.message
    assert [["Mara", "Lotte"]] == casts(log)
    assert [MARA, LOST] == [asked.id for asked in library.asked[-2:]]


def process(settings: JournalSettings, library: Recorder, pace: str) -> dict[str, str]:
    """Return how a worker's process finds its way."""
    return {
        "nats_url": settings.url,
        "FABULA_CHARACTER_ADDRESS": f"127.0.0.1:{library.port}",
        "FABULA_JWT_SECRET": SECRET,
        "FABULA_LEASE_SECONDS": "1",
        "FABULA_GRAMMAR_WORDS_PER_SECOND": pace,
    }


async def test_what_was_loaded_is_not_loaded_again(settings: JournalSettings, library: Recorder, tmp_path: Any) -> None:
    """A worker that is killed behind the loading leaves the people to the next one, as they were."""
    async with telling(settings, library=library.port, working=False) as user:
        id_ = await start(user, 5.0, MARA)
        async with service("worker", folder=tmp_path, **process(settings, library, "20")) as slow:
            async for response in user.watch(generation_id=id_):
                if response.event.HasField("text_delta"):
                    break
            slow.process.kill()
            await slow.process.wait()
        library.names.clear()  # whoever asked now would find nobody
        async with service("worker", folder=tmp_path, **process(settings, library, "0")):
            await user.reaches(id_, gen.STATE_SUCCEEDED, PATIENCE_SECONDS)
        log = await user.log(id_)

    assert 2 == len(library.asked)
    assert [["Mara"]] == casts(log)
    assert "Mara was tall." in log[-1].story.text


async def test_a_worker_that_dies_while_it_asks_is_followed_by_one_that_asks(
    settings: JournalSettings, library: Recorder, tmp_path: Any
) -> None:
    """What it was about to hear is heard once by the next."""
    async with telling(settings, library=library.port, working=False) as user:
        id_ = await start(user, 5.0, MARA)
        library.silent = True
        async with service("worker", folder=tmp_path, **process(settings, library, "0")) as doomed:
            await library.calls(2)
            doomed.process.kill()
            await doomed.process.wait()
        library.silent = False
        async with service("worker", folder=tmp_path, **process(settings, library, "0")):
            await user.reaches(id_, gen.STATE_SUCCEEDED, PATIENCE_SECONDS)
        log = await user.log(id_)

    assert [["Mara"]] == casts(log)
    assert "succeeded" == bodies(log)[-1]

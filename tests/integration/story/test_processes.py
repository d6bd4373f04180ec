from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import FabulaError, Unavailable
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.errors import from_rpc_error
from fabula.rpc.kinds import STORY
from tests.integration.story.house import bodies, sequences, story, text_of
from tests.integration.story.processes import Service, buf_curl, service

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONGEST_START_SECONDS = 6.0
"""A server starts in well under a second where it has a core to itself; here it shares two with other tests."""

NOT_IN_A_SERVER = ("torch", "transformers", "jinja2", "numpy", "services.story.grammar", "services.story.pipeline")
SERVICE = STORY.service
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For logs."""
    return tmp_path_factory.mktemp("services")


@pytest_asyncio.fixture(loop_scope="module")
async def own_nats(tmp_path: Path) -> AsyncIterator[str]:
    """A NATS server for one test: no other worker takes its jobs."""
    async with EmbeddedServer(tmp_path) as nats:
        yield nats.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(nats_url: str, folder: Path) -> AsyncIterator[Service]:
    """A server without authentication, started under `-X importtime`."""
    async with service("server", nats_url, folder, "-X", "importtime") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(nats_url: str, folder: Path) -> AsyncIterator[Service]:
    """A worker that writes as fast as it can."""
    async with service("worker", nats_url, folder, FABULA_GRAMMAR_WORDS_PER_SECOND="0") as running:
        yield running


async def test_a_server_starts_quickly_and_without_what_it_does_not_need(nats_url: str, folder: Path) -> None:
    """From the process's start to SERVING; neither models, prompts nor lexicons are loaded, then or at an rpc."""
    async with service("server", nats_url, folder) as running:
        print(f"the story server serves after {running.started_seconds:.2f} s")  # noqa: T201 - the figure is wanted
        assert running.started_seconds < LONGEST_START_SECONDS


async def test_a_server_never_imports_models_prompts_or_lexicons(server: Service) -> None:
    """Neither at its start nor while it answers."""
    await server.user.call("ListTemplates")
    await server.user.call(
        "DeleteGeneration", generation_id=await server.user.start(story(source={"data": b"Gr\xfc\xdfe"}))
    )

    imported = re.findall(r"^import time:.*\| +(\S+)$", server.log.read_text(), re.MULTILINE)

    assert "fabula.rpc.service" in imported
    assert [] == [name for name in imported if name.startswith(NOT_IN_A_SERVER)]


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
async def test_buf_curl_tells_a_story_by_reflection(server: Service, worker: Service, version: str) -> None:
    """With nothing but the address, a story is started and watched to its end; both reflections are served."""
    await server.serves(SERVICE)
    reflection = ("--reflect-protocol", version)
    wanted = json.dumps({"story": {"premise": "Ann Lee counts boats in Port Mary.", "words": 120, "seed": 7}})

    code, output, errors = await buf_curl(server.port, f"{SERVICE}/StartGeneration", wanted, *reflection)
    assert (0, "") == (code, errors)
    generation = json.loads(output)["generation"]
    assert "STATE_QUEUED" == generation["state"]

    asked = json.dumps({"generationId": generation["id"]})
    code, output, errors = await buf_curl(server.port, f"{SERVICE}/WatchProgress", asked, *reflection)
    assert (0, "") == (code, errors)
    events = parsed(output)
    logged = [one["event"]["sequence"] for one in events if one["event"].get("sequence")]
    assert list(range(1, len(logged) + 1)) == logged
    assert "grammar/1" == events[-1]["story"]["model"]
    assert "succeeded" in events[-1]["event"]


def parsed(output: str) -> list[Any]:
    """Return the JSON documents that follow each other."""
    decoder, found, place = json.JSONDecoder(), [], 0
    while place < len(output.rstrip()):
        document, place = decoder.raw_decode(output, len(output) - len(output[place:].lstrip()))
        found.append(document)
    return found


async def test_buf_curl_is_told_what_is_wrong(server: Service) -> None:
    """Errors come with their details; a field that JSON does not know is refused by buf itself; nothing is started."""
    before = await server.user.listed()

    unknown = json.dumps({"generationId": "story-00000000-0000-4000-8000-000000000000"})
    code, _, errors = await buf_curl(server.port, f"{SERVICE}/GetGeneration", unknown)
    assert (40, "not_found") == (code, json.loads(errors)["code"])
    assert {"ErrorInfo", "ResourceInfo"} == {
        detail["type"].rpartition(".")[2] for detail in json.loads(errors)["details"]
    }

    code, _, errors = await buf_curl(server.port, f"{SERVICE}/StartGeneration", '{"story": {}}')
    assert "invalid_argument" == json.loads(errors)["code"]
    for wrong in ('{"story": {"premise": "Ann", "wordz": 5}}', '{"story": {"words": "many"}}', '{"story": []}', "{"):
        code, output, errors = await buf_curl(server.port, f"{SERVICE}/StartGeneration", wrong)
        assert (True, "") == (code != 0, output)
    assert before == await server.user.listed()


async def test_the_example_of_the_documentation_runs(server: Service, worker: Service, folder: Path) -> None:
    """The Python program on the page is copied, run, and tells a story."""
    page = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")
    program = folder / "example.py"
    program.write_text(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0].replace("50051", str(server.port)))

    process = await asyncio.create_subprocess_exec(sys.executable, program, stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 30)

    assert 0 == process.returncode
    assert re.search(r": \d+ words by grammar/1\n$", output.decode())


async def test_health_is_told_for_the_server_and_its_service(server: Service, worker: Service) -> None:
    """SERVING with a journal and a worker; an unknown service is NOT_FOUND for Check, SERVICE_UNKNOWN for Watch."""
    for name in ("", SERVICE):
        await server.serves(name)
        watching = server.health.Watch(health_pb2.HealthCheckRequest(service=name))
        assert SERVING == (await watching.read()).status
        watching.cancel()

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await server.health.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert grpc.StatusCode.NOT_FOUND == caught.value.code()
    watching = server.health.Watch(health_pb2.HealthCheckRequest(service="nobody"))
    assert health_pb2.HealthCheckResponse.SERVICE_UNKNOWN == (await watching.read()).status
    watching.cancel()

    code, output, _ = await buf_curl(server.port, "grpc.health.v1.Health/Check", json.dumps({"service": SERVICE}))
    assert (0, {"status": "SERVING"}) == (code, json.loads(output))


async def test_a_server_that_ends_leaves_good_cursors(own_nats: str, folder: Path) -> None:
    """SIGTERM: health says NOT_SERVING, every stream ends with UNAVAILABLE at once, and the next server goes on."""
    async with service("server", own_nats, folder) as ending, service("server", own_nats, folder) as next_server:
        id_ = await ending.user.start()
        watching = ending.health.Watch(health_pb2.HealthCheckRequest())
        assert SERVING == (await watching.read()).status
        streams = [
            await opened(ending, "WatchProgress", generation_id=id_),
            await opened(ending, "WatchProgress", request_id="never-started", wait_for_start=True),
            await opened(ending, "WatchGenerations"),
        ]
        seen = pb.WatchProgressResponse.FromString(await streams[0].read())

        async with asyncio.TaskGroup() as tasks:
            finished = tasks.create_task(ending.end())
            assert NOT_SERVING == (await watching.read()).status
            watching.cancel()
            for stream in streams:
                assert isinstance(await error_of(stream), Unavailable)

        code, seconds = finished.result()
        assert 0 == code
        assert seconds < 2  # the time that is allowed for draining
        await next_server.user.call("CancelGeneration", generation_id=id_)
        rest = await next_server.user.log(id_, after_sequence=seen.event.sequence)
        assert await next_server.user.log(id_) == [seen, *rest]


async def test_a_watcher_that_does_not_read_holds_no_server_up(own_nats: str, folder: Path) -> None:
    """An event larger than what may be in flight is being written for ever; the server ends all the same."""
    people = [pb.Character(name=str(number), description="猫" * 2000) for number in range(12)]
    async with service("server", own_nats, folder) as ending:
        id_ = await ending.user.start(story(characters=people))
        stream = await opened(ending, "WatchProgress", generation_id=id_)
        code, seconds = await ending.end()

        assert 0 == code
        assert seconds < 5
        stream.cancel()


async def opened(server: Service, rpc: str, **fields: Any) -> Any:
    """Begin a stream; return its call as soon as the server has accepted it."""
    serializer = STORY.request(rpc).SerializeToString
    method = server.channel.unary_stream(STORY.path(rpc), request_serializer=serializer, response_deserializer=None)
    call = method(STORY.request(rpc)(**fields))
    await asyncio.wait_for(call.initial_metadata(), 10)
    return call


async def error_of(stream: Any) -> FabulaError:
    """Read a stream to its end; return the error that this is."""
    with pytest.raises(grpc.aio.AioRpcError, match="shutting down") as caught:
        await read_on(stream)
    return from_rpc_error(caught.value)


async def read_on(stream: Any) -> None:
    """Read a stream to its end."""
    while await stream.read():
        pass


async def test_a_worker_that_ends_hands_its_story_to_the_next(own_nats: str, folder: Path) -> None:
    """SIGTERM in mid-sentence: the story is released and goes on where it was; the watcher notices nothing else."""
    async with service("server", own_nats, folder) as server:
        log = await handed_over(own_nats, server, folder)

    assert ("succeeded", 1, 2, 0) == (
        bodies(log)[-1],
        bodies(log).count("released"),
        bodies(log).count("claimed"),
        bodies(log).count("stage_restarted"),
    )
    assert list(range(1, len(log) + 1)) == sequences(log)
    chapter = next(r.chapter for r in log if r.event.stage_finished.stage == "write-1")
    assert chapter.text == text_of(log, "write-1")


async def handed_over(nats_url: str, server: Service, folder: Path) -> list[Any]:
    """Have one worker begin a story and end in mid-sentence, and another one go on; return the whole log."""
    async with service("worker", nats_url, folder, FABULA_GRAMMAR_WORDS_PER_SECOND="30") as ending:
        id_ = await server.user.start(story("Ann Lee counts boats in Port Mary.", words=300, chapters=2))
        async with asyncio.timeout(20), aclosing(server.user.watch(generation_id=id_)) as watch:
            async for response in watch:
                if response.event.HasField("text_delta"):
                    break
        code, _ = await ending.end()
        assert 0 == code
    released = await server.user.reaches(id_, gen.STATE_QUEUED)
    assert [] == list(released.progress.active_agents)

    async with service("worker", nats_url, folder, FABULA_GRAMMAR_WORDS_PER_SECOND="0"):
        return await server.user.log(id_)

"""Damaged, mislabelled and malicious files: each is a picture or refused, by the decoder and at every door."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench.processes import private_bytes
from fabula.api.character.v1 import character_pb2 as pb
from fabula.errors import InvalidRequest, Unavailable
from fabula.picture_intake import PictureIntake
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import CHARACTER
from tests.integration.uploads.bombs import BOMBS
from tests.integration.uploads.damage import damaged
from tests.integration.uploads.files import files
from tests.proof import PROOF, record, seeded, share_of
from tests.system import System

READ = share_of(100_000)
SENT = share_of(2_000)
"""To the doors, half of them to each. A process is begun for each."""

AT_ONCE = 4
MIB = 2**20

HELD_SLACK_BYTES = MIB
"""By so much may what a process holds grow over the second half of all that it reads."""

SLACK_BYTES = 6 * MIB
"""The same of a server, which cannot be asked to give back what its allocator keeps."""

PEAK_BYTES = 640 * MIB
"""Most that reading small files may cost, of which some say of themselves that they are large."""

Send = Callable[[bytes], Awaitable[str]]
"""Sends a picture; returns what is said against it, nothing if it was accepted."""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system of its own, without pictures: what its processes hold is measured."""
    folder = tmp_path_factory.mktemp("uploads") / "data"
    with System(folder, generators="character", environment={"FABULA_CHARACTER_SLOTS": "1"}) as system:
        yield system


@pytest.mark.parametrize("name", sorted(files()))
async def test_every_file_is_whole_before_it_is_damaged(name: str) -> None:
    """What the damages are made of can be read, each way of writing it."""
    picture = await PictureIntake().clean(files()[name], "data")

    assert {60, 40} == {picture.width, picture.height}


@pytest.mark.proof
@pytest.mark.timeout(180 * PROOF)
async def test_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    """No other error, no crash, no hang, no picture beyond the bounds; and memory levels off."""
    seed, place = str(seeded().randrange(2**32)), tmp_path / "place"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.uploads.reading", seed, str(READ), str(place)),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert 0 == process.returncode, f"it has died at {damaged(f'{seed}/{int(place.read_text())}')[0]}"
    account: dict[str, Any] = json.loads(output)
    held = account["held_bytes"]

    assert [] == account["wrong"]
    assert READ == account["read"] + sum(account["refused"].values())
    assert account["read"] > READ / 10
    assert sum(account["refused"].values()) > READ / 10
    assert max(held[len(held) // 2 :]) < max(held[: len(held) // 2]) + HELD_SLACK_BYTES, held
    assert account["peak_bytes"] < PEAK_BYTES
    record(
        what="damaged pictures read",
        runs=READ,
        outcome="a picture within the bounds, or refused",
        figures={
            "pictures": account["read"],
            "refused": sum(account["refused"].values()),
            "memory": f"{held[len(held) // 2 - 1] / MIB:.0f} MiB halfway, {held[-1] / MIB:.0f} MiB at the end",
            "most at a time": f"{account['peak_bytes'] / MIB:.0f} MiB",
            "slowest": f"{account['slowest']:.2f} s of computing",
        },
        section="Uploads",
    )


@pytest.mark.proof
@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", BOMBS)
async def test_bomb_ends_in_time_and_holds_nobody_up(name: str) -> None:
    """It is read, or refused with what to do; the loop goes on meanwhile, and so does another's picture."""
    intake, data = PictureIntake(), BOMBS[name]()
    reading = asyncio.create_task(_said(intake, data))
    beats = 0
    other = await intake.clean(files()["gif"], "data")
    while not reading.done():
        await asyncio.sleep(0.01)
        beats += 1

    said = await reading
    assert (60, 40) == (other.width, other.height)
    assert said == "read" or any(advice in said for advice in ("make it smaller", "save it anew", "try again later")), (
        said
    )
    if "too long" in said:
        assert beats > 100


async def _said(intake: PictureIntake, data: bytes) -> str:
    try:
        await intake.clean(data, "character.picture.data")
    except InvalidRequest as error:
        return error.violations[0][1]
    except Unavailable as error:  # the machine is so busy that even its bounds are far
        return error.message
    return "read"


def by_grpc(client: Client) -> Send:
    """Send a picture to the character service itself."""

    async def send(data: bytes) -> str:
        wanted = pb.CharacterRequest(seed=1, picture=pb.Source(name="face.png", data=data))
        request = pb.StartGenerationRequest(character=wanted)
        try:
            started = await client.call("StartGeneration", request, Caller(), timeout=60)
        except InvalidRequest as error:
            return _advice(data, dict(error.violations), error.message, "character.picture.data")
        cancel = CHARACTER.request("CancelGeneration")(generation_id=started.generation.id)
        await client.call("CancelGeneration", cancel, Caller())
        return ""

    return send


def _advice(data: bytes, violations: Mapping[str, str], message: str, field: str) -> str:
    """Return what a refusal says. It names the field; of an empty file it says that something is missing."""
    assert field in violations or not data, violations
    return message


def by_rest(http: httpx.AsyncClient) -> Send:
    """Send a picture as a file to the gateway."""

    async def send(data: bytes) -> str:
        answer = await http.post("/v1/characters", files={"file": ("face.jpg", data)}, data={"request": '{"seed": 1}'})
        body = answer.json()
        if answer.status_code == 202:
            await http.post(f"/v1/generations/{body['id']}:cancel")
            return ""
        assert 400 == answer.status_code, answer.text
        violations = {one["field"]: one["description"] for one in body["error"]["violations"]}
        return _advice(data, violations, body["error"]["message"], "picture.data")

    return send


@pytest.mark.proof
@pytest.mark.timeout(240 * PROOF)
async def test_damaged_files_are_answered_at_the_doors(system: System) -> None:
    """400 or INVALID_ARGUMENT with what to do; the servers stay as healthy and as large as they were."""
    seed = seeded().randrange(2**32)
    address = f"127.0.0.1:{system.character_port}"
    watched = ("character-server", "gateway")
    processes = {name: system.pid_of(name) for name in watched}
    sizes: list[dict[str, float]] = []
    answers: Counter[str] = Counter()
    async with (
        open_channel(address) as channel,
        httpx.AsyncClient(base_url=system.url, timeout=60, trust_env=False) as http,
    ):
        doors = (by_grpc(Client(CHARACTER, channel)), by_rest(http))
        for half in range(2):
            numbers = range(half * SENT // 2, (half + 1) * SENT // 2)
            await send_all(doors, [f"{seed}/{number}" for number in numbers], answers)
            assert 200 == (await http.get("/readyz")).status_code
            sizes.append({name: private_bytes(pid) / MIB for name, pid in processes.items()})
        for door in doors:
            assert "" == await door(files()["jpeg with notes"])

    assert processes == {name: system.pid_of(name) for name in watched}
    grown = {name: sizes[1][name] - sizes[0][name] for name in watched}
    assert max(grown.values()) < SLACK_BYTES / MIB, sizes
    assert answers["accepted"] > SENT / 20
    assert answers["refused"] > SENT / 20
    record(
        what="damaged pictures sent by gRPC and REST",
        runs=SENT,
        outcome="accepted, or INVALID_ARGUMENT / 400 with what to do",
        figures={
            "refused": answers["refused"],
            **{name: f"{sizes[0][name]:.0f} MiB halfway, {sizes[1][name]:.0f} MiB at the end" for name in watched},
        },
        section="Uploads",
    )


async def send_all(doors: tuple[Send, ...], seeds: list[str], answers: Counter[str]) -> None:
    """Send what the seeds make, a few at a time, to one door after the other."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def send(number: int, seed: str) -> None:
        async with turn:
            name, data = damaged(seed)
            said = await doors[number % len(doors)](data)
        answers["refused" if said else "accepted"] += 1
        if said:
            advised = ("give", "save it anew", "make it smaller", "say who it is")
            assert any(advice in said for advice in advised), f"{seed} ({name}): {said}"

    async with asyncio.TaskGroup() as tasks:
        for number, seed in enumerate(seeds):
            tasks.create_task(send(number, seed))


async def test_picture_is_not_waited_for_without_end() -> None:
    """While too many wait, the next is told to come again; who goes away frees the place, and ends the reading."""
    intake = PictureIntake()
    slow = BOMBS["jpeg_of_filling"]()
    crowd = [asyncio.create_task(_said(intake, slow)) for _ in range(40)]
    await asyncio.sleep(0)
    refused = [task for task in crowd if (await _soon(task)) is not None]
    for task in crowd:
        task.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)

    assert 6 == len(refused)
    assert (60, 40) == ((await intake.clean(files()["webp"], "data")).width, 40)


async def _soon(task: asyncio.Task[str]) -> BaseException | None:
    await asyncio.wait([task], timeout=0.01)
    return task.exception() if task.done() else None

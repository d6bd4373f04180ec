"""What it costs a picture to be a generation: to be watched, to be previewed, to wait with others, to be begun."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import secrets
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bench.bare_painter import GUIDANCE, HANDOVER, PROMPT
from bench.image_stage import Studio, open_studio, working_seconds
from bench.processes import end
from bench.stage import LOCAL, Stage
from bench.table import Row
from fabula.api.image.v1 import image_pb2 as pb

STEPS = 25
SIZE = 128
LARGE_SIZE = 256
ROUNDS = 5
TURNS = 20
WATCHERS = 10
WAITING = 8

_DENOISING = ("base_model", "refiner_model")

WHY_WATCHED = (
    "Beside the model's process the worker, the journal, the server and the watchers compute, some 0.2 s for a picture "
    "however large; on two processors that the model's threads take both, this is 0.1 s of its time. It weighs less "
    "the larger the picture is, and little where one processor is left out of both sides. To store what a stage has "
    "made takes about 7 ms."
)
WHY_BATCH = "A processor is busy with one picture already; a batch spares little there. It pays on an accelerator."
WHY_PREVIEW = "A preview is projected and encoded in the worker, on the processors that the model computes with."
WHY_COLD = "A worker starts a process of its own for the model, and tells what the model can do before it paints."
WHY_WARM = (
    "A request is stored, claimed and settled, and its prompt is read, before its first step; the step is stored "
    "before it is seen."
)


def picture(*, size: int = SIZE, previews: int = 5, seed: int = 7) -> pb.ImageRequest:
    """Return the request for the picture that is measured."""
    return pb.ImageRequest(
        prompt=PROMPT,
        width=size,
        height=size,
        steps=STEPS,
        guidance=GUIDANCE,
        use_refinement=True,
        handover=HANDOVER,
        seed=seed,
        preview_interval=previews,
    )


async def painted(stage: Stage) -> list[Row]:
    """Working time of a picture's stages before watchers, and of a bare call.

    The model's threads on all processors, for a small picture and for one of four times the work; then the small one
    with a processor left to the rest.
    """
    spare = {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) - 1))}
    rows = [await _in_turn(stage, SIZE), await _in_turn(stage, LARGE_SIZE), await _in_turn(stage, SIZE, **spare)]
    rows[-1] = dataclasses.replace(rows[-1], what=f"{rows[-1].what}, a processor left to all but the model")
    return rows


async def _in_turn(stage: Stage, size: int, **threads: str) -> Row:
    bare: list[float] = []
    watched: list[float] = []
    async with open_studio(stage) as studio, studio.worker(**threads), bare_painter(size, **threads) as painter:
        model = await studio.model()
        await studio.paint(picture(size=size))
        for _ in range(TURNS):  # one after the other: a machine is not always equally fast
            bare.append((await painter.paint()).seconds)
            watched.append(working_seconds(await studio.paint(picture(size=size), WATCHERS)))
    return Row(
        f"a picture of {size} × {size} in {STEPS} steps on {model.environment.device}, previews every 5 steps, "
        f"watchers: {WATCHERS}",
        "s",
        watched,
        bare,
        "a bare call of the same pipelines",
        "≤ 1.03",
        lower_is_better=True,
        why=WHY_WATCHED,
    )


async def previewed(stage: Stage) -> list[Row]:
    """Time of a denoising step with a preview after each, and without."""
    plain: list[float] = []
    shown: list[float] = []
    async with open_studio(stage) as studio, studio.worker():
        model = await studio.model()
        await studio.paint(picture())
        for _ in range(TURNS):
            for steps, previews in ((plain, 0), (shown, 1)):
                painted = await studio.paint(picture(previews=previews))
                steps.append(working_seconds(painted, _DENOISING) / STEPS * 1000)
    what = f"a step of a picture of {SIZE} × {SIZE} on {model.environment.device}, a preview after each"
    return [Row(what, "ms", shown, plain, "a step without", "≤ 1.05", lower_is_better=True, why=WHY_PREVIEW)]


async def together(stage: Stage) -> list[Row]:
    """Pictures per second when many requests wait, and when each waits for the one before."""
    crowd: list[float] = []
    single: list[float] = []
    async with open_studio(stage) as studio, studio.worker(FABULA_IMAGE_SLOTS=str(WAITING)):
        model = await studio.model()
        await studio.paint(picture())
        for _ in range(ROUNDS):
            begun = time.monotonic()
            for seed in range(WAITING):
                await studio.paint(picture(previews=0, seed=seed))
            single.append(WAITING / (time.monotonic() - begun))
            begun = time.monotonic()
            await _paint_all(studio)
            crowd.append(WAITING / (time.monotonic() - begun))
    return [
        Row(
            f"{WAITING} requests that wait on {model.environment.device}",
            "pictures/s",
            crowd,
            single,
            "one after the other",
            "≥ 1",
            why=WHY_BATCH,
        )
    ]


async def _paint_all(studio: Studio) -> None:
    ids: Sequence[str] = [secrets.token_hex(16) for _ in range(WAITING)]
    for seed, id_ in enumerate(ids):
        request = pb.StartGenerationRequest(request_id=id_, image=picture(previews=0, seed=seed))
        await studio.client.call("StartGeneration", request, LOCAL)
    await asyncio.gather(*map(studio.result, ids))


async def begun(stage: Stage) -> list[Row]:
    """Time until a watcher sees the first step: from the start of a worker's process, and with one that is loaded."""
    cold: list[float] = []
    warm: list[float] = []
    process: list[float] = []
    call: list[float] = []
    async with open_studio(stage) as studio:
        for _ in range(ROUNDS):
            async with bare_painter() as painter:
                process.append(painter.first_step)
                call.append(statistics.median([(await painter.paint()).first_step for _ in range(2)]) * 1000)
            async with studio.worker():
                cold.append(await studio.first_step(picture()))
                warm.append(await studio.first_step(picture()) * 1000)
    against = "a bare process with the same pipelines"
    return [
        Row("start of a worker → its first step is seen", "s", cold, process, against, "≤ 1.2", True, WHY_COLD),
        Row(
            "request → its first step is seen", "ms", warm, call, "a bare call → its first step", "≤ 3", True, WHY_WARM
        ),
    ]


@dataclass(frozen=True, slots=True)
class Call:
    """What a bare call took: in all, and to its first step, in seconds."""

    seconds: float
    first_step: float


class BarePainter:
    """The pipelines alone, in a process of their own.

    Attributes:
        first_step: From the start of the process to its first step, in seconds.
    """

    def __init__(self, process: asyncio.subprocess.Process, first_step: float) -> None:
        self.first_step = first_step
        self._process = process

    async def paint(self) -> Call:
        """Call them once."""
        assert self._process.stdin is not None  # noqa: S101 - it was started with pipes
        assert self._process.stdout is not None  # noqa: S101 - the same
        self._process.stdin.write(b"paint\n")
        seconds, first_step = map(float, (await self._process.stdout.readline()).split())
        return Call(seconds, first_step)


@asynccontextmanager
async def bare_painter(size: int = SIZE, **environment: str) -> AsyncIterator[BarePainter]:
    """Run the pipelines alone for as long as the block lasts."""
    words = ("-W", "ignore", "-m", "bench.bare_painter", str(STEPS), str(size))
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    started = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, stdin=pipe, stdout=pipe, stderr=nothing, env={**os.environ, **environment}
    )
    try:
        assert process.stdout is not None  # noqa: S101 - it was started with pipes
        await process.stdout.readline()
        yield BarePainter(process, time.monotonic() - started)
    finally:
        await end(process)

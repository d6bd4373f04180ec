from __future__ import annotations

import asyncio
import io
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import pytest
import pytest_asyncio
from PIL import Image

from fabula.backends.diffusers_image import DiffusersImage
from fabula.backends.image import EncodedPrompt, Part, PictureFormat, PictureSpec, PreviewMade, Step
from fabula.backends.painting.previews import MOST_BYTES
from fabula.errors import InvalidRequest, ModelCrashed
from tests.integration.backends.painting import SPEC, events, like, new_model, pixels, png, read, steps
from tests.integration.backends.stock_painting import painted_by_the_library
from tests.tiny_pipelines import TinyPipelines

# One child serves the whole file: importing torch takes seconds.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

WAIT_SECONDS = 0.5
"""For company in a batch that is expected."""

SCHEDULERS = ("euler", "euler-ancestral", "ddim", "dpm++2m", "unipc", "lcm")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tiny: TinyPipelines) -> AsyncIterator[DiffusersImage]:
    """A tiny SDXL with its refiner, which takes encoders and decoder from its base."""
    model = new_model(tiny.sdxl, tiny.refiner, batch=4, batch_wait_seconds=WAIT_SECONDS)
    yield model
    await model.close()


async def test_the_card_tells_what_was_loaded(model: DiffusersImage) -> None:
    """Defaults are the family's, bounds the network's, and the model's own scheduler comes first."""
    card = await model.card()

    assert ("sdxl", "refiner", "cpu", "float32") == (card.name, card.refiner, card.device, card.dtype)
    assert (64, 64, 8) == (card.default_width, card.default_height, card.side_multiple)
    assert (30, 5.0, 75) == (card.default_steps, card.default_guidance, card.prompt_tokens)
    assert SCHEDULERS == tuple(scheduler.name for scheduler in card.schedulers)
    assert all(scheduler.resumes for scheduler in card.schedulers)
    assert ("linear", True, 64) == (card.previews, card.takes_source, len(card.fingerprint))
    assert card is await model.card()


async def test_a_prompt_is_counted_and_its_unread_end_is_told(model: DiffusersImage) -> None:
    """Words of this tokeniser are tokens; what is beyond the 75th is quoted as it was written."""
    assert EncodedPrompt(6, 75) == await model.encode(SPEC)

    long = await model.encode(like(prompt="fox " * 75 + "In the SNOW"))

    assert EncodedPrompt(78, 75, "In the SNOW") == long


async def test_a_picture_is_the_one_that_the_library_paints(model: DiffusersImage, tiny: TinyPipelines) -> None:
    """Base and refiner in turn are diffusers' own ensemble of experts, to the last bit."""
    spec = like(steps=10, handover=0.8, seeds=(11,))
    base = await steps(model, spec)
    refined = await steps(model, spec, Part.REFINER, latents=base[-1].state)
    stock = await asyncio.to_thread(painted_by_the_library, tiny.sdxl, tiny.refiner, spec)

    assert (8, 2) == (len(base), len(refined))
    assert [stock] == await pixels(model, spec, refined[-1].state)


async def test_fifty_steps_with_a_refiner_are_forty_and_ten(model: DiffusersImage) -> None:
    """The steps are counted within their part, and previews over both: every 5 of 50 make 10."""
    spec = like(steps=50, handover=0.8, preview_interval=5)
    base = await events(model, spec)
    last = next(event for event in reversed(base) if isinstance(event, Step))
    refined = await events(model, spec, Part.REFINER, latents=last.state)

    assert [(done, 40) for done in range(1, 41)] == counted(base)
    assert [(done, 10) for done in range(1, 11)] == counted(refined)
    assert [5, 10, 15, 20, 25, 30, 35, 40] == [event.done for event in base if isinstance(event, PreviewMade)]
    assert [5, 10] == [event.done for event in refined if isinstance(event, PreviewMade)]


def counted(found: list[Step | PreviewMade]) -> list[tuple[int, int]]:
    """Return how the steps were counted."""
    return [(event.done, event.steps) for event in found if isinstance(event, Step)]


@pytest.mark.parametrize("interval", [1, 4, 7])
async def test_previews_are_small_webp_pictures_in_order(model: DiffusersImage, interval: int) -> None:
    """There are as many as the interval fits into the steps, for each picture of the request."""
    spec = like(seeds=(1, 2), preview_interval=interval)
    previews = [event for event in await events(model, spec) if isinstance(event, PreviewMade)]
    images = [Image.open(io.BytesIO(preview.image)) for preview in previews]

    assert [(done, index) for done in range(interval, 7, interval) for index in (0, 1)] == [
        (preview.done, preview.index) for preview in previews
    ]
    assert all(len(preview.image) <= MOST_BYTES for preview in previews)
    assert {("WEBP", (64, 64))} >= {(image.format, image.size) for image in images}


@pytest.mark.parametrize("scheduler", SCHEDULERS)
async def test_a_picture_goes_on_from_every_step_and_ends_in_the_same_bits(
    model: DiffusersImage, scheduler: str
) -> None:
    """Cut after any step of base and refiner, the last state is the same byte for byte."""
    spec = like(steps=7, scheduler=scheduler, handover=0.6)
    base = await steps(model, spec)
    refined = await steps(model, spec, Part.REFINER, latents=base[-1].state)

    assert 7 == len(base) + len(refined)
    await cut_everywhere(model, spec, Part.BASE, base)
    await cut_everywhere(model, spec, Part.REFINER, refined)


async def cut_everywhere(model: DiffusersImage, spec: PictureSpec, part: Part, whole: list[Step]) -> None:
    """Go on from each state of a part and compare all that follows."""
    for index, step in enumerate(whole):
        assert "" == model.misfit(spec, part, step.state)
        assert whole[index + 1 :] == await steps(model, spec, part, state=step.state)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
async def test_a_picture_from_a_source_goes_on_too(model: DiffusersImage, scheduler: str) -> None:
    """The strength tells how many of the steps are done, and every cut ends in the same bits."""
    spec = like(scheduler=scheduler, source=png(80, 64), strength=0.7)
    whole = await steps(model, spec)

    assert 4 == len(whole)
    await cut_everywhere(model, spec, Part.BASE, whole)


async def test_a_source_may_be_refined_and_its_weakest_change_is_one_step(model: DiffusersImage) -> None:
    """Strength and hand-over go together; no strength leaves a model without a step."""
    spec = like(steps=10, source=png(), strength=0.5, handover=0.8)
    base = await steps(model, spec)
    refined = await steps(model, spec, Part.REFINER, latents=base[-1].state)
    faint = await steps(model, like(source=png(), strength=0.01))

    assert (3, 2, 1) == (len(base), len(refined), len(faint))
    assert 1 == len(await pixels(model, spec, refined[-1].state))


async def test_the_seed_decides_the_picture_wherever_it_lies(model: DiffusersImage) -> None:
    """Same seed, same bits; another seed, another picture; two pictures of a request are those of their seeds."""
    one, again, other = [await steps(model, like(seeds=(seed,))) for seed in (1, 1, 2)]
    both = await steps(model, like(seeds=(1, 2)))
    pictures = await pixels(model, like(seeds=(1, 2)), both[-1].state)

    assert one == again
    assert one[-1].state != other[-1].state
    assert (2, 0) == (both[-1].batch.size, both[-1].batch.slot)
    assert 2 == len(set(pictures))


async def test_requests_that_fit_share_a_batch(model: DiffusersImage) -> None:
    """Prompts and seeds may differ; other terms go apart. Each keeps its place and its count."""
    specs = [like(prompt="a blue house"), like(seeds=(3, 4)), like(guidance=3.0)]
    found = await asyncio.gather(*(steps(model, spec) for spec in specs))

    assert [(3, 0), (3, 1), (1, 0)] == [(whole[-1].batch.size, whole[-1].batch.slot) for whole in found]
    assert [6, 6, 6] == [len(whole) for whole in found]


async def test_only_who_is_expected_is_waited_for(model: DiffusersImage) -> None:
    """A request whose prompt was read comes any moment; without one, a request begins at once."""
    specs = [like(prompt="a blue house", steps=12), like(seeds=(3,), steps=12)]
    await asyncio.sleep(WAIT_SECONDS)  # whom other tests have let expect are late by now
    alone = await in_turn(model, specs)
    for spec in specs:
        await model.encode(spec)
    together = await in_turn(model, specs)

    assert [1, 1] == [whole[-1].batch.size for whole in alone]
    assert [2, 2] == [whole[-1].batch.size for whole in together]


async def in_turn(model: DiffusersImage, specs: Sequence[PictureSpec]) -> list[list[Step]]:
    """Denoise each, one beginning a moment after the other."""
    async with asyncio.TaskGroup() as tasks:
        painting = []
        for spec in specs:
            painting.append(tasks.create_task(steps(model, spec)))
            await asyncio.sleep(0.02)
    return [task.result() for task in painting]


async def test_who_leaves_a_batch_changes_nothing_for_the_others(model: DiffusersImage) -> None:
    """A batch of three keeps its shape when one is cancelled in the middle."""
    specs = [like(seeds=(seed,), steps=12) for seed in (1, 2, 3)]
    undisturbed = await asyncio.gather(*(steps(model, spec) for spec in specs))
    first, left, third = await asyncio.gather(
        steps(model, specs[0]), read(model.denoise(specs[1], Part.BASE), most=4), steps(model, specs[2])
    )

    assert (4, 3) == (len(left), undisturbed[0][-1].batch.size)
    assert undisturbed[0] == first
    assert undisturbed[2] == third


async def test_who_was_in_a_batch_goes_on_alone_to_the_same_bits(model: DiffusersImage) -> None:
    """A state from the middle of a batch is gone on with at its place in a batch of that size."""
    specs = [like(scheduler="euler-ancestral", seeds=seeds) for seeds in ((1,), (2, 3), (4,))]
    _, whole, _ = await asyncio.gather(*(steps(model, spec) for spec in specs))

    assert (4, 1) == (whole[-1].batch.size, whole[-1].batch.slot)
    for step in whole[:-1]:
        assert whole[step.done :] == await steps(model, specs[1], state=step.state)


async def test_a_batch_is_refined_together(model: DiffusersImage) -> None:
    """Latents of two requests meet in the refiner, whatever batches they come from."""
    specs = [like(handover=0.5, seeds=(seed,)) for seed in (1, 2)]
    bases = [await steps(model, spec) for spec in specs]
    refined = await asyncio.gather(
        *(steps(model, spec, Part.REFINER, latents=base[-1].state) for spec, base in zip(specs, bases, strict=True))
    )

    assert [(2, 0), (2, 1)] == [(whole[-1].batch.size, whole[-1].batch.slot) for whole in refined]


async def test_a_killed_picture_goes_on_from_its_last_state(model: DiffusersImage) -> None:
    """The request fails by name; from the last state that came, a fresh process ends in the same picture."""
    spec = like(steps=20, scheduler="unipc", seeds=(5, 6))
    whole = await steps(model, spec)
    seen: list[Step] = []
    with pytest.raises(ModelCrashed, match="signal 9"):
        await kill_after(model, spec, 4, seen)
    rest = await steps(model, spec, state=seen[-1].state)

    assert whole == [*seen, *rest]
    assert await pixels(model, spec, whole[-1].state) == await pixels(model, spec, rest[-1].state)


async def kill_after(model: DiffusersImage, spec: PictureSpec, count: int, seen: list[Step]) -> None:
    """Kill the model's process after so many steps, and read on."""
    async with aclosing(model.denoise(spec, Part.BASE)) as stream:
        async for event in stream:
            assert isinstance(event, Step)
            seen.append(event)
            if event.done == count:
                assert model.state.pid is not None
                os.kill(model.state.pid, signal.SIGKILL)


async def test_a_cancelled_picture_stops_at_once_and_leaves_the_model_warm(model: DiffusersImage) -> None:
    """A thousand steps would outlast the test; nothing of the picture is computed on, and nothing killed."""
    await model.card()
    pid = model.state.pid
    found = await read(model.denoise(like(steps=1000, width=256, height=256), Part.BASE), most=2)
    await model.encode(SPEC)

    assert [1, 2] == [event.done for event in found]
    assert pid == model.state.pid


async def test_a_task_that_is_cancelled_stops_its_picture(model: DiffusersImage) -> None:
    """The same where the task that reads is cancelled, before its batch begins and after."""
    await model.card()
    pid = model.state.pid
    for began in (False, True):
        stream = model.denoise(like(steps=1000, width=256, height=256), Part.BASE)
        if began:
            await anext(stream)
        task = asyncio.ensure_future(read(stream))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await model.encode(SPEC)

    assert pid == model.state.pid


@pytest.mark.parametrize("form", list(PictureFormat))
async def test_pictures_come_in_the_format_that_was_asked_for(model: DiffusersImage, form: PictureFormat) -> None:
    """What is sent is what it is called."""
    spec = like(width=96, height=64)
    whole = await steps(model, spec)
    (picture,) = await model.decode(spec, whole[-1].state, form)
    image = Image.open(io.BytesIO(picture))

    assert (form.media_type, (96, 64)) == (image.get_format_mimetype(), image.size)


async def test_a_state_that_does_not_fit_is_refused_with_the_reason(model: DiffusersImage) -> None:
    """Another spec, another part, no state: each has its words, and `denoise` says the same."""
    (state,) = [step.state for step in await steps(model, SPEC) if step.done == 3]

    assert "another request" in model.misfit(like(seeds=(8,)), Part.BASE, state)
    assert "not of the refiner" in model.misfit(SPEC, Part.REFINER, state)
    assert "cannot be read" in model.misfit(SPEC, Part.BASE, b"no state")
    assert "" == model.misfit(like(preview_interval=3), Part.BASE, state)
    with pytest.raises(InvalidRequest, match="another request"):
        await steps(model, like(guidance=2.0), state=state)


async def test_a_source_that_is_no_picture_fails_alone(model: DiffusersImage) -> None:
    """Who shares the batch with it is not harmed."""
    good, bad = like(source=png(), seeds=(1,)), like(source=b"no picture", seeds=(2,))
    found = await asyncio.gather(steps(model, good), steps(model, bad), return_exceptions=True)

    assert isinstance(found[1], InvalidRequest)
    assert isinstance(found[0], list)
    assert (6, 2) == (len(found[0]), found[0][-1].batch.size)


async def test_what_is_beyond_the_model_is_refused_by_name(model: DiffusersImage) -> None:
    """Bounds of the card are named; what only the scheduler knows, it says itself."""
    with pytest.raises(InvalidRequest, match="width must be a multiple of 8, and is 65"):
        await steps(model, like(width=65))
    with pytest.raises(InvalidRequest, match="The scheduler lcm cannot do this"):
        await steps(model, like(scheduler="lcm", steps=60))

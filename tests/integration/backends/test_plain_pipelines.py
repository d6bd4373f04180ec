"""Pipelines of families that Fabula knows only by their call: PixArt, with the older callback, and Flux."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from fabula.backends.diffusers_image import DiffusersImage
from fabula.backends.image import EncodedPrompt, Part, PictureSpec, PreviewMade, SchedulerCard, Step
from fabula.backends.painting.previews import MOST_BYTES
from fabula.errors import InvalidRequest
from tests.integration.backends.painting import events, like, new_model, pixels, png, read, steps
from tests.tiny_pipelines import TinyPipelines

# One child for each family serves the whole file: importing torch takes seconds.
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(240)]

PIXART = like(scheduler="dpm++2m")
FLUX = like(scheduler="flow-euler", negative_prompt="")
BOTH = pytest.mark.parametrize(("name", "spec"), [("pixart", PIXART), ("flux", FLUX)])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def models(tiny: TinyPipelines) -> AsyncIterator[dict[str, DiffusersImage]]:
    """Both, each loaded when it is first asked for anything."""
    models = {folder.name: new_model(folder, batch=4, batch_wait_seconds=0.2) for folder in (tiny.pixart, tiny.flux)}
    yield models
    for model in models.values():
        await model.close()


async def test_the_card_says_what_can_be_had_and_what_cannot(models: dict[str, DiffusersImage]) -> None:
    """Steps, guidance and size are those of the pipeline's call; nothing goes on in the middle."""
    pixart, flux = await models["pixart"].card(), await models["flux"].card()

    assert (20, 4.5, 256, 16, 299) == (
        pixart.default_steps,
        pixart.default_guidance,
        pixart.default_width,
        pixart.side_multiple,
        pixart.prompt_tokens,
    )
    assert (28, 3.5, 256, 16, 511) == (
        flux.default_steps,
        flux.default_guidance,
        flux.default_height,
        flux.side_multiple,
        flux.prompt_tokens,
    )
    assert ((SchedulerCard("dpm++2m", resumes=False),), "linear", False) == (
        pixart.schedulers,
        pixart.previews,
        pixart.takes_source,
    )
    assert ((SchedulerCard("flow-euler", resumes=False),), "", True) == (
        flux.schedulers,
        flux.previews,
        flux.takes_source,
    )
    assert ("", "") == (pixart.refiner, flux.refiner)


@BOTH
async def test_every_step_is_an_event_and_the_last_one_holds_the_pictures(
    models: dict[str, DiffusersImage], name: str, spec: PictureSpec
) -> None:
    """Two pictures of a request are painted in one call, in the size that was asked for."""
    whole = await steps(models[name], like(spec, seeds=(1, 2), width=96))
    pictures = await pixels(models[name], like(spec, seeds=(1, 2), width=96), whole[-1].state)

    assert [(done, 6) for done in range(1, 7)] == [(step.done, step.steps) for step in whole]
    assert {b""} == {step.state for step in whole[:-1]}
    assert (2, 0) == (whole[-1].batch.size, whole[-1].batch.slot)
    assert [96 * 64 * 3] * 2 == [len(picture) for picture in pictures]
    assert 2 == len(set(pictures))


@BOTH
async def test_a_picture_is_the_one_that_the_library_paints(
    models: dict[str, DiffusersImage], tiny: TinyPipelines, name: str, spec: PictureSpec
) -> None:
    """Its own call with the same words and the same seed; in another number of threads, hence within a shade."""
    whole = await steps(models[name], spec)
    (picture,) = await pixels(models[name], spec, whole[-1].state)
    stock = Image.open(tiny.root / f"{name}.png").tobytes()
    apart = np.abs(np.frombuffer(picture, np.uint8).astype(int) - np.frombuffer(stock, np.uint8).astype(int))

    assert 1 >= apart.max()


@BOTH
async def test_the_seed_decides_the_picture_also_after_a_cut(
    models: dict[str, DiffusersImage], name: str, spec: PictureSpec
) -> None:
    """A cancelled picture stops at its next step, leaves the model warm, and nothing of it is left in the scheduler."""
    model = models[name]
    whole = await steps(model, spec)
    pid = model.state.pid
    cut = await read(model.denoise(like(spec, steps=1000), Part.BASE), most=2)
    # A thousand steps would outlast the test.
    again, other = await steps(model, spec), await steps(model, like(spec, seeds=(8,)))

    assert [1, 2] == [event.done for event in cut]
    assert whole == again
    assert whole[-1].state != other[-1].state
    assert pid == model.state.pid


@BOTH
async def test_after_a_cut_one_begins_anew_and_is_told_why(
    models: dict[str, DiffusersImage], name: str, spec: PictureSpec
) -> None:
    """Nothing of the middle is given; what is given at the end needs no more denoising."""
    model = models[name]
    (first, *_, last) = await steps(model, spec)

    assert f"with the scheduler {spec.scheduler} this model cannot go on in the middle" == model.misfit(
        spec, Part.BASE, first.state
    )
    assert "" == model.misfit(spec, Part.BASE, last.state)
    assert [] == await steps(model, spec, state=last.state)
    assert "another request" in model.misfit(like(spec, seeds=(8,)), Part.BASE, last.state)


async def test_requests_are_painted_one_after_the_other(models: dict[str, DiffusersImage]) -> None:
    """They share no batch, whatever the setting, and each counts its own steps."""
    specs = [like(FLUX, seeds=(seed,)) for seed in (1, 2)]
    found = await asyncio.gather(*(steps(models["flux"], spec) for spec in specs))

    assert [(6, 1), (6, 1)] == [(len(whole), whole[-1].batch.size) for whole in found]
    assert found[0] == await steps(models["flux"], specs[0])


async def test_latents_that_are_little_pictures_are_shown(models: dict[str, DiffusersImage]) -> None:
    """PixArt's are those of SDXL's autoencoder; Flux folds its own, and shows nothing."""
    found = await events(models["pixart"], like(PIXART, preview_interval=2))
    previews = [event for event in found if isinstance(event, PreviewMade)]

    assert [2, 4, 6] == [preview.done for preview in previews]
    assert all(0 < len(preview.image) <= MOST_BYTES for preview in previews)
    assert all(isinstance(event, Step) for event in await events(models["flux"], like(FLUX, preview_interval=2)))


async def test_a_source_is_left_by_its_strength_where_the_family_can(models: dict[str, DiffusersImage]) -> None:
    """Flux paints from pictures; PixArt says that it does not."""
    spec = like(FLUX, source=png(80, 64), strength=0.5, seeds=(1, 2))
    whole = await steps(models["flux"], spec)

    assert 2 == len(set(await pixels(models["flux"], spec, whole[-1].state)))
    assert [(1, 3), (2, 3), (3, 3)] == [(step.done, step.steps) for step in whole]
    assert whole[-1].state != (await steps(models["flux"], like(spec, source=png(64, 64))))[-1].state
    with pytest.raises(InvalidRequest, match="source cannot be given to this model"):
        await steps(models["pixart"], like(PIXART, source=png()))
    with pytest.raises(InvalidRequest, match="The source is no picture"):
        await steps(models["flux"], like(spec, source=b"no picture"))


async def test_a_negative_prompt_is_heeded_or_refused(models: dict[str, DiffusersImage]) -> None:
    """Flux has no use for one beside its guidance: it is not passed over in silence, and the model stays."""
    with_it, without = [await steps(models["pixart"], like(PIXART, negative_prompt=words)) for words in ("sea", "")]
    await models["flux"].card()
    pid = models["flux"].state.pid
    for ask in (models["flux"].encode, lambda spec: steps(models["flux"], spec)):
        with pytest.raises(InvalidRequest, match="takes no negative prompt"):
            await ask(like(FLUX, negative_prompt="sea"))

    assert with_it[-1].state != without[-1].state
    assert pid == models["flux"].state.pid


async def test_the_prompt_is_counted_as_its_longest_reader_counts(models: dict[str, DiffusersImage]) -> None:
    """Both have T5 for that, which PixArt gives 300 places; the last of them marks the end."""
    assert EncodedPrompt(6, 299) == await models["pixart"].encode(PIXART)
    assert EncodedPrompt(6, 511) == await models["flux"].encode(FLUX)

    long = await models["pixart"].encode(like(PIXART, prompt="fox " * 299 + "sea"))

    assert (300, "sea") == (long.tokens, long.dropped.strip())

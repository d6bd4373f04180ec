"""Other models than SDXL with its refiner, and folders that hold none."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import resource
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fabula.backends.diffusers_image import DiffusersImage
from fabula.backends.image import Part, PreviewMade, Step
from fabula.backends.image_settings import ModelSource, PipelineSettings
from fabula.backends.painting.previews import MOST_BYTES
from fabula.errors import ModelOutOfMemory, ModelOutputInvalid, ModelUnavailable
from tests.integration.backends.loading_tries import tried
from tests.integration.backends.painting import events, like, new_model, pixels, png, source, steps
from tests.integration.backends.resuming_tries import ends_alike
from tests.tiny_pipelines import TinyPipelines

pytestmark = pytest.mark.timeout(240)


@asynccontextmanager
async def opened(folder: Path, refiner: Path | None = None, **more: Any) -> AsyncIterator[DiffusersImage]:
    """Open a model for one test."""
    model = new_model(folder, refiner, **more)
    try:
        yield model
    finally:
        await model.close()


async def test_stable_diffusion_paints_with_its_own_scheduler_and_shows_decoded_previews(tiny: TinyPipelines) -> None:
    """PNDM, which computes a step more than it is asked for, goes on from everywhere too, from noise and a source."""
    async with opened(tiny.sd, decoder=tiny.decoder) as model:
        card = await model.card()
        spec = like(scheduler="pndm", preview_interval=2)
        found = await events(model, spec)
        whole = [event for event in found if isinstance(event, Step)]
        previews = [event for event in found if isinstance(event, PreviewMade)]

        assert ("pndm", "decoder", 7.5) == (card.schedulers[0].name, card.previews, card.default_guidance)
        assert [2, 4, 6] == [preview.done for preview in previews]
        assert all(len(preview.image) <= MOST_BYTES for preview in previews)
        assert 7 == len(whole)
        assert 1 == len(await pixels(model, spec, whole[-1].state))
        for step in whole[:-1]:
            assert whole[step.done :] == await steps(model, spec, state=step.state)
        from_source = like(scheduler="pndm", source=png(), strength=0.5)
        half = await steps(model, from_source)
        assert half[2:] == await steps(model, from_source, state=half[1].state)


async def test_a_turbo_model_paints_in_few_steps_and_in_16_bits(tiny: TinyPipelines) -> None:
    """It is known by its scheduler; states and previews hold whatever numbers it computes with."""
    async with opened(tiny.turbo, dtype="bfloat16", vae_tiling=True, attention_slicing=True) as model:
        card = await model.card()
        spec = like(scheduler="euler-ancestral", steps=4, guidance=0.0, seeds=(1, 2), preview_interval=2)
        found = await events(model, spec)
        whole = [event for event in found if isinstance(event, Step)]

        assert (4, 0.0, "bfloat16") == (card.default_steps, card.default_guidance, card.dtype)
        assert 4 == len([event for event in found if isinstance(event, PreviewMade)])
        assert 2 == len(await pixels(model, spec, whole[-1].state))
        assert whole[2:] == await steps(model, spec, state=whole[1].state)


async def test_a_latent_consistency_model_takes_the_guidance_as_an_input(tiny: TinyPipelines) -> None:
    """Its default is much of it, in few steps, and another guidance gives another picture."""
    async with opened(tiny.lcm) as model:
        card = await model.card()
        spec = like(scheduler="lcm", steps=4, guidance=8.0)
        whole = await steps(model, spec)

        assert ("lcm", 4, 8.0) == (card.schedulers[0].name, card.default_steps, card.default_guidance)
        assert whole[3:] == await steps(model, spec, state=whole[2].state)
        assert whole[-1].state != (await steps(model, like(spec, guidance=4.0)))[-1].state


def test_schedulers_that_models_bring_along_resume_where_they_say_so(tiny: TinyPipelines) -> None:
    """From noise and from a source, cut at every step; each keeps its memory in another way."""
    names = ["DDPM", "DEISMultistep", "HeunDiscrete", "PNDM", "TCD"]

    assert dict.fromkeys((f"{name}Scheduler" for name in names), True) == ends_alike(
        tiny.sdxl, [f"{name}Scheduler" for name in names]
    )


async def test_under_a_scheduler_that_does_not_resume_only_the_last_state_is_given(
    tiny: TinyPipelines, tmp_path: Path
) -> None:
    """The card says so before anybody relies on it; previews come all the same."""
    folder = with_scheduler(tiny.sdxl, tmp_path / "dpm2", "KDPM2DiscreteScheduler")
    async with opened(folder) as model:
        card = await model.card()
        spec = like(scheduler="dpm2", preview_interval=4)
        found = await events(model, spec)
        whole = [event for event in found if isinstance(event, Step)]

        assert ("dpm2", False) == (card.schedulers[0].name, card.schedulers[0].resumes)
        assert {b""} == {step.state for step in whole[:-1]}
        assert any(isinstance(event, PreviewMade) for event in found)
        assert "" == model.misfit(spec, Part.BASE, whole[-1].state)
        assert 1 == len(await pixels(model, spec, whole[-1].state))


def with_scheduler(folder: Path, copy: Path, class_name: str) -> Path:
    """Copy a pipeline and give it another scheduler of its own."""
    shutil.copytree(folder, copy)
    index = json.loads((copy / "model_index.json").read_bytes())
    index["scheduler"] = ["diffusers", class_name]
    (copy / "model_index.json").write_text(json.dumps(index))
    path = copy / "scheduler" / "scheduler_config.json"
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "_class_name": class_name}))
    return copy


async def test_a_picture_that_is_not_a_number_is_an_error_and_the_model_stays(
    tiny: TinyPipelines, tmp_path: Path
) -> None:
    """Half broken weights paint black in other programs; here the step is named, and nothing is decoded."""
    folder = shutil.copytree(tiny.sdxl, tmp_path / "broken")
    spoil(folder / "unet" / "diffusion_pytorch_model.safetensors")
    async with opened(folder) as model:
        await model.card()
        pid = model.state.pid
        with pytest.raises(ModelOutputInvalid, match="After step 1 the picture is not a number any more"):
            await steps(model, like())

        await model.encode(like())
        assert pid == model.state.pid


def spoil(weights: Path) -> None:
    """Overwrite the last numbers of a file of weights with what is no number."""
    data = bytearray(weights.read_bytes())
    data[-4096:] = b"\xff" * 4096
    weights.write_bytes(bytes(data))


async def test_out_of_memory_fails_one_request_and_the_next_starts_afresh(tiny: TinyPipelines) -> None:
    """The process is given no more memory than it has: a large picture does not fit, and says so."""
    async with opened(tiny.sdxl) as model:
        await steps(model, like(steps=1))
        pid = model.state.pid
        assert pid is not None
        leave_no_more_memory(pid)
        with pytest.raises(ModelOutOfMemory, match="out of memory"):
            await steps(model, like(width=256, height=256, seeds=tuple(range(8))))

        assert 1 == len(await steps(model, like(steps=1)))
        assert pid != model.state.pid


def leave_no_more_memory(pid: int) -> None:
    """Let a process have a megabyte more than it has now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**20, resource.RLIM_INFINITY))


@pytest.fixture(scope="module")
def refusals(tiny: TinyPipelines, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Why each of many folders could not be loaded."""
    root = tmp_path_factory.mktemp("broken")
    empty = root / "empty"
    empty.mkdir()
    hub = ModelSource("fabula-tests/none", is_folder=False, revision=None, setting="FABULA_IMAGE_MODEL")
    good = PipelineSettings(source(tiny.sdxl), device="cpu")

    def base(folder: Path) -> PipelineSettings:
        return dataclasses.replace(good, base=source(folder))

    return tried(
        {
            "good": good,
            "missing": base(root / "missing"),
            "empty": base(empty),
            "pickle": base(pickled(tiny.sdxl, root / "pickle")),
            "truncated": base(truncated(tiny.sdxl, root / "truncated")),
            "without a part": base(without(tiny.sdxl, root / "without", "vae")),
            "another kind": base(renamed(tiny.sdxl, root / "kind", "FluxPipeline")),
            "unheard of": base(renamed(tiny.sdxl, root / "unheard of", "FuturePipeline")),
            "package": base(renamed(tiny.sdxl, root / "package", "OnnxStableDiffusionPipeline")),
            "video": base(renamed(tiny.sdxl, root / "video", "AnimateDiffPipeline")),
            "sound": base(renamed(tiny.sdxl, root / "sound", "AudioLDM2Pipeline")),
            "inpainting": base(renamed(tiny.sdxl, root / "inpainting", "FluxFillPipeline")),
            "upscaler": base(renamed(tiny.sdxl, root / "upscaler", "StableDiffusionUpscalePipeline")),
            "controlled": base(renamed(tiny.sdxl, root / "controlled", "StableDiffusionXLControlNetPipeline")),
            "half of two": base(renamed(tiny.sdxl, root / "half", "KandinskyV22Pipeline")),
            "no callback": base(renamed(tiny.sdxl, root / "no callback", "LongCatImagePipeline")),
            "code for a part": base(with_code(tiny.flux, root / "code", "transformer")),
            "code for all": base(with_code(tiny.flux, root / "whole", "_class_name")),
            "flux truncated": base(truncated(tiny.flux, root / "flux truncated", "transformer")),
            "flux pickled": base(pickled(tiny.flux, root / "flux pickled")),
            "refiner for flux": dataclasses.replace(good, base=source(tiny.flux), refiner=source(tiny.refiner)),
            "hub": dataclasses.replace(good, base=hub),
            "refiner of another family": dataclasses.replace(good, refiner=source(tiny.sd)),
            "decoder": dataclasses.replace(good, decoder=source(empty)),
            "offload": dataclasses.replace(good, offload="model"),
            "cuda": dataclasses.replace(good, device="cuda"),
        }
    )


def pickled(folder: Path, copy: Path) -> Path:
    """Copy a pipeline with its weights in the old format, which may hold code."""
    shutil.copytree(folder, copy)
    for file in copy.rglob("*.safetensors"):
        file.rename(file.with_name(file.name.replace(".safetensors", ".bin")))
    return copy


def truncated(folder: Path, copy: Path, network: str = "unet") -> Path:
    """Copy a pipeline whose download broke off."""
    shutil.copytree(folder, copy)
    file = copy / network / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    return copy


def without(folder: Path, copy: Path, part: str) -> Path:
    """Copy a pipeline that lacks a part."""
    shutil.copytree(folder, copy)
    shutil.rmtree(copy / part)
    return copy


def renamed(folder: Path, copy: Path, class_name: str) -> Path:
    """Copy a pipeline that says it is of another kind."""
    shutil.copytree(folder, copy)
    index = json.loads((copy / "model_index.json").read_bytes())
    (copy / "model_index.json").write_text(json.dumps({**index, "_class_name": class_name}))
    return copy


def with_code(folder: Path, copy: Path, entry: str) -> Path:
    """Copy a pipeline whose index names a class in a file beside it, as repositories with code of their own do."""
    renamed(folder, copy, "FluxPipeline")
    index = json.loads((copy / "model_index.json").read_bytes())
    (copy / "model_index.json").write_text(json.dumps({**index, entry: ["own_code", "OwnClass"]}))
    for place in (copy, copy / "transformer"):
        (place / "own_code.py").write_text('raise SystemExit("code of a model has been run")')
    return copy


def test_a_whole_pipeline_loads(refusals: dict[str, str]) -> None:
    """The other folders fail for their faults alone."""
    assert "" == refusals["good"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "missing; set FABULA_IMAGE_MODEL to one that holds a diffusers pipeline"),
        ("empty", "its model_index.json is missing or broken"),
        ("pickle", "its weights are not in safetensors"),
        ("truncated", "it is not complete"),
        ("without a part", "it is not complete"),
        ("another kind", "cannot be loaded: it is not complete"),
        ("unheard of", "is FuturePipeline, which diffusers"),
        ("package", "needs a package that is not installed: pip install onnx"),
        ("video", "is AnimateDiffPipeline, which is no text-to-image pipeline for Fabula: it makes videos"),
        ("sound", "it makes sound"),
        ("inpainting", "it works on a picture that is given to it"),
        ("upscaler", "it works on a picture that is given to it"),
        ("controlled", "it works on a picture that is given to it"),
        ("half of two", "it needs more than words: image_embeds, negative_image_embeds"),
        ("no callback", "it tells nobody of its steps"),
        ("code for a part", "brings code along for its part transformer, and code of models is never run"),
        ("code for all", "brings code along for its pipeline, and code of models is never run"),
        ("flux truncated", "it is not complete"),
        ("flux pickled", "its weights are not in safetensors"),
        ("refiner for flux", "both must be of the family Stable Diffusion XL"),
        ("hub", "hf download fabula-tests/none"),
        ("refiner of another family", "both must be of the family Stable Diffusion XL"),
        ("decoder", "cannot be loaded"),
        ("offload", "pip install accelerate"),
        ("cuda", "cannot be loaded ("),  # what follows depends on how torch was built
    ],
)
def test_what_cannot_be_loaded_says_what_to_do(refusals: dict[str, str], name: str, words: str) -> None:
    """Each is one sentence, and none is a crash."""
    assert refusals[name].startswith("MODEL_UNAVAILABLE: ")
    assert words in refusals[name]
    assert "\n" not in refusals[name]


async def test_a_model_that_is_not_here_fails_whoever_asks_it_for_anything(tmp_path: Path) -> None:
    """The card is what is asked for first."""
    async with opened(tmp_path / "nothing") as model:
        with pytest.raises(ModelUnavailable, match="there is no folder"):
            await model.card()
        with pytest.raises(ModelUnavailable, match="there is no folder"):
            await steps(model, like())


async def test_a_closed_model_says_so_to_who_waits_and_who_comes(tiny: TinyPipelines) -> None:
    """Nobody waits for ever."""
    async with opened(tiny.sdxl) as model:
        await model.card()
        waiting = [asyncio.ensure_future(steps(model, like(steps=900, guidance=float(g)))) for g in (2, 3)]
        while model.state.phase != "busy":  # noqa: ASYNC110 - another task changes it
            await asyncio.sleep(0.01)
        await model.close()
        for task in waiting:
            with pytest.raises(ModelUnavailable, match="closed"):
                await task
        with pytest.raises(ModelUnavailable, match="closed"):
            await steps(model, like())

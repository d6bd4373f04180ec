"""What generations of each kind go through: the stages of the real pipelines, with made-up outputs."""

from __future__ import annotations

from dataclasses import replace

from fabula.backends.image import Batch, EncodedPrompt
from fabula.engine.pipeline import Stage
from fabula.engine.ports import BlobInfo
from fabula.rpc.kinds import CHARACTER, IMAGE, STORY
from services.character.codec import CharacterCodec
from services.character.sheet import Avatar, AvatarState, History
from services.image import domain as picture
from services.image.codec import ImageCodec
from services.story.codec import StoryCodec
from services.story.domain import (
    Brief,
    Chapter,
    ChapterPlan,
    Draft,
    Finding,
    Order,
    Outline,
    Review,
    SourceRef,
    Story,
)
from tests.unit.character import samples
from tests.unit.gateway.dialects.scenes import Play, nothing

TITLE = "The Lamp"
AVATAR_ID = "image-00000000-0000-4000-8000-000000000002"
WRITER = ("Writer",)


def stage(name: str, *agents: str, weight: float = 1.0, units: int = 0, message: str = "") -> Stage:
    """Return a stage that goes on where it was interrupted, if it counts."""
    line = message or f"Doing {name}"
    return Stage(name, nothing, agents, weight=weight, message=line, units=units, continues=units > 0)


def story(chapters: int = 2, rejected: int = 0, *, source: bool = True, cast: bool = False) -> Play:
    """Return a story of some chapters, of which the critic rejects some drafts."""
    plans = tuple(ChapterPlan(n, f"Part {n}", "It happens.", 10) for n in range(1, chapters + 1))
    outline = Outline(TITLE, "Somebody looks.", "mystery", "A coast.", (), plans)
    written = tuple(Chapter(n, f"Part {n}", f"Raw text {n}.") for n in range(1, chapters + 1))
    edited = tuple(replace(chapter, text=f"Text {chapter.number}.") for chapter in written)
    plan = [stage("load_prompts")]
    plan += [stage("read_source")] if source else []
    plan += [stage("load_characters")] if cast else []
    plan += [stage("outline", "Planner", weight=20)]
    plan += [stage(f"write-{n}", *WRITER, weight=10, units=10) for n in range(1, chapters + 1)]
    outputs: dict[str, object] = {"outline": outline}
    outputs |= {f"write-{chapter.number}": chapter for chapter in written}
    reviews: list[Review] = []
    for turn in range(1, rejected + 2):
        plan += [stage(f"edit-{turn}", "Editor"), stage(f"review-{turn}", "Critic")]
        again = turn <= rejected
        reviews.append(Review(not again, (Finding("length", "It is short.", 1),) if again else ()))
        outputs |= {f"edit-{turn}": Draft(TITLE, edited), f"review-{turn}": reviews[-1]}
        if again:
            plan.append(stage(f"revise-{turn}", *WRITER, weight=10, units=10))
            outputs[f"revise-{turn}"] = Draft(TITLE, written)
    text = f"# {TITLE}\n\n" + "\n\n".join(f"## {c.number}. {c.title}\n\n{c.text}" for c in edited) + "\n"
    outputs["keep"] = Story(TITLE, text, 2 * chapters, outline, edited, tuple(reviews), "grammar/1", 7)
    reference = SourceRef("bottle.txt", "story/x/source", 9, "ab") if source else None
    brief = Brief(premise="a lamp", words=600, revisions=2, seed=7)
    return Play(STORY, StoryCodec(), Order(brief, reference), [*plan, stage("keep")], outputs)


def character(*, image: bool = True, avatar: bool = True) -> Play:
    """Return a character, with or without a picture of it to begin with, and one to end with."""
    plan = [stage(name) for name in ("upload_image", "analyse_image", "extract_description")] if image else []
    plan += [stage("generate_details"), stage("generate_history", weight=90, units=90), stage("create_character")]
    made = samples.character(1, avatar=Avatar(), history="Once.\n\nThen.")
    made = replace(made, id="character-00000000-0000-4000-8000-000000000001")
    outputs: dict[str, object] = {
        "analyse_image": samples.ANALYSIS,
        "extract_description": samples.LOOKS,
        "generate_details": samples.DETAILS,
        "generate_history": History(made.history),
        "create_character": made,
    }
    if avatar:
        plan.append(stage("queue_avatar"))
        outputs["queue_avatar"] = replace(made, avatar=Avatar(AvatarState.PENDING, AVATAR_ID))
    order = replace(samples.ORDER, picture=samples.PICTURE if image else None, generate_avatar=avatar)
    return Play(CHARACTER, CharacterCodec(), order, plan, outputs)


def image(base: int = 4, refiner: int = 1) -> Play:
    """Return a picture that both models paint, or one."""
    order = picture.Order("a lamp", steps=base + refiner, width=64, height=64, use_refinement=refiner > 0)
    latents = picture.Denoised("painter/1", base, Batch(1, 0), BlobInfo("x", 9, "a/b", "ab"), picture.Environment())
    made = picture.Picture(0, 7, 64, 64, BlobInfo("image/x/picture-0.png", 9, "image/png", "ab"))
    plan = [
        stage("encode_prompt", message="Reading the prompt"),
        replace(stage("base_model", weight=base, units=base, message="Painting"), units_after=refiner),
    ]
    outputs: dict[str, object] = {
        "encode_prompt": picture.Encoded(order, EncodedPrompt(2, 77)),
        "base_model": latents,
        "decode": picture.Pictures((made,)),
        "keep": picture.Image((made,), 7, "painter/1", "", base, refiner, "euler", 3.0),
    }
    if refiner:
        plan.append(
            replace(stage("refiner_model", weight=refiner, units=refiner, message="Refining"), units_before=base)
        )
        outputs["refiner_model"] = replace(latents, steps=refiner)
    return Play(IMAGE, ImageCodec(), order, [*plan, stage("decode"), stage("keep")], outputs)

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.events import LogLevel
from fabula.engine.pipeline import Stage
from fabula.engine.ports import Address, Blobs, GenerationId
from fabula.errors import ModelOutputInvalid
from services.story.domain import (
    Brief,
    Chapter,
    ChapterPlan,
    Character,
    Draft,
    Finding,
    Order,
    Outline,
    Review,
    SourceRef,
    Story,
)
from services.story.pipeline import StoryPipeline

BEGIN = ["load_prompts", "outline"]


def outline(chapters: int = 2) -> Outline:
    """Return an outline of chapters of 100, 200, … words."""
    plans = tuple(ChapterPlan(n, f"Part {n}", "Boats.", n * 100) for n in range(1, chapters + 1))
    return Outline("Boats", "", "", "", (), plans)


def rejected(*chapters: int) -> Review:
    """Return a review with a finding for each of these chapters."""
    return Review(accepted=False, findings=tuple(Finding("opinion", "mend it", chapter) for chapter in chapters))


ACCEPTED = Review(accepted=True)


def plan(outputs: Mapping[str, object], **brief: Any) -> list[Stage]:
    """Return the stages of a run that has put out this."""
    source = brief.pop("source", None)
    return list(StoryPipeline(Scribe()).plan(Order(Brief("Ann", **brief), source), outputs))


def names(outputs: Mapping[str, object], **brief: Any) -> list[str]:
    """Return the names of these stages."""
    return [stage.name for stage in plan(outputs, **brief)]


def test_before_the_outline_the_end_is_only_guessed() -> None:
    """One stage stands for the writing, with the words that are asked for."""
    assert [*BEGIN, "write-1", "keep"] == names({})
    assert (600, 600) == (plan({})[2].units, plan({})[2].weight)
    assert ["load_prompts", "read_source", *BEGIN[1:], "write-1", "keep"] == names({}, source=SourceRef("", "b", 1, ""))


def test_with_the_outline_every_chapter_is_a_stage() -> None:
    """Each weighs as many as it has words."""
    stages = plan({"load_prompts": None, "outline": outline()})

    assert [*BEGIN, "write-1", "write-2", "edit-1", "review-1", "keep"] == [stage.name for stage in stages]
    assert [(100, 100), (200, 200)] == [(stage.units, stage.weight) for stage in stages[2:4]]
    assert [(), ("Planner",), ("Writer",), ("Writer",), ("Editor",), ("Critic",), ()] == [one.agents for one in stages]


def test_what_the_author_cannot_mend_is_not_revised() -> None:
    """The finding stays in the result; another one beside it is worth a revision."""
    hopeless = Finding("language", "not in Danish", 1)
    begun = {"load_prompts": None, "outline": outline(1), "write-1": None, "edit-1": None}

    assert "revise-1" not in names({**begun, "review-1": Review(False, (hopeless,))})
    assert "revise-1" in names({**begun, "review-1": Review(False, (hopeless, Finding("opinion", "mend it", 1)))})


@pytest.mark.parametrize(
    ("reviews", "revisions", "expected"),
    [
        ([], 2, ["edit-1", "review-1"]),
        ([ACCEPTED], 2, ["edit-1", "review-1"]),
        ([rejected(1)], 2, ["edit-1", "review-1", "revise-1", "edit-2", "review-2"]),
        ([rejected(1), ACCEPTED], 2, ["edit-1", "review-1", "revise-1", "edit-2", "review-2"]),
        (
            [rejected(1), rejected(2)],
            2,
            ["edit-1", "review-1", "revise-1", "edit-2", "review-2", "revise-2", "edit-3", "review-3"],
        ),
        (
            [rejected(1), rejected(2), rejected(1)],
            2,
            ["edit-1", "review-1", "revise-1", "edit-2", "review-2", "revise-2", "edit-3", "review-3"],
        ),
        ([rejected(1)], 0, ["edit-1", "review-1"]),
        ([rejected(1), rejected(1)], 1, ["edit-1", "review-1", "revise-1", "edit-2", "review-2"]),
    ],
)
def test_reviews_decide_how_it_goes_on(reviews: list[Review], revisions: int, expected: list[str]) -> None:
    """A rejected draft is revised, formatted and reviewed again, so often as was asked for and no more."""
    outputs: dict[str, object] = {"outline": outline()}
    outputs |= {f"review-{turn}": review for turn, review in enumerate(reviews, start=1)}

    assert [*BEGIN, "write-1", "write-2", *expected, "keep"] == names(outputs, revisions=revisions)


@pytest.mark.parametrize(
    ("review", "words", "message"),
    [
        (rejected(1), 100, "Revising chapter 1"),
        (rejected(3, 1, 3), 400, "Revising chapters 1, 3"),
        (rejected(0), 300, "Revising chapter 3"),
        (rejected(0, 2), 200, "Revising chapter 2"),
        (rejected(99), 300, "Revising chapter 3"),
        (Review(accepted=False), 300, "Revising chapter 3"),
    ],
)
def test_the_chapters_that_are_named_are_revised(review: Review, words: int, message: str) -> None:
    """The last one, if what was found concerns the whole story."""
    stage = next(one for one in plan({"outline": outline(3), "review-1": review}) if one.name == "revise-1")

    assert (words, words, message) == (stage.units, stage.weight, stage.message)


@given(st.lists(st.sampled_from([ACCEPTED, rejected(1), rejected(0, 2)]), max_size=6), st.integers(0, 5), st.booleans())
def test_finished_stages_keep_their_place(reviews: list[Review], revisions: int, with_source: bool) -> None:
    """However a story goes, each plan begins with what was finished, and the same outputs give the same plan."""
    source = SourceRef("", "b", 1, "") if with_source else None
    outputs: dict[str, object] = {}
    left = list(reviews)
    for _ in range(40):
        stages = names(outputs, revisions=revisions, source=source)
        assert list(outputs) == stages[: len(outputs)]
        assert stages == names(dict(outputs), revisions=revisions, source=source)
        assert len(set(stages)) == len(stages)
        if len(outputs) == len(stages):
            break
        name = stages[len(outputs)]
        is_review = name.startswith("review-")
        outputs[name] = outline() if name == "outline" else (left.pop() if left else ACCEPTED) if is_review else None
    assert "keep" == list(outputs)[-1]
    assert sum(name.startswith("revise-") for name in outputs) <= revisions


@dataclass
class Desk:
    """Keeps what a stage does. Implements `StageContext`."""

    blobs: Blobs
    written: str = ""
    resumed: bool = False
    trace_id: str = ""
    cancelled: bool = False
    address: Address = field(default_factory=lambda: Address("story", "ann", GenerationId("story-1")))
    timings: Mapping[str, float] = field(default_factory=lambda: {"outline": 1.5})
    steps: list[int | None] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    restarts: list[str] = field(default_factory=list)

    def text(self, piece: str, *, step: int | None = None) -> None:
        """Take what is written."""
        self.written += piece
        self.steps.append(step)

    def advance(
        self, step: int | None = None, steps: int | None = None, message: str = "", *, each: bool = False
    ) -> None:
        """Take no notice."""

    def agents(self, *names: str) -> None:
        """Take no notice."""

    def preview(self, image: bytes, media_type: str, *, step: int = 0, index: int = 0) -> None:
        """Take no notice."""

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        """Take a line."""
        self.lines.append(message)

    def restart(self, reason: str) -> None:
        """Void what was written."""
        self.written = ""
        self.restarts.append(reason)


@dataclass
class Scribe:
    """An author who always writes the same, and cannot continue if so wanted. Implements `Author`."""

    pieces: tuple[str, ...] = ("Ann row", "ed. ", "Then she ", "counted.")
    fails_to_continue: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)
    name: str = "scribe"
    continues: bool = True
    cannot_mend: frozenset[str] = frozenset({"language"})

    def load(self) -> None:
        """Need nothing."""

    async def outline(self, brief: Brief) -> Outline:
        """Plan one chapter."""
        return outline(1)

    async def chapter(self, brief: Brief, outline: Outline, number: int, **more: Any) -> AsyncGenerator[str, None]:
        """Write."""
        self.calls.append({"number": number, "brief": brief, **more})
        written = more.get("written", "")
        if written and self.fails_to_continue:
            raise ModelOutputInvalid("cannot go on")
        for piece in self.pieces if not written else ["".join(self.pieces)[len(written) :]]:
            yield piece

    async def review(self, brief: Brief, outline: Outline, draft: Draft) -> Review:
        """Have no opinion."""
        return ACCEPTED


async def performed(scribe: Scribe, desk: Desk, stage: str, outputs: dict[str, object], **order: Any) -> Any:
    """Run one stage of a story."""
    brief = Brief("Ann", words=50, **order.pop("brief", {}))
    stages = StoryPipeline(scribe).plan(Order(brief, **order), outputs)
    return await next(one for one in stages if one.name == stage).run(desk, outputs)


@pytest.fixture
def desk() -> Desk:
    """A desk without blobs."""
    return Desk(blobs=None)  # type: ignore[arg-type]  # no source is read


async def test_a_chapter_is_written_as_it_comes(desk: Desk) -> None:
    """Piece by piece; words are counted in the text, not in the pieces."""
    chapter = await performed(Scribe(), desk, "write-1", {"outline": outline()})

    assert Chapter(1, "Part 1", "Ann rowed. Then she counted.") == chapter
    assert ("Ann rowed. Then she counted.", [2, 2, 4, 5]) == (desk.written, desk.steps)


async def test_a_chapter_goes_on_where_it_was_interrupted(desk: Desk) -> None:
    """What the log has is not written again."""
    desk.written = "Ann rowed. Th"
    scribe = Scribe()

    chapter = await performed(scribe, desk, "write-1", {"outline": outline()})

    assert "Ann rowed. Then she counted." == chapter.text == desk.written
    assert ["Ann rowed. Th"] == [call.get("written") for call in scribe.calls]


async def test_a_chapter_that_cannot_be_continued_begins_again(desk: Desk) -> None:
    """With the reason; what was written is void."""
    desk.written = "Ann rowed. Th"

    chapter = await performed(Scribe(fails_to_continue=True), desk, "write-1", {"outline": outline()})

    assert (["cannot go on"], "Ann rowed. Then she counted.") == (desk.restarts, chapter.text)


async def test_later_chapters_know_the_earlier_ones(desk: Desk) -> None:
    """In their order."""
    scribe, first = Scribe(), Chapter(1, "Part 1", "First.")

    await performed(scribe, desk, "write-2", {"outline": outline(), "write-1": first})

    assert (2, (first,)) == (scribe.calls[0]["number"], scribe.calls[0]["earlier"])


async def test_a_revision_writes_the_named_chapters_anew(desk: Desk) -> None:
    """With the notes that concern them, behind the chapters as they now are; the others stay."""
    draft = Draft("Boats", tuple(Chapter(n, f"Part {n}", f"Old {n}.") for n in (1, 2, 3)))
    findings = (Finding("length", "longer", 2), Finding("opinion", "brighter", 0), Finding("opinion", "other", 3))
    outputs: dict[str, object] = {"outline": outline(3), "edit-1": draft, "review-1": Review(False, findings)}
    scribe = Scribe()

    revised = await performed(scribe, desk, "revise-1", outputs)

    new = "Ann rowed. Then she counted."
    assert ["Old 1.", new, new] == [chapter.text for chapter in revised.chapters]
    assert [findings[:2], findings[1:]] == [call["notes"] for call in scribe.calls]
    assert [["Old 1."], ["Old 1.", new]] == [[c.text for c in call["earlier"]] for call in scribe.calls]
    assert {1} == {call["attempt"] for call in scribe.calls}
    assert f"{new}\n\n{new}" == desk.written


async def test_the_critic_measures_and_says_what_it_found(desk: Desk) -> None:
    """What can be measured counts, whatever the author thinks of it; every finding is a line for people."""
    draft = Draft("Boats", (Chapter(1, "Part 1", "Too short."),))

    review = await performed(
        Scribe(), desk, "review-1", {"outline": outline(1), "edit-1": draft}, brief={"characters": (Character("Zoe"),)}
    )

    assert not review.accepted
    assert ["length", "characters"] == [finding.check for finding in review.findings]
    unjudged, *lines = desk.lines
    assert [f"the Critic found: {finding.reason}" for finding in review.findings] == lines
    assert unjudged.endswith("whether the story follows its premise: the premise is not surely English")


async def test_the_result_holds_all_that_was_made(desk: Desk) -> None:
    """Text, words, outline, reviews, who wrote it, the seed and the times."""
    draft = Draft("Boats", (Chapter(1, "Part 1", "Ann rowed."),))
    plan_ = outline(1)
    outputs: dict[str, object] = {"outline": plan_, "edit-1": draft, "review-1": rejected(1)}
    outputs |= {"revise-1": draft, "edit-2": draft, "review-2": ACCEPTED}

    kept = await performed(Scribe(), desk, "keep", outputs, brief={"seed": 9})

    reviews, chapters = (rejected(1), ACCEPTED), draft.chapters
    timings = kept.timings
    assert Story("Boats", "# Boats\n\nAnn rowed.\n", 2, plan_, chapters, reviews, "scribe", 9, timings) == kept
    assert [("outline", 1.5)] == [(timing.stage, timing.seconds) for timing in timings]


async def test_an_outline_without_chapters_is_no_outline(desk: Desk) -> None:
    """It fails the stage, and may be tried again."""

    class Empty(Scribe):
        async def outline(self, brief: Brief) -> Outline:
            return outline(0)

    with pytest.raises(ModelOutputInvalid):
        await performed(Empty(), desk, "outline", {})

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.story.critic import check, unjudged
from services.story.domain import Brief, Chapter, ChapterPlan, Character, Draft, Finding, Outline
from services.story.markdown import count_words

SENTENCES = (
    "Ann came down to the harbour before the gulls were up.",
    "Nine boats lay there, and the smallest was green.",
    "She counted them once with her finger and once with her eyes.",
    "The tenth was missing, as it was every Thursday.",
    "“Where does it go?” she asked the old man who mended nets.",
    "He pointed at the fog with his needle and said nothing.",
)
TEXT = " ".join(SENTENCES)
WORDS = count_words(TEXT)
GERMAN = (
    "Anna ging am Morgen zum Hafen, und die Boote lagen still im Wasser. Sie zählte sie mit dem Finger und mit den "
    "Augen. Das zehnte war nicht da, und der alte Mann sah in den Nebel und sagte nichts zu ihr."
)
FRENCH = (
    "Anne descendit au port avant les mouettes. Les bateaux étaient dans la brume, et elle les compta une fois avec "
    "le doigt. Le dixième n'était pas là, et le vieil homme ne dit rien pour elle."
)
RUSSIAN = (
    "Рано утром девочка пришла в гавань. Она пересчитала лодки пальцем и глазами. Старик сказал Анне, что десятой "
    "лодки нет, и показал иглой в туман, где ничего не было видно."
)
CHINESE = (
    "清晨，小安来到港口。她用手指数了一遍船，又用眼睛数了一遍。"
    "第十条船不见了，每个星期四都是这样。老人指着雾，什么也没说。"
)
JAPANESE = (
    "朝早く、花子は港へ来ました。船を指で数え、それから目で数えました。"
    "十番目の船はありません。老人は霧を指さして、何も言いませんでした。"
)


def judged(text: str = TEXT, *more: str, **brief: Any) -> list[tuple[str, int]]:
    """Return the checks that find something in a story of these chapters, with the chapters."""
    return [(finding.check, finding.chapter) for finding in found(text, *more, **brief)]


def found(*texts: str, mentions: tuple[str, ...] = (), **brief: Any) -> tuple[Finding, ...]:
    """Return what is found in a story of these chapters, asked for at the length it has unless said otherwise."""
    wanted = replace(Brief("Boats.", words=WORDS * len(texts)), **brief)
    share = wanted.words // len(texts)
    plans = tuple(ChapterPlan(n, f"Part {n}", "Boats.", share, mentions) for n in range(1, len(texts) + 1))
    outline = Outline("Boats", "Ann counts.", "sea story", "a harbour", (), plans)
    draft = Draft("Boats", tuple(Chapter(n, "", text) for n, text in enumerate(texts, start=1)))
    return check(wanted, outline, draft)


def test_a_good_draft_has_no_findings() -> None:
    """Nothing is found where nothing is wrong."""
    assert [] == judged(mentions=("Ann", "boats"), characters=(Character("Ann"),))


@pytest.mark.parametrize(
    ("wanted", "findings"),
    [
        (WORDS, []),
        (int(WORDS / 0.6), []),
        (int(WORDS / 0.6) + 1, ["length"]),
        (int(WORDS / 1.6) + 1, []),
        (int(WORDS / 1.6) - 1, ["length"]),
    ],
)
def test_the_length_may_be_off_by_so_much(wanted: int, findings: list[str]) -> None:
    """From six tenths to sixteen tenths of what was asked for."""
    assert findings == [name for name, _ in judged(words=wanted)]


def test_the_chapter_that_is_furthest_off_is_named() -> None:
    """So that it is revised, and not its neighbours."""
    other = TEXT.replace("boat", "ship").replace("Ann", "Ben")
    assert ("length", 2) in judged(TEXT, "Short.", other, words=400)
    assert ("length", 1) in judged(TEXT, "Short.", words=30)


@pytest.mark.parametrize(
    ("language", "text"),
    [("en", TEXT), ("de", GERMAN), ("fr", FRENCH), ("ru", RUSSIAN), ("zh", CHINESE), ("ja", JAPANESE), ("en-GB", TEXT)],
)
def test_a_text_in_the_language_asked_for_is_accepted(language: str, text: str) -> None:
    """By its script, or by its everyday words."""
    assert [] == judged(text, language=language, words=count_words(text))


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", TEXT),
        ("en", GERMAN),
        ("fr", RUSSIAN),
        ("en", "Анна считала лодки."),
        ("ru", TEXT),
        ("zh", TEXT),
        ("ja", RUSSIAN),
        ("en", FRENCH),
    ],
)
def test_a_text_in_another_language_is_noticed(language: str, text: str) -> None:
    """The finding names the chapter and the language."""
    assert ("language", 1) in judged(text, language=language)


def test_a_language_that_cannot_be_told_is_believed() -> None:
    """Better no finding than a wrong one."""
    assert "language" not in [name for name, _ in judged(language="eo")]
    assert "language" not in [name for name, _ in judged("Anna zählte.", language="en")]  # too short to tell


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("Ann", TEXT, "en"),
        ("ann", TEXT, "en"),
        ("Ann Lee", TEXT, "en"),
        ("Captain Ann", "The captain's boat was green.", "en"),
        ("Li", "Li counted.", "en"),
        ("Anna", GERMAN, "de"),
        ("Anna", "Das war Annas Boot.", "de"),
        ("Анна", RUSSIAN, "ru"),
        ("Anna", "Dał Annie łódkę.", "pl"),
        ("小安", CHINESE, "zh"),
        ("花子", JAPANESE, "ja"),
        ("지수", "지수는 배를 셌다.", "ko"),
    ],
)
def test_a_character_occurs_by_name_in_the_forms_its_language_has(name: str, text: str, language: str) -> None:
    """In full, by a part of it, with endings, and between other letters where words are not parted."""
    assert "characters" not in [one for one, _ in judged(text, language=language, characters=(Character(name),))]


@pytest.mark.parametrize(
    ("name", "text", "language"),
    [
        ("Zoe", TEXT, "en"),
        ("Ann", "Annoyed, the man counted his boats.", "en"),
        ("The Fox", TEXT, "en"),
        ("Li", "Little by little it rained.", "en"),
        ("Борис", RUSSIAN, "ru"),
        ("小明", CHINESE, "zh"),
    ],
)
def test_a_character_who_does_not_occur_is_missed(name: str, text: str, language: str) -> None:
    """Neither everyday words of the name nor other words that begin like it will do."""
    findings = found(text, language=language, characters=(Character(name),))

    assert [f"{name} was asked for and does not occur"] == [one.reason for one in findings if one.check == "characters"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (TEXT + " the green boat went out into the fog again" * 3, "en"),
        (TEXT + " The green boat went out, into the fog again." * 3, "en"),
        (CHINESE + "绿色的小船又一次驶进了浓浓的雾里去。" * 3, "zh"),
    ],
)
def test_a_loop_is_noticed(text: str, language: str) -> None:
    """The same words again and again, whatever stands between the sentences."""
    assert ("repetition", 1) in judged(text, language=language, words=80)


def test_a_sentence_of_an_earlier_chapter_is_noticed() -> None:
    """Each chapter tells something of its own; the later one is to be mended."""
    again = f"Ben had other plans. {SENTENCES[2]} He did not count at all that day, nor the next."

    assert ("repetition", 2) in judged(TEXT, again, words=80)
    assert ("repetition", 2) in judged(CHINESE, CHINESE, language="zh", words=100)


def test_a_refrain_is_no_loop() -> None:
    """Short sentences may come again."""
    assert [] == judged(f"{TEXT} Nine boats. Nine boats. Nine boats.")


def test_what_the_outline_puts_in_a_chapter_must_be_there() -> None:
    """More than half of it missing is a finding that says what."""
    findings = found(TEXT, mentions=("Ann", "dragon", "castle"))

    assert [("outline", 1)] == [(one.check, one.chapter) for one in findings]
    assert findings[0].reason.endswith("dragon, castle")
    assert [] == judged(mentions=("Ann", "dragon"))


def test_a_chapter_that_was_not_written_is_noticed() -> None:
    """An empty one is as bad as none."""
    assert ("outline", 2) in judged(TEXT, " \n ")


PREMISE = "Ann counts the green boats of the harbour with an old man who mends nets."


def test_a_story_that_leaves_out_its_premise_is_told_so() -> None:
    """The user's own words are looked for, in whatever form, and the missing ones named."""
    assert [] == judged(premise=PREMISE)

    findings = found(TEXT, premise="A dentist hides a snow globe in the post office.")

    assert [("outline", 0)] == [(one.check, one.chapter) for one in findings]
    assert findings[0].reason.endswith("dentist, snow, globe, post, office")


def test_what_an_author_put_into_its_outline_does_not_excuse_it() -> None:
    """Names that the story surely has do not make up for the premise's."""
    assert ["outline"] == [name for name, _ in judged(premise="The tomatoes of the widow", mentions=("Ann", "boats"))]


def test_one_word_in_six_of_a_premise_may_be_missing() -> None:
    """A longer premise may be told in other words; of a short one nothing may be missing."""
    assert [] == judged(premise=PREMISE + " There is a pelican.")
    assert ["outline"] == [name for name, _ in judged(premise="Ann counts boats with a pelican.")]


@pytest.mark.parametrize(
    ("brief", "reason"),
    [
        (Brief("Ein Mädchen zählt Boote im Hafen."), "not surely English"),
        (Brief("Pelikan"), "not surely English"),
        (Brief("An old man mends nets.", language="de"), "written in de"),
        (Brief("Go on with this in the old style.", source="Ann came down."), "source text"),
        (Brief("", source="Ann came down."), "no premise"),
        (Brief("What is it that they want?"), "names nothing"),
    ],
)
def test_a_premise_that_cannot_be_judged_is_not(brief: Brief, reason: str) -> None:
    """No false alarm: other languages and instructions beside a source are left alone, and it is said why."""
    draft = Draft("", (Chapter(1, "", TEXT),))
    outline = Outline("", "", "", "", (), (ChapterPlan(1, "", "", WORDS),))

    assert reason in unjudged(brief)
    assert [] == [one for one in check(brief, outline, draft) if one.check == "outline"]

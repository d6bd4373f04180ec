"""The Critic's measurable checks: length, language, named characters, repetition, outline, premise. Pure.

What can be measured is measured here, for every author; an author's own opinion comes on top.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from services.story.domain import Brief, Draft, Finding, Outline
from services.story.keywords import is_english, missing_words, subject_words, tolerated
from services.story.markdown import count_words, words_of

SHORTEST_SHARE = 0.6
LONGEST_SHARE = 1.6
"""A story may have this part of the words it was asked for, at least and at most."""

LOOP_WORDS = 8
"""As many words in a row, repeated, are no coincidence; twice as many where each character counts as a word."""

LOOP_TIMES = 3
"""So often repeated, they are a loop."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|(?<=[。！？])")
_IDEOGRAPHIC = frozenset({"zh", "ja"})
_UNSPACED = _IDEOGRAPHIC | {"th", "lo", "km", "my"}
"""Languages that do not part their words: a name may stand between any letters."""
_UNCOUNTED = _UNSPACED - _IDEOGRAPHIC
"""Of these, the ones whose words cannot be counted without a dictionary."""
_VOWELS = "aeiouyáéíóúаеёиоуыэюя"
_SCRIPTS = {
    "ru": r"[\u0400-\u04ff]",
    "uk": r"[\u0400-\u04ff]",
    "bg": r"[\u0400-\u04ff]",
    "el": r"[\u0370-\u03ff]",
    "he": r"[\u0590-\u05ff]",
    "ar": r"[\u0600-\u06ff]",
    "hi": r"[\u0900-\u097f]",
    "th": r"[\u0e00-\u0e7f]",
    "ko": r"[\uac00-\ud7af]",
    "ja": r"[\u3040-\u30ff\u4e00-\u9fff]",
    "zh": r"[\u4e00-\u9fff]",
}
_COMMON_WORDS = {
    "en": "the and of to a in was he she it that his her with for had they",
    "de": "der die das und in den von zu mit sie er es war nicht ein eine sich",
    "fr": "le la les de et un une dans il elle que des était pas pour qui avec",
    "es": "el la los las de y que en un una por con su se no era para",
    "it": "il la di e che un una in per con non era si del gli le al",
    "pt": "o a os as de e que um uma em para com não era se do da",
    "nl": "de het een en van in dat ze hij was niet met op zijn haar te",
    "pl": "i w nie na się z do to że jak był była jego ale po",
    "sv": "och att det i en som han hon var inte på med för den av",
}
_LEAST_COMMON_SHARE = 0.08
_LATIN = re.compile(r"[a-z\u00df-\u024f\u1e00-\u1eff]")


def check(brief: Brief, outline: Outline, draft: Draft) -> tuple[Finding, ...]:
    """Return what is wrong with a draft; nothing, if it may be kept."""
    checks = (_length, _language, _characters, _repetition, _outline, _premise)
    return tuple(finding for one in checks for finding in one(brief, outline, draft))


def _length(brief: Brief, outline: Outline, draft: Draft) -> Iterator[Finding]:
    words = sum(count_words(chapter.text) for chapter in draft.chapters)
    if _base(brief) in _UNCOUNTED:
        return
    if words < brief.words * SHORTEST_SHARE:
        shortest = min(draft.chapters, key=lambda c: count_words(c.text) / max(1, _wanted(outline, c.number)))
        reason = f"the story has {words} words of the {brief.words} asked for; chapter {shortest.number} is too short"
        yield Finding("length", reason, shortest.number)
    elif words > brief.words * LONGEST_SHARE:
        longest = max(draft.chapters, key=lambda c: count_words(c.text) / max(1, _wanted(outline, c.number)))
        reason = f"the story has {words} words where {brief.words} were asked for; chapter {longest.number} is too long"
        yield Finding("length", reason, longest.number)


def _base(brief: Brief) -> str:
    """Return the language without its country and script."""
    return brief.language.partition("-")[0].lower()


def _wanted(outline: Outline, number: int) -> int:
    return next((plan.words for plan in outline.chapters if plan.number == number), 1)


def _language(brief: Brief, _outline: Outline, draft: Draft) -> Iterator[Finding]:
    language = _base(brief)
    for chapter in draft.chapters:
        if chapter.text and not _reads_like(language, chapter.text):
            yield Finding("language", f"chapter {chapter.number} is not written in {brief.language}", chapter.number)


def _reads_like(language: str, text: str) -> bool:
    """Whether a text may be in a language; languages that cannot be told from here are believed."""
    if language in _SCRIPTS:
        letters = sum(character.isalpha() for character in text)
        return len(re.findall(_SCRIPTS[language], text)) > letters * 0.3
    if language not in _COMMON_WORDS:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    if sum(bool(_LATIN.match(word)) for word in words) < len(words) / 2:
        return False
    common = set(_COMMON_WORDS[language].split())
    return len(words) < 30 or sum(word in common for word in words) > len(words) * _LEAST_COMMON_SHARE


def _characters(brief: Brief, _outline: Outline, draft: Draft) -> Iterator[Finding]:
    text = "\n".join(chapter.text for chapter in draft.chapters)
    for character in brief.characters:
        if not _mentions(text, character.name, _base(brief)):
            yield Finding("characters", f"{character.name} was asked for and does not occur")


def _mentions(text: str, name: str, language: str) -> bool:
    """Whether a name occurs, in full or by one of its parts ("Captain Mira Holt" as "Mira")."""
    if language in _UNSPACED:
        return name.lower() in text.lower()
    everyday = {*_COMMON_WORDS["en"].split(), *_COMMON_WORDS.get(language, "").split()}
    parts = [part for part in words_of(name) if len(part) > 2 and part.lower() not in everyday]
    wanted = "|".join(_inflected(part, language) for part in (name, *parts))
    return re.search(rf"(?<!\w)(?:{wanted})(?!\w)", text, re.IGNORECASE) is not None


def _inflected(name: str, language: str) -> str:
    """Return a pattern of the name with the endings it takes in other languages than English (Анна, Анной)."""
    if language == "en":
        return re.escape(name)
    stem = name[:-1] if len(name) > 3 and name[-1].lower() in _VOWELS else name
    return rf"{re.escape(stem)}\w{{0,4}}"


def _repetition(brief: Brief, _outline: Outline, draft: Draft) -> Iterator[Finding]:
    size = LOOP_WORDS * 2 if _base(brief) in _IDEOGRAPHIC else LOOP_WORDS
    seen: dict[str, int] = {}
    for chapter in draft.chapters:
        if loop := _loop(chapter.text, size):
            yield Finding("repetition", f"chapter {chapter.number} repeats “{loop}” again and again", chapter.number)
        for sentence in _sentences(chapter.text, size):
            if seen.setdefault(sentence, chapter.number) != chapter.number:
                reason = f"chapter {chapter.number} repeats a sentence of chapter {seen[sentence]}: “{sentence[:80]}”"
                yield Finding("repetition", reason, chapter.number)
                break


def _loop(text: str, size: int) -> str:
    words = words_of(text.lower())
    runs = Counter(" ".join(words[i : i + size]) for i in range(len(words) - size + 1))
    run, times = max(runs.items(), key=lambda item: item[1], default=("", 0))
    return run if times >= LOOP_TIMES else ""


def _sentences(text: str, size: int) -> Iterator[str]:
    """Yield the sentences that are long enough to be somebody's own."""
    for paragraph in text.split("\n\n"):
        for sentence in _SENTENCE_END.split(paragraph):
            if count_words(sentence) >= size:
                yield " ".join(sentence.split())


def _outline(brief: Brief, outline: Outline, draft: Draft) -> Iterator[Finding]:
    written = {chapter.number: chapter.text for chapter in draft.chapters}
    for plan in outline.chapters:
        text = written.get(plan.number, "")
        if not text.strip():
            yield Finding("outline", f"chapter {plan.number} of the outline was not written", plan.number)
            continue
        missing = [name for name in plan.mentions if not _mentions(text, name, _base(brief))]
        if len(missing) > len(plan.mentions) / 2:
            reason = f"chapter {plan.number} leaves out what the outline puts in it: {', '.join(missing)}"
            yield Finding("outline", reason, plan.number)


def unjudged(brief: Brief) -> str:
    """Return why it is not checked that the story speaks of what its premise names; "" if it is."""
    if not brief.premise.strip():
        return "there is no premise"
    if brief.source.strip():
        return "beside a source text a premise may be an instruction"
    if _base(brief) != "en":
        return f"the story is written in {brief.language}"
    if not is_english(brief.premise):
        return "the premise is not surely English"
    return "" if subject_words(brief.premise) else "the premise names nothing"


def _premise(brief: Brief, _outline: Outline, draft: Draft) -> Iterator[Finding]:
    """Judge by the user's own words, not by those that an author put into its outline."""
    if unjudged(brief):
        return
    missing = missing_words(brief.premise, "\n".join(chapter.text for chapter in draft.chapters))
    if len(missing) > tolerated(len(subject_words(brief.premise))):
        yield Finding("outline", f"the story does not mention what the premise names: {', '.join(missing)}")

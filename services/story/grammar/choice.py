"""Chooses genre, tone and plot: what the request asks for, else what its words suggest. Pure."""

from __future__ import annotations

import re
from random import Random

from services.story.domain import Brief
from services.story.grammar.entries import Genre, Lexicon, Plot, Tone
from services.story.grammar.folk import Request
from services.story.grammar.objects import is_bulky, is_made
from services.story.grammar.premise import Facts
from services.story.grammar.tokens import Noun
from services.story.grammar.vocabulary import vocabulary

_ABOUT = 3  # what makes a premise be about a plot
_SEEKING = frozenset({"find", "seek", "search", "recover", "locate", "look", "track", "retrieve", "learn", "solve"})
_STANDING = frozenset({"longing", "undertaking", "transformation"})  # plots whose thing nobody carries
_OBJECT_PLOTS = frozenset({"heist", "quest"})  # plots about having a thing


def words_of(text: str) -> set[str]:
    """Return the words of a text in lower case."""
    return set(re.findall(r"[a-z]+", text.lower()))


def choose_genre(request: Request, data: Lexicon, random: Random) -> Genre:
    """Choose the genre that is asked for, else the one the premise's words hint at, else one that suits anybody."""
    brief, facts, folk = request.brief, request.facts, request.folk
    asked = words_of(brief.genre)
    young = any(one.young for one in folk[:2])  # of whom nobody tells a romance
    genres = {key: genre for key, genre in data.genres.items() if key != "romance" or not young}
    named = [(len(asked & genre.aliases), key) for key, genre in genres.items() if asked & genre.aliases]
    if named:
        return data.genres[max(named, key=lambda item: (item[0], item[1]))[1]]
    words = facts.words | words_of(brief.instructions) | words_of(brief.tone)
    scores = {
        key: len(words & genre.hints) + 2 * len(words_of(brief.instructions) & genre.aliases)
        for key, genre in genres.items()
    }
    best = max(scores.values())
    if best:
        return data.genres[random.choice(sorted(key for key, score in scores.items() if score == best))]
    if (folk and folk[0].kind != "person") or "child" in brief.audience.lower():
        return data.genres["fairytale"]
    return data.genres[random.choice(("adventure", "fairytale", "sliceoflife", "fantasy"))]


def choose_tone(brief: Brief, genre: Genre, data: Lexicon) -> Tone:
    """Choose the tone that is asked for, else the genre's own; children get a gentle one unless they asked."""
    asked = words_of(brief.tone) or (
        words_of(brief.instructions) & {"funny", "dark", "tense", "warm", "wistful", "sad", "quiet"}
    )
    for key in sorted(data.tones):
        if asked & data.tones[key].aliases:
            return data.tones[key]
    if is_for_children(brief) and genre.tone in {"dark", "tense"}:
        return data.tones["warm"]
    return data.tones[genre.tone]


def is_for_children(brief: Brief) -> bool:
    """Tell whether the story is to be gentle."""
    return bool(re.search(r"child|kid|toddler|bedtime|young|famil|\b[3-9]\b|preschool|nursery", brief.audience.lower()))


def choose_plot(request: Request, genre: Genre, data: Lexicon, random: Random) -> Plot:
    """Choose the plot that the premise's verbs ask for, or one the genre likes."""
    facts, folk = request.facts, request.folk
    goal = facts.want.split()[:1]
    scores = {key: _score(facts, plot) + (key in genre.plots) for key, plot in data.plots.items()}
    if goal and goal[0] in _SEEKING:  # who must find a thing does not have it yet
        scores["mystery"] += _ABOUT + 2
        scores["found"] = 0
    if folk and folk[0].kind != "person":
        scores = {key: score for key, score in scores.items() if key not in {"visitor", "mystery"}}
    if any(one.young for one in folk[:2]):
        scores.pop("courtship", None)
    held = any(noun.held and not is_bulky(noun, vocabulary()) for noun in facts.things)
    if not held:
        scores = {key: score for key, score in scores.items() if key not in _OBJECT_PLOTS or score > _ABOUT}
        scores.pop("found", None)
    if max(scores.values()) < _ABOUT:  # no plot knows the premise's verbs
        scores["longing"] = scores.get("longing", 0) + _ABOUT * bool(facts.want)
    best = max(scores.values())
    if best >= _ABOUT:
        return data.plots[random.choice(sorted(key for key, score in scores.items() if score == best))]
    usual = [key for key in genre.plots if key in scores] or sorted(scores)
    begun = ["undertaking"] if facts.deed and not facts.want else []
    return data.plots[random.choice(usual + begun)]


def _score(facts: Facts, plot: Plot) -> int:
    """Count what speaks for a plot: the main clause's verbs most, nouns less, all other verbs least."""
    small = vocabulary().function
    main = (facts.main | set(facts.want.split()[:1])) & plot.verbs
    nouns = (facts.words & plot.verbs) - facts.verbs - vocabulary().adjectives - small - vocabulary().past_forms.keys()
    around = ((facts.verbs | facts.words) & plot.verbs) - main - nouns - small
    return (_ABOUT + 1) * len(main) + _ABOUT * len(nouns) + min(_ABOUT - 1, len(around))


def solid_thing(facts: Facts, plot: Plot) -> Noun | None:
    """Return the first thing that a plot can turn on: what can be held, or what stands still in a plot of staying."""
    known = vocabulary()
    held = [noun for noun in facts.things if noun.held]
    small = [noun for noun in held if not is_bulky(noun, known)]
    if small or plot.key not in _STANDING:
        return small[0] if small else None
    told = not facts.main and not facts.beings  # "the piano": there is nothing else to speak of
    return next((noun for noun in held if plot.key == "undertaking" or told or is_made(noun)), None)

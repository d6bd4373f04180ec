"""Reads a description: who it is about, and everything that it states of them. Pure.

It goes by the order and kind of words, not by meaning. From a text in another language it takes no more than the
names that it is sure of.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from services.character.grammar.adjectives import people_of
from services.character.grammar.ages import died_at, find_age, years_passed
from services.character.grammar.cleaning import is_foreign, is_spoken, normal, third_person, without_request
from services.character.grammar.facts import Facts
from services.character.grammar.fields import read_fields
from services.character.grammar.lists import listed_in
from services.character.grammar.naming import Name, find_name, first_names, people_named
from services.character.grammar.species import kinds
from services.character.grammar.statements import read_sentence, sentences_of
from services.character.grammar.trades import trade_of
from services.character.grammar.words import people, small

_SPEC = re.compile(
    r"\(?\b(?:(?:uses?|using|pronouns:?)\s+)?(she|he|they|it|xe|ze)\s*/\s*(?:her|him|his|them|they|she|"
    r"he|its?|hers|theirs|xem|zir|her/hers|him/his)(?:\s*/\s*\w+)?(?:\s+pronouns)?\b\)?",
    re.IGNORECASE,
)


_NICK = re.compile(
    r"[,;]?\s*(?:\b(?:but|and|though)\s+)?\b(?:(?:(?:his|her|their|its|most|all|close|old|the|all his|all her)\s+)?"
    r"(?:friends|family|everyone|everybody|people|crew|mates|colleagues|neighbours|children)\s+(?:just |only |simply )?"
    r"call(?:s|ed)?\s+(?:him|her|them|it)|(?:better )?known as|goes by|nicknamed|a\.?k\.?a\.?)\s+"
    r"(?P<nick>[A-Z][\w'-]*(?: [A-Z][\w'-]*)?)(?=\s*(?:$|[,.;:!?)\n]|and\b|but\b|who\b|because\b))"
)


_CALLED = re.compile(r"\s*\bcalled\s+(?P<nick>(?!an?\b|the\b)[A-Za-z][\w'-]*)(?=\s*[,.;:(])")


_NONE = re.compile(
    r"\b(?:genderless|sexless|(?:has|have|of|with) no (?:gender|sex)|without (?:a )?(?:gender|sex))\b", re.IGNORECASE
)


_NB = re.compile(
    r"\b(?:non[- ]?binary|enby|gender[- ]?(?:fluid|queer)|agender|bigender|neither (?:a )?(?:man|male|"
    r"boy|girl|woman|female) nor)\b|\bnb\b",
    re.IGNORECASE,
)


_PRESENTING = re.compile(
    r"\b(?:presents as |presenting as )?(?:fe)?male[- ]presenting\b|\bpresent(?:s|ing) as (?:fe)?male\b", re.IGNORECASE
)


_BEFORE_NOUN = re.compile(
    r"\b(?:non[- ]?binary|gender[- ]?(?:fluid|queer|less)|agender|sexless)\s+"
    r"(?=[a-z-]{3,}\b(?<!and)(?<!but)(?<!who)(?<!with)(?<!from))",
    re.IGNORECASE,
)


_SEX = re.compile(r"(?:^|[\s,/(])(?:\d{1,4}\s*/?\s*|\b)(?P<s>[fm])\b(?:\s*/?\s*\d{1,4})?(?=$|[\s,/).;])", re.IGNORECASE)


_HALF = re.compile(r"\bhalf[ -](?P<one>[a-z]+)(?:(?:,| and|, and)? half[ -](?P<two>[a-z]+))?", re.IGNORECASE)


_LONG_SERVICE, _RETIRING = 25, 60
"""Years of work after which, and of life from which, one who did something is retired."""


@lru_cache(maxsize=64)
def read(description: str) -> Facts:
    """Return what a description states. The result is shared: nobody changes it."""
    facts = Facts()
    text = normal(description)
    if is_foreign(text):
        facts.name = _sure_name(text)
        return facts
    text = _kin_first(without_request(text))
    if is_spoken(text):
        text = third_person(text, facts)
    text = _gender_words(text, facts)
    whole = text
    text = _take_name(text, facts)
    text = read_fields(text, facts)
    text = _take_age(text, facts)
    text = _halves(text, facts)
    for number, sentence in enumerate(sentences_of(text)):
        read_sentence(sentence, facts, first=number == 0)
    _conclude(whole, facts)
    return facts


def _kin_first(text: str) -> str:
    """Take whom a text begins with for whom it is about, whosever kin that is: "her younger brother"."""
    words = [word.lower() for word in re.findall(r"[\w'-]+", text[:80])[:4]]
    begins = bool(words) and words[0] in {"her", "his", "their"} and any(word in people().kin for word in words[1:])
    return re.sub(r"^\W*\w+", "a", text, count=1) if begins else text


def _sure_name(text: str) -> Name | None:
    for match in re.finditer(r"[^\W\d_]+", text):
        if match[0].istitle() and match[0].lower() in first_names() and match[0].lower() not in small().foreign:
            return Name(match[0], "", "", "", match.start(), match.end())
    return None


def _gender_words(text: str, facts: Facts) -> str:
    """Take up pronouns that are stated, words for no or another gender, and the pronoun that the text goes by."""
    spec = _SPEC.search(text)
    if spec:
        facts.pronoun = {"xe": "they", "ze": "they"}.get(spec[1].lower(), spec[1].lower())
        facts.gender = {"she": "f", "he": "m", "they": "nb", "it": "none"}[facts.pronoun]
        text = text[: spec.start()] + " " + text[spec.end() :]
        text = re.sub(r"[;,]?\s*\b(?:they|she|he)\s+(?=$|[.,;])", "", text)
    shown = _PRESENTING.search(text)
    if shown:
        facts.gender = facts.gender or ("f" if "female" in shown[0].lower() else "m")
        text = text[: shown.start()] + " " + text[shown.end() :]
    if _NONE.search(text):
        facts.gender = facts.gender or "none"
    elif _NB.search(text):
        facts.gender = facts.gender or "nb"
    return _BEFORE_NOUN.sub("", text)


def _take_name(text: str, facts: Facts) -> str:
    name = find_name(text)
    if name is None:
        return text
    facts.name = name
    if "old" in name.title.lower().split():
        facts.stage = facts.stage or "old"
    title = name.title.lower().replace(".", "")
    titles = title.split()
    for word in titles:
        facts.gender = facts.gender or people().titles.get(word, "")
        if word in people().title_old:
            facts.stage = facts.stage or "old"
    if name.first.startswith("Old "):
        facts.stage = facts.stage or "old"
    said = text[name.start : name.end]
    calls = re.match(r"call(?:s|ed) \w+\s", said)
    others = calls and re.search(r"(?:^|[.!?\n]\s*)The [^.!?\n]*$", text[: name.start])
    text = f"{text[: name.start]}{calls[0] if calls and others else ' '}@ {text[name.end :]}"
    for part in {name.first, f"{name.first} {name.last}".strip()} - {""}:
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "@", text) if len(part) > 2 else text
    text = re.sub(r"@(?:[\s,]*@)+", "@", re.sub(r"\s+", " ", text) if "\n" not in text else text)
    text = re.sub(r"@\s+and\s+(?=(?:she|he|they|it)\b)", "", text)
    nick = _NICK.search(text) or (_CALLED.search(text) if said.startswith(("real", "full", "birth")) else None)
    if nick is None:
        return text
    facts.name = replace(name, nick=name.nick or nick["nick"].title())
    return f"{text[: nick.start()]}{text[nick.end() :]}"


def _take_age(text: str, facts: Facts) -> str:
    age = find_age(text)
    if age is None:
        return text
    facts.age = age
    said = text[age.start : age.end]
    left = said[0] if said[:1] in ",.;:(|\n" else " "
    verb = "is " if re.match(r"(?:is|are|am)\b", said, re.IGNORECASE) else ""
    return _mended(f"{text[: age.start]}{left} {verb}{text[age.end :]}")


def _mended(text: str) -> str:
    """Join what is left where an age has been taken out: "is (300) but looks twenty", "is (seventy) and deaf"."""
    text = re.sub(r"(?:\b(?:is|are|am)|'s)\s+(?:now\s+)?(?:and|but)\s+(?=(?:\w+ly |also |still )?\w+s\b)", " ", text)
    text = re.sub(r"(\b(?:is|are|am)|'s)\s+(?:now\s+)?(?:and|but)\s+", r"\1 ", text)
    text = re.sub(r"(?:\s+(?:and|but))?\s+(?:is|are|am)(?:\s+now)?\s*(?=[.,;:!?\n]|$)", " ", text)
    return re.sub(r"\b(who|she|he|they|it)\s+(?:and|but)\s+(?=\w+s\b)", r"\1 ", text)


def _halves(text: str, facts: Facts) -> str:
    match = _HALF.search(text)
    if match is None:
        return text
    parts = [part.lower() for part in (match["one"], match["two"]) if part]
    named = [kinds().words[part].species for part in parts if part in kinds().words]
    if not named:
        return text
    other = next((name for name in named if name != "human"), named[0])
    facts.species = f"half-{other}"
    if len(parts) == 2 and len(named) == 2 and "human" not in named:
        facts.species = f"half-{named[0]}, half-{named[1]}"
    return f"{text[: match.start()]} {text[match.end() :]}"


def _conclude(text: str, facts: Facts) -> None:
    """Settle what follows from everything together: pronoun, gender, what a title says, what a trade is called."""
    if not facts.gender and not facts.pronoun:
        facts.pronoun = _pronoun(text, facts)
    if not facts.gender and facts.pronoun and not facts.spoken:
        facts.gender = {"she": "f", "he": "m", "they": "nb", "it": "none"}[facts.pronoun]
    facts.passed = years_passed(text)
    if facts.age is None and facts.species in listed_in("dead"):
        facts.age = died_at(text)
    title = facts.name.title.lower().replace(".", "").split() if facts.name else []
    if not facts.gender:
        short = _SEX.search(text)
        if short and re.search(r"\d|,|/", short[0]):
            facts.gender = short["s"].lower()
    if title and not facts.profession and title[-1] in people().title_works:
        facts.profession = {"dr": "doctor"}.get(title[-1], title[-1])
    if title and title[-1] in {"sir", "ser"}:
        facts.profession = facts.profession or "knight"
    if not facts.profession:
        old = facts.passed >= _LONG_SERVICE or (facts.age is not None and facts.age.low >= _RETIRING)
        facts.profession = trade_of(facts.told, gone="retired" if old else "former")
    facts.people = facts.people or _people(facts)


def _people(facts: Facts) -> str:
    """Return the people that a name, or else a place, tells of."""
    if facts.name and facts.species in {"", "human"} and (named := people_named(facts.name)):
        return named
    return next((key for key in map(people_of, re.findall(r"\w+", facts.comes)) if key), "")


def _pronoun(text: str, facts: Facts) -> str:
    """Return the pronoun by which the text speaks of its hero; empty if it uses none, or one of somebody else's."""
    found = re.search(r"\b(she|her|hers|herself|he|him|his|himself)\b", text, re.IGNORECASE)
    if found:
        return "she" if found[0].lower() in {"she", "her", "hers", "herself"} else "he"
    they = re.search(r"\b(they|their|themself|themselves)\b", text, re.IGNORECASE)
    it = re.search(
        r"\b(?:its|itself)\b|(?:^|[.;,] )it (?:has|is|was|can|\w+s)\b|\b(?:that|until|because|and|but) it \w+s\b",
        text,
        re.IGNORECASE,
    )
    if it and (not facts.species or kinds().of(facts.species).kind != "person" or not they):
        return "it" if not facts.rank and facts.species not in {"", "human"} else ""
    return "they" if they and re.search(r"\b(?:on|lost|found|in|with|of|from|for|to) their\b|\bthey\b", text) else ""

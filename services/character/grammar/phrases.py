"""Reads a noun phrase that says what somebody is: "a retired Irish fox detective with a limp". Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from services.character.grammar.english import with_article
from services.character.grammar.facts import Facts
from services.character.grammar.species import kinds
from services.character.grammar.table import read_table
from services.character.grammar.words import people, small, traits

_WORD = re.compile(r"[^\W\d_]+(?:['’.-]+[^\W\d_]+)*|\d+|@|\S")
_DETERMINERS = frozenset({"a", "an", "the", "my", "our", "one", "this", "that", "some", "your", "another", "her", "his", "their", "its"})  # fmt: skip
_TAILS = frozenset(
    "who that which whose whom with without in on at from of for by to where when while and but or nor so because as into inside under over above beneath behind near "
    "between among aboard against through across around after before until since during within along beyond is was are were has had have can cannot can't could will would "
    "does did must never always once than like if about though although no not too toward towards off despite unless".split()
)
_SAID = frozenset({"talking", "sentient", "living", "walking", "anthropomorphic", "humanoid", "magical", "enchanted", "animated", "speaking", "thinking"})  # fmt: skip
_ADJECTIVE = re.compile(
    r"(?:ful|less|ous|ish|ic|ical|ive|able|ible|ed|ing|al|ary|ant|ent|y|ly|some|esque|est|like|proof|worn|born)$"
)
_NOT_ADJECTIVE = re.compile(r"(?:ity|ment|ary|key|ogy|phy|ony|ery|ory|boy|city|day|way)$")
_LONGEST = 4
_PARTICIPLES = frozenset(
    "built made born found lost stuck sworn hidden bound known sent torn kept caught forgotten stolen written drawn grown woken left bred set cut hung".split()
)


@dataclass(frozen=True, slots=True)
class Split:
    """A noun phrase up to its head, as words, and what follows the head."""

    words: tuple[str, ...]
    tail: str
    determined: bool


@cache
def _peoples() -> dict[str, str]:
    table = read_table("names").table("peoples")
    return {word: key for key in table.names() for word in table.table(key).words("words")}


def people_of(word: str) -> str:
    """Return the people that an adjective or a place belongs to; empty if it is of none that is known."""
    return _peoples().get(word.lower(), "")


def split_phrase(phrase: str) -> Split:
    """Cut a phrase at the first word that cannot be part of a noun with its adjectives."""
    tokens = list(_WORD.finditer(phrase))
    words: list[str] = []
    determined = False
    for index, token in enumerate(tokens):
        lower = token[0].lower()
        if not words and (lower in _DETERMINERS or lower in {"also", "just", "very", "quite", "rather", "really", "still", "now", "once", "simply", "actually", "secretly", "basically"}):  # fmt: skip
            determined = determined or lower in _DETERMINERS
            continue
        ends = lower in _TAILS or not (token[0][0].isalpha() or token[0] in {"@", "&"})
        joined = lower in {"but", "and"} and words and _is_adjective(words[-1].lower()) and index + 1 < len(tokens)
        if joined and (_is_adjective(tokens[index + 1][0].lower())):
            continue
        if lower in {"yet", "very", "too", "rather"} and words:
            continue
        if ends or (words and _is_head(words) and _verbish(lower, tokens, index)):
            return Split(tuple(words), phrase[token.start() :].strip(), determined)
        words.append(token[0])
    return Split(tuple(words), "", determined)


def _is_head(words: list[str]) -> bool:
    """Tell whether the words so far end in a noun that may be somebody."""
    last = words[-1].lower()
    return last in kinds().words or last in people().professions or last in people().kin or not _is_adjective(last)


def _verbish(lower: str, tokens: list[re.Match[str]], index: int) -> bool:
    """Tell whether a word after a head is a verb or participle that begins a clause."""
    if lower in small().verbs and lower not in kinds().words:
        return True
    last = index + 1 >= len(tokens)
    return not last and bool(re.search(r"(?:ed|ing)$", lower) or lower in _PARTICIPLES) and lower not in traits().all | traits().looks and not _before_noun(tokens, index)  # fmt: skip


def _before_noun(tokens: list[re.Match[str]], index: int) -> bool:
    """Tell whether what follows is somebody, so that the participle is an adjective or part of a name for them."""
    after = tokens[index + 1][0].lower()
    return after in kinds().words or after in people().professions or after in people().kin


def _is_adjective(word: str) -> bool:
    known = traits()
    if (
        word in known.all
        or word in known.looks
        or word in small().stages
        or word in people().qualifiers
        or word in _SAID
    ):
        return True
    if word in kinds().words or word in people().professions or word in people().kin or word in people().agents:
        return bool(people_of(word))
    return bool(people_of(word)) or bool(_ADJECTIVE.search(word) and not _NOT_ADJECTIVE.search(word) and len(word) > 3)


def singular(word: str) -> str:
    """Return the singular of a regular plural that is known as such, or the word itself."""
    if word in kinds().words or word in people().professions or not word.endswith("s"):
        return word
    for cut, add in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        one = word.removesuffix(cut) + add
        if word.endswith(cut) and (one in kinds().words or one in people().professions):
            return one
    return word


def read_noun(split: Split, facts: Facts, *, first: bool) -> bool:
    """Take up what a noun phrase says; tell whether it said what somebody is.

    Args:
        split: The phrase.
        facts: What is known so far; what the phrase adds is written into it.
        first: Whether this is the phrase in which an unknown noun must be what somebody is.
    """
    words = _owned([word for word in split.words if word not in {"@", "&"}], split, facts)
    lowers = [singular(word.lower()) for word in words]
    if not words:
        return False
    used = [_foreign_adjective(word, index + split.determined, facts) for index, word in enumerate(words[:-1])] + [
        False
    ]
    heads = _heads(lowers, used, facts)
    if not heads and first and not facts.species and not facts.profession:
        heads = _unknown(words, lowers, used, facts, determined=split.determined)
    if not heads:
        return False
    for index, word in enumerate(lowers):
        if used[index]:
            continue
        if index + 1 < len(words) and used[index + 1] and not _is_adjective(word) and word not in small().stages and word not in small().function and facts.species and word.isalpha():  # fmt: skip
            facts.told.append(f"is {with_article(' '.join(lowers[index:]))}")
        else:
            _adjective(words[index], word, facts)
    return heads


def _owned(words: list[str], split: Split, facts: Facts) -> list[str]:
    """Leave out whose somebody is ("an elderly couple's cat"), and keep it to be told."""
    at = max((index for index, word in enumerate(words[:-1]) if word.endswith(("'s", "s'"))), default=-1)
    if at < 0 or " ".join(words[at:]).lower() in people().professions:
        return words
    whole = " ".join(words)
    if not re.match(r"[A-Z]\w+'s\b", whole) or words[0].lower() == "somebody's":
        whole = whole[0].lower() + whole[1:]
        whole = whole if whole.startswith("somebody's") else with_article(whole)
    facts.told.append(f"is {whole}")
    return words[at + 1 :]


def _foreign_adjective(word: str, index: int, facts: Facts) -> bool:
    """Take a capitalised word that nobody knows for the adjective of a people: "Zulu"."""
    lower = word.lower()
    if index == 0 or not word[:1].isupper() or not word[1:].islower() or people_of(word) or lower in kinds().words or lower in people().professions or lower in people().kin or _is_adjective(lower):  # fmt: skip
        return False
    facts.origin = facts.origin or word
    return True


def _heads(words: list[str], used: list[bool], facts: Facts) -> bool:
    """Find species, profession and kinship, the longest words first, from the end of the phrase to its beginning."""
    found = False
    end = len(words)
    while end > 0:
        size = next(
            (
                size
                for size in range(min(_LONGEST, end), 0, -1)
                if not any(used[end - size : end]) and _take(words, end - size, end, used, facts)
            ),
            0,
        )
        found = found or size > 0
        end -= size or 1
    return found


def _take(words: list[str], start: int, end: int, used: list[bool], facts: Facts) -> bool:
    """Take up words `start` to `end` if together they name something."""
    word = " ".join(words[start:end])
    folk = people()
    last = end == len(words) or all(used[end:])
    if end - start == 1 and word in kinds().babies and start > 0 and _baby(words, start, facts):
        used[start] = True
        return True
    if (
        word in folk.agents
        and start > 0
        and last
        and words[start - 1] in kinds().words
        and not facts.profession
        and word not in folk.kin
    ):
        begin = start - 1
        if begin > 0 and " ".join(words[begin - 1 : start]) in kinds().words:
            begin -= 1
        facts.profession = " ".join(words[begin:end])
        used[begin:end] = [True] * (end - begin)
        return True
    if word in folk.nonbinary:
        facts.gender = facts.gender or "nb"
    elif (
        word in folk.professions
        and not (word in kinds().words and not facts.species and last)
        and not _adjectival(word, words, end)
    ):
        _profession(word, words, start, used, facts)
    elif word in folk.kin and (word not in folk.qualifiers):
        _kin(word, facts)
    elif word in kinds().words:
        return _species(word, start, end, used, facts)
    else:
        return False
    used[start:end] = [True] * (end - start)
    return True


def _adjectival(word: str, words: list[str], end: int) -> bool:
    """Tell whether a noun only says more of the one behind it, as "police" and "noble" may."""
    return word in {"noble", "rebel", "model", "royal", "fool", "exile", "runaway", "lady", "master", "head", "chief", "orderly", "major"} and end < len(words)  # fmt: skip


def _species(word: str, start: int, end: int, used: list[bool], facts: Facts) -> bool:
    named = kinds().words[word]
    if facts.species and named.species != facts.species and facts.species not in kinds().general:
        return False
    facts.species = named.species
    facts.gender = facts.gender or named.gender
    facts.stage = facts.stage or named.stage
    used[start:end] = [True] * (end - start)
    return True


def _baby(words: list[str], start: int, facts: Facts) -> bool:
    before = next(
        (
            " ".join(words[at:start])
            for at in range(max(0, start - 3), start)
            if " ".join(words[at:start]) in kinds().words
        ),
        "",
    )
    if before:
        facts.stage = "newborn"
    return bool(before)


def _kin(word: str, facts: Facts) -> None:
    folk = people()
    if word in folk.women or word in folk.men:
        facts.gender = facts.gender or ("f" if word in folk.women else "m")
    stages = small().stages
    if word in folk.old:
        facts.stage = facts.stage or "old"
    elif word in stages:
        facts.stage = facts.stage or stages[word]
    elif word in folk.children:
        facts.stage = facts.stage or "child"
    elif word in folk.grown | {"woman", "man", "lady", "gentleman"}:
        facts.stage = facts.stage or "adult"
    if word not in {
        "character",
        "person",
        "somebody",
        "someone",
        "being",
        "protagonist",
        "figure",
        "individual",
        "soul",
        "male",
        "female",
        "adult",
        "member",
        "newborn",
        "baby",
        "infant",
        "teen",
        "teenager",
        "adolescent",
        "youth",
        "elder",
    }:
        facts.rank = facts.rank or word


def _profession(word: str, words: list[str], start: int, used: list[bool], facts: Facts) -> None:
    """Take up a profession with the nouns and qualifiers before it."""
    folk = people()
    begin = start
    while begin > 0 and not used[begin - 1] and _goes_before(words[begin - 1]):
        begin -= 1
        used[begin] = True
    qualified = begin
    while qualified > 0 and words[qualified - 1] in folk.qualifiers:
        qualified -= 1
        used[qualified] = True
    full = " ".join(words[qualified : start + len(word.split())])
    if word in folk.women or word in folk.men:
        facts.gender = facts.gender or ("f" if word in folk.women else "m")
    if "retired" in words[qualified:begin] or word in folk.old:
        facts.stage = facts.stage or "old"
    if word in folk.children:
        facts.stage = facts.stage or "child"
    if not facts.profession:
        facts.profession = full
    elif full not in facts.profession:
        facts.told.append(f"is also {with_article(full)}")


def _goes_before(word: str) -> bool:
    """Tell whether a word before a profession is part of it: "jazz" in "jazz pianist"."""
    folk = people()
    plain = word not in small().function and word not in small().stages and word not in folk.qualifiers
    free = word not in kinds().words and word not in folk.kin and not people_of(word)
    return plain and free and word not in traits().all | traits().looks and (not _is_adjective(word) or word in {"royal", "military", "medical", "private", "mechanical", "electrical", "space", "navy", "army", "gallery", "factory", "library", "galaxy"})  # fmt: skip


def _unknown(words: list[str], lowers: list[str], used: list[bool], facts: Facts, *, determined: bool) -> bool:
    """Take the last noun of the phrase, which nobody knows, for what somebody is or does."""
    last = len(words) - 1
    if (
        not (determined or len(words) <= 2)
        or not re.fullmatch(r"[^\W\d_][\w'’-]{1,29}", words[last])
        or _is_adjective(lowers[last])
    ):
        return False
    if lowers[last] in small().function or lowers[last] in small().verbs or lowers[last] in traits().looks_nouns:
        return False
    begin = last
    while (
        begin > 0
        and not _is_adjective(lowers[begin - 1])
        and lowers[begin - 1] not in small().function
        and last - begin < 2
    ):
        begin -= 1
    name = " ".join(lowers[begin : last + 1])
    used[begin:] = [True] * (last + 1 - begin)
    if lowers[last].endswith(people().tails) and len(lowers[last]) > 4:
        facts.profession = name
    else:
        facts.species = name
    return True


def _adjective(written: str, word: str, facts: Facts) -> None:
    """Take up an adjective for what it tells of: age, looks, origin or character."""
    known = traits()
    if word in small().stages:
        facts.stage = small().stages[word] if facts.stage in {"", "adult"} else facts.stage
    elif people_of(word):
        facts.people = facts.people or people_of(word)
        facts.origin = facts.origin or (written if written[:1].isupper() else written.capitalize())
    elif word in known.looks:
        _add(facts.looks, word)
    elif word in known.all or (_is_adjective(word) and word not in _SAID and len(word) < 25):
        _add(facts.traits, word)
    elif word in {"trans", "transgender", "cis", "heterosexual", "straight"} or (re.fullmatch(r"[a-z'’-]{2,24}", word) and word not in small().function and word not in _SAID):  # fmt: skip
        _add(facts.traits, word)


def _add(where: list[str], word: str) -> None:
    if word not in where:
        where.append(word)


def adjectives_only(phrase: str) -> tuple[str, ...]:
    """Return the adjectives of a phrase that consists of nothing else ("brave but lazy"); empty if it does not."""
    words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", phrase.lower())
    plain = [word for word in words if word not in {"and", "but", "very", "quite", "rather", "yet", "a", "bit", "really", "so", "too", "also", "secretly", "always", "extremely", "incredibly", "deeply", "painfully", "terribly", "slightly", "little", "or", "somewhat", "often", "fairly", "mostly", "utterly", "fiercely"}]  # fmt: skip
    return tuple(plain) if plain and all(_is_adjective(word) for word in plain) else ()


def sort_adjectives(words: tuple[str, ...], facts: Facts) -> None:
    """Take up adjectives of a predicate."""
    for word in words:
        _adjective(word, word, facts)

"""Reads a noun phrase that says what somebody is: "a retired Irish fox detective with a limp". Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.character.grammar.adjectives import is_adjective, people_of, take_adjective
from services.character.grammar.english import with_article
from services.character.grammar.facts import Facts
from services.character.grammar.lists import listed_in
from services.character.grammar.species import kinds
from services.character.grammar.words import people, small, traits

_WORD = re.compile(r"[^\W\d_]+(?:['’.-]+[^\W\d_]+)*|\d+|@|\S")
_LONGEST = 4


@dataclass(frozen=True, slots=True)
class Split:
    """A noun phrase up to its head, as words, and what follows the head."""

    words: tuple[str, ...]
    tail: str
    determined: bool


def split_phrase(phrase: str) -> Split:
    """Cut a phrase at the first word that cannot be part of a noun with its adjectives."""
    tokens = list(_WORD.finditer(phrase))
    words: list[str] = []
    determined = False
    if tokens and tokens[0][0].lower() in {"her", "his", "their", "its"}:  # a thing of theirs is not who they are
        return Split((), phrase, determined=False)
    for index, token in enumerate(tokens):
        lower = token[0].lower()
        if not words and (lower in listed_in("determiners") or lower in listed_in("phrase_openers")):
            determined = determined or lower in listed_in("determiners")
            continue
        ends = lower in listed_in("tails") or not (token[0][0].isalpha() or token[0] in {"@", "&"})
        joined = lower in {"but", "and"} and words and is_adjective(words[-1].lower()) and index + 1 < len(tokens)
        if joined and (is_adjective(tokens[index + 1][0].lower())):
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
    return last in kinds().words or last in people().professions or last in people().kin or not is_adjective(last)


def _verbish(lower: str, tokens: list[re.Match[str]], index: int) -> bool:
    """Tell whether a word after a head is a verb or participle that begins a clause."""
    if lower in small().verbs and lower not in kinds().words:
        return True
    last = index + 1 >= len(tokens)
    return (
        not last
        and bool(re.search(r"(?:ed|ing)$", lower) or lower in listed_in("participles"))
        and lower not in traits().all | traits().looks
        and not _before_noun(tokens, index)
    )


def _before_noun(tokens: list[re.Match[str]], index: int) -> bool:
    """Tell whether what follows is somebody, so that the participle is an adjective or part of a name for them."""
    after = tokens[index + 1][0].lower()
    return after in kinds().words or after in people().professions or after in people().kin


def singular(word: str) -> str:
    """Return the singular of a regular plural that is known as such, or the word itself."""
    if word in kinds().words or word in people().professions or not word.endswith("s"):
        return word
    for cut, add in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
        one = word.removesuffix(cut) + add
        if word.endswith(cut) and (one in kinds().words or one in people().professions or one in people().kin):
            return one
    return word


def read_noun(split: Split, facts: Facts, *, first: bool) -> bool:
    """Take up what a noun phrase says; tell whether it said what somebody is.

    Args:
        split: The phrase.
        facts: What is known so far; what the phrase adds is written into it.
        first: Whether this is the phrase in which an unknown noun must be what somebody is.
    """
    words = _owned([word for word in split.words if word not in {"@", "&"}], facts)
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
        if any(told.endswith(f" {word} {lowers[-1]}") for told in facts.told):
            continue
        if word in listed_in("attributive") or word in listed_in("said"):
            facts.told.append(
                f"is the {word} {lowers[-1]}"
                if word in {"last", "only", "first", "greatest"}
                else f"is {with_article(f'{word} {lowers[-1]}')}"
            )
        elif (
            index + 1 < len(words)
            and not is_adjective(word)
            and word not in small().function
            and re.fullmatch(r"[a-z][a-z'-]+", word)
            and word not in listed_in("said")
        ):
            facts.told.append(f"is {with_article(' '.join(lowers[index:]))}")
        else:
            take_adjective(words[index], word, facts)
    return heads


def _owned(words: list[str], facts: Facts) -> list[str]:
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
    if (
        index == 0
        or not word[:1].isupper()
        or not word[1:].islower()
        or people_of(word)
        or lower in kinds().words
        or lower in people().professions
        or lower in people().kin
        or is_adjective(lower)
    ):
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
        return _species(word, words, start, used, facts)
    else:
        return False
    used[start:end] = [True] * (end - start)
    return True


def _adjectival(word: str, words: list[str], end: int) -> bool:
    """Tell whether a noun only says more of the one behind it, as "police" and "noble" may."""
    return word in listed_in("often_adjectives") and end < len(words)


def _species(word: str, words: list[str], start: int, used: list[bool], facts: Facts) -> bool:
    end = start + len(word.split())
    named = kinds().words[word]
    broad = facts.species in kinds().general or (
        facts.species in listed_in("broad_animals") and kinds().of(named.species).kind == "animal"
    )
    if facts.species and named.species != facts.species and not broad:
        return False
    facts.species = named.species
    facts.gender = facts.gender or named.gender
    facts.stage = facts.stage or named.stage
    if start and words[start - 1] in listed_in("elements") and named.species in listed_in("of_elements"):
        start -= 1
        facts.species = f"{words[start]} {named.species}"
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
    if word not in listed_in("no_ranks"):
        facts.rank = facts.rank or word


def _profession(word: str, words: list[str], start: int, used: list[bool], facts: Facts) -> None:
    """Take up a profession with the nouns and qualifiers before it."""
    folk = people()
    begin = start
    while begin > 0 and not used[begin - 1] and _goes_before(words[begin - 1]):
        begin -= 1
        used[begin] = True
    qualified = [at for at in range(begin) if words[at] in folk.qualifiers and not used[at]]
    for at in qualified:
        used[at] = True
    full = " ".join([*(words[at] for at in qualified), *words[begin : start + len(word.split())]])
    if word in folk.women or word in folk.men:
        facts.gender = facts.gender or ("f" if word in folk.women else "m")
    if "retired" in full.split() or word in folk.old:
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
    return (
        plain
        and free
        and word not in traits().all | traits().looks
        and (not is_adjective(word) or word in listed_in("before_professions"))
    )


def _unknown(words: list[str], lowers: list[str], used: list[bool], facts: Facts, *, determined: bool) -> bool:
    """Take the last noun of the phrase, which nobody knows, for what somebody is or does."""
    last = len(words) - 1
    if (
        not (determined or len(words) <= 2)
        or not re.fullmatch(r"[^\W\d_][\w'’-]{1,29}", words[last])
        or is_adjective(lowers[last])
    ):
        return False
    if (
        lowers[last] in listed_in("collective")
        or re.search(r"[^su]s$", lowers[last])
        or lowers[last] in small().function
        or lowers[last] in small().verbs
        or lowers[last] in traits().looks_nouns
    ):
        return False
    begin = last
    while (
        begin > 0
        and not is_adjective(lowers[begin - 1])
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

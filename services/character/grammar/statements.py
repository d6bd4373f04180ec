"""Reads a description sentence by sentence and clause by clause. Pure."""

from __future__ import annotations

import re

from services.character.grammar.adjectives import adjectives_only, sort_adjectives
from services.character.grammar.clauses import add_told, read_clause, read_tail
from services.character.grammar.english import is_past
from services.character.grammar.facts import Facts
from services.character.grammar.lists import listed_in
from services.character.grammar.phrases import read_noun, split_phrase
from services.character.grammar.species import kinds
from services.character.grammar.words import people, small, traits

_SENTENCE = re.compile(r"(?<!\bMr)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\bMs)[.!?…]+(?:\s+|$)|\n+")


_CLAUSE = re.compile(r"\s*[,;:()|]\s*|\s+[–—-]+\s+|—")


_WHEN = re.compile(
    r"^(?P<when>(?:at|by|in|on|every|after|before) (?:the )?(?:day|night|morning|evening|midnight|dawn|dusk|noon|"
    r"sundays?|winter|summer|spring|autumn|weekends?|dark)),? (?P<who>@|she|he|they|it) (?P<rest>\w+s\b.*)$",
    re.IGNORECASE,
)
"""A time before the one who does something: "at night she robs banks"."""


_FINITE = re.compile(r"\b(?:is|are|was|were|has|have|had|can|could|will|does|did|got|knows|calls|\w{2,}ed)\b")


def sentences_of(text: str) -> list[str]:
    """Cut a description into its sentences and lines."""
    return [part.strip() for part in _SENTENCE.split(text) if part and part.strip(" ,;:.-")]


def read_sentence(sentence: str, facts: Facts, *, first: bool) -> None:
    """Read one sentence, clause by clause."""
    lead = sentence.split(maxsplit=1)[0].lower().rstrip(",:").removesuffix("'s") if sentence.split() else ""
    if not first and _speaks_of_others(sentence, lead, facts):
        keep_whole(sentence, facts)
        return
    open_list = True  # until a clause has told something, single nouns go on saying what somebody is
    for number, piece in enumerate(_CLAUSE.split(sentence)):
        clause = re.sub(
            r"^(?:and|but|so|or|yet|then|also|plus|there (?:once )?(?:is|was|lived)|once upon a time|this is|meet)\s+",
            "",
            piece.strip(" .-\"'"),
            flags=re.IGNORECASE,
        )
        bare = clause.strip(" @'.-?!")
        if not bare or bare in listed_in("empty_clauses"):
            continue
        open_list = _clause(clause, facts, first=first and number < 3 and open_list, listing=open_list) and open_list


def _speaks_of_others(sentence: str, lead: str, facts: Facts) -> bool:
    """Tell whether a sentence is about somebody or something else."""
    if lead in listed_in("own_subjects") or sentence.startswith("@"):
        return lead == "it" and facts.pronoun not in {"", "it"}
    if lead in listed_in("other_subjects"):
        return (
            bool(re.search(r"\b(?:is|are|was|were|has|have|had|can|could|will|does|did|\w+ed|\w+s)\b", sentence))
            and len(sentence.split()) >= 3
        )
    return (
        lead == "the"
        and bool(re.search(r"\b(?:call|calls|called|is|was|are|were|has|have)\b", sentence))
        and ("@" not in sentence or bool(re.search(r"\bcall(?:s|ed) \w+ @", sentence)))
    )


def keep_whole(sentence: str, facts: Facts) -> None:
    """Keep a sentence to be told as it stands."""
    if len(sentence.split()) <= 45:
        facts.whole.append(sentence.strip(" ,;-"))


def _clause(clause: str, facts: Facts, *, first: bool, listing: bool) -> bool:
    """Read one clause; tell whether a list of what somebody is may go on after it."""
    clause = re.sub(
        r"^(?:@|she|he|they|it)(?:'s|'re)\b", lambda m: m[0].split("'")[0] + " is", clause, flags=re.IGNORECASE
    )
    clause = _WHEN.sub(r"\g<who> \g<rest> \g<when>", clause)
    subject = re.match(r"^(?:@|she|he|they|it)\s+(?=\S)(?!and\b|of\b)", clause, re.IGNORECASE)
    found = adjectives_only(clause)
    if subject:
        rest = clause[subject.end() :]
        if facts.gender == "nb" and subject[0].strip().lower() == "they":
            facts.pronoun = facts.pronoun or "they"
        _predicate(rest, facts, first=first)
        return bool(re.match(r"(?:the|an?)\s", rest)) and not split_phrase(rest).tail
    if found:
        sort_adjectives(found, facts)
        return True
    word = clause.split()[0].lower()
    if re.match(
        r"(?:who|that|which|with|from|wearing|carrying|looking|searching|hoping|afraid|scared|terrified|"
        r"dressed|armed|living)\b",
        word,
    ):
        read_clause(clause, facts) if word in {"afraid", "scared", "terrified"} else read_tail(clause, facts)
        return False
    plain = re.sub(r"^(?:still|now|always|once|secretly|currently|forever|already)\s+", "", clause.lower()).split()
    if (
        plain
        and plain[0].endswith("ing")
        and len(plain) > 1
        and plain[0] not in traits().all | {"talking", "living", "king", "walking"}
        and not _somebody(plain)
    ):
        add_told(f"is {clause}", facts) if len(plain) < len(clause.split()) else read_tail(clause, facts)
        return False
    if _verb_first(clause):
        read_clause(clause, facts)
        return False
    split = split_phrase(clause)
    counted = word in small().numbers and word not in {"one", "zero"}
    if (
        (first or listing or split.determined)
        and split.words
        and not counted
        and read_noun(split, facts, first=first and (listing or split.determined))
    ):
        _after_noun(split.words, split.tail, facts)
        return not split.tail or split.tail.startswith(("of ", "in ", "at ", "on ", "from ", "with "))
    return _otherwise(clause, facts, listing=listing)


def _somebody(words: list[str]) -> bool:
    """Tell whether a phrase that begins with "-ing" soon names somebody: "travelling salesman", "flying fox"."""
    return any(word in kinds().words or word in people().professions or word in people().kin for word in words[1:3])


def _after_noun(words: tuple[str, ...], tail: str, facts: Facts) -> None:
    """Read what follows the noun that says what somebody is; "of …" goes with a profession or is told."""
    of = re.match(
        r"of\s+(?P<what>(?:(?!\b(?:who|that|which|with|and|but|in|on|named|called)\b|@)[^\s]+\s*){1,7})", tail
    )
    head = words[-1].lower()
    if of and facts.profession.endswith(head) and head not in people().kin - {"keeper"}:
        facts.profession = f"{facts.profession} {of[0].strip()}"[:80]
        tail = tail[of.end() :].strip()
    elif of:
        split = split_phrase(of["what"])
        if head in kinds().words and read_noun(split, facts, first=False):
            tail = tail[of.end() :].strip()
        else:
            noun = " ".join(words[-1:]).lower()
            add_told(f"is {'an' if noun[0] in 'aeiou' else 'a'} {noun} {of[0].strip()}", facts)
            tail = tail[of.end() :].strip()
    if tail:
        read_tail(tail, facts)


def _predicate(predicate: str, facts: Facts, *, first: bool) -> None:
    """Read what is said of the one whom the sentence is about."""
    be = re.match(
        r"(?:is|was|are)\s+(?:now |still |also |simply |just )?(?P<what>(?:an?|the|my|our|one)\s.+|\w+)$", predicate
    )
    nothing = first and not (facts.species or facts.profession or facts.rank)
    if be and be["what"] and (predicate.startswith(("is", "are")) or nothing):
        split = split_phrase(be["what"])
        if (
            not adjectives_only(be["what"])
            and not split.tail.startswith("of ")
            and read_noun(split, facts, first=nothing)
        ):
            _after_noun(split.words, split.tail, facts)
            return
    split = split_phrase(predicate)
    if (
        (nothing or re.match(r"(?:the|an?)\s", predicate))
        and split.words
        and not _verb_first(predicate)
        and read_noun(split, facts, first=False)
    ):
        _after_noun(split.words, split.tail, facts)
        return
    read_clause(predicate, facts)


def _verb_first(clause: str) -> bool:
    """Tell whether a clause begins with a finite verb: "hates cats", "cannot cook an egg"."""
    words = clause.lower().split()
    word = words[0]
    if word.endswith("ly") or word in listed_in("verb_adverbs"):
        word = words[1] if len(words) > 1 else word
    plain = re.sub(r"[^\w']", "", word)
    if plain in small().verbs and plain not in listed_in("not_verbs"):
        return len(words) > 1
    if is_past(plain) and len(words) > 1 and words[1] in listed_in("after_pasts"):
        return True
    noun = plain in kinds().words or plain in people().professions or plain in people().kin
    adverb = word != words[0] and len(words) > 2
    looks_like = plain.endswith("s") and not plain.endswith(("ss", "us", "'s", "is")) and len(words) > 1 and not noun
    return looks_like and (adverb or words[1] in listed_in("after_verbs") or words[1] in small().numbers)


def _otherwise(clause: str, facts: Facts, *, listing: bool) -> bool:
    """Keep what names nobody: looks, something had or done, or words to be quoted."""
    words = clause.split()
    first = words[0].lower()
    if first in small().function and words[0] != "I":
        clause = clause[0].lower() + clause[1:]
    heads = re.split(r"\s+(?:in|on|of|over|that|with|from)\b", clause, maxsplit=1)[0].lower().split()
    if first not in listed_in("degrees") and heads and re.sub(r"\W+$", "", heads[-1]) in traits().looks_nouns:
        facts.features.append(clause[0].lower() + clause[1:])
        return listing
    if len(words) > 1 and _is_or_does(clause, words, facts):
        return False
    if first in listed_in("outer_subjects") and len(words) > 2 and _FINITE.search(clause):
        keep_whole(clause[0].upper() + clause[1:], facts)
        return False
    if first in listed_in("had_openers") and len(words) > 1:
        add_told(f"has {clause}", facts)
        return listing
    if not listing and facts.told and len(words) <= 6:
        facts.told[-1] = f"{facts.told[-1]}, {clause}"
        return False
    if _sayable(clause):
        facts.quoted.append(clause)
    return listing


def _is_or_does(clause: str, words: list[str], facts: Facts) -> bool:
    """Take up a clause without a subject that tells what somebody is, wants or is doing."""
    first, second = words[0].lower(), words[1].lower()
    small_follows = second in small().function | {"enough"}
    if first == "to" and not facts.goal and len(words) > 2:
        facts.goal = clause
    elif first in listed_in("degrees") or (first in {"still", "now", "always"} and second.endswith("ing")):
        add_told(f"is {clause}", facts)
    elif first.endswith("ing") or first in listed_in("tail_openers"):
        read_tail(clause, facts)
    elif small_follows and first.endswith("ed") and second not in {"with", "of", "by", "to", "about", "for"}:
        _participle(clause, words, facts)
    elif small_follows and (adjectives_only(first) or first in listed_in("being_openers")):
        add_told(f"is {clause}", facts)
    elif re.match(r"\w+ed$", first) and not adjectives_only(second):
        _participle(clause, words, facts)
    elif first in {"a", "an"}:
        had = " of " in clause or re.sub(r"\W", "", words[-1].lower()) in listed_in("abstract")
        add_told(f"{'has' if had else 'is'} {clause}", facts)
    else:
        return False
    return True


def _participle(clause: str, words: list[str], facts: Facts) -> None:
    """Tell "crowned at nine" as something that was done to somebody, "hatched yesterday" as something done."""
    passive = words[1].lower() in listed_in("passive_prepositions") and words[0].lower() not in listed_in(
        "intransitive"
    )
    add_told(f"was {clause}" if passive else clause, facts)


def _sayable(clause: str) -> bool:
    """Tell whether a clause is English enough to be quoted."""
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", clause.lower())
    known = sum(word in small().function or word in small().verbs for word in words)
    odd = re.search(r"[^\w\s'\",.!?%&/-]|\w{25}|\d{5}", clause)
    plain = len(words) <= 5 and all(
        re.fullmatch(r"(?=.*[aeiouy])[a-z'-]{3,16}", word) for word in clause.lower().split()
    )
    return not odd and 2 <= len(words) <= 30 and (known >= 1 or plain)

"""Finds people, places, things, deeds and wishes in a premise or a source text by light rules. Pure.

It reads English. From other languages it takes the names it is sure of, and the author's genre does the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from services.story.grammar.english import words
from services.story.grammar.names import find_names, sure_names, verb_form
from services.story.grammar.past import infinitive, past_clause
from services.story.grammar.phrases import find_phrases
from services.story.grammar.tokens import DETERMINERS, Found, Noun, Token, is_foreign, tokenise
from services.story.grammar.vocabulary import Vocabulary, vocabulary

READ_AT_MOST = 20_000  # characters of a source text that are looked at

_PREAMBLE = re.compile(
    r"^\s*(?:please\s+)?(?:(?:can|could) you\s+)?(?:i(?:'d| would)? (?:want|like|need)\s+|(?:write|tell|make|give)\s+)"
    r"(?:to (?:read|hear)\s+)?(?:me\s+|us\s+)?(?:an?|the)\s+(?:[\w-]+\s+){0,3}?"
    r"(?:story|tale)\s+(?:about|of|in which|where)\s+",
    re.IGNORECASE,
)
_HER = {"her": "she", "she": "she", "herself": "she", "his": "he", "he": "he", "him": "he", "himself": "he"}
_WISHES = words("want wish hope decide try long dream plan swear yearn learn need promise refuse dare begin agree")
_LINKS = words("of named called")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found, the most important first.

    Attributes:
        beings: People, animals and other beings.
        things: Objects.
        places: Places.
        deed: What the first being does, as a verb phrase in the past tense; "" if not sure.
        want: What the first being wants, as an infinitive without "to"; "" if not said.
        verbs: The base forms of all verbs found.
        words: All words in lower case, for guessing the genre.
    """

    beings: tuple[Noun, ...] = ()
    things: tuple[Noun, ...] = ()
    places: tuple[Noun, ...] = ()
    deed: str = ""
    want: str = ""
    verbs: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()


def read(text: str) -> Facts:
    """Find what `text` is about; it may be anything, and the result may be empty."""
    known = vocabulary()
    text = _PREAMBLE.sub("", text[:READ_AT_MOST])
    text = re.sub(r"<[^>]{0,80}>", " ", text)
    if text.isupper():
        text = text.lower()
    tokens = tokenise(text)
    words = [token.lower for token in tokens]
    if is_foreign(words, known):
        return Facts(beings=sure_names(tokens, known))
    nouns = _merge(find_names(tokens, known) + find_phrases(tokens, known), tokens, known)
    beings = tuple(noun for noun in nouns if noun.kind in {"person", "animal", "being", "group"})
    verbs = frozenset(_verbs(words, known))
    return Facts(
        beings=_with_pronoun(beings, words),
        things=tuple(noun for noun in nouns if noun.kind == "thing"),
        places=tuple(noun for noun in nouns if noun.kind == "place"),
        deed=_deed(tokens, nouns, known),
        want=_want(tokens, known),
        verbs=verbs,
        words=frozenset(words),
    )


def _merge(found: list[Found], tokens: list[Token], known: Vocabulary) -> list[Noun]:
    """Join names with the trades beside them, and repeated mentions of one thing, in order of appearance."""
    merged: dict[str, Noun] = {}
    taken: list[Found] = sorted(found, key=lambda item: (item.start, -item.end))
    joined = _join_neighbours(taken, tokens)
    for item in joined:
        noun = item.noun
        key = noun.name.lower() or known.base(noun.head)
        same = _same(noun, key, merged)
        if same:
            old = merged[same]
            once = noun if old.plural and not noun.plural and old.count == 1 and not old.name else old
            merged[same] = replace(
                old, times=old.times + 1, detail=old.detail or noun.detail, plural=once.plural,
                head=once.head, phrase=once.phrase if once.head != old.head else old.phrase,
            )  # fmt: skip
        else:
            merged[key] = noun
    counts = Counter({key: noun.times for key, noun in merged.items()})
    order = list(merged)
    if len(tokens) > 45:  # a long text: what it speaks of most is what it is about
        order.sort(key=lambda key: -counts[key])
    return [merged[key] for key in order]


def _same(noun: Noun, key: str, merged: dict[str, Noun]) -> str:
    """Return the key of the noun already met that this one speaks of again; "" if there is none."""
    if key in merged:
        return key
    for other_key, other in merged.items():
        if noun.name and other.name and set(noun.name.lower().split()) & set(other.name.lower().split()):
            if noun.kind == other.kind:
                return other_key
        elif not noun.name and other.name and noun.head == other.head and noun.kind == other.kind:
            return other_key
    return ""


def _join_neighbours(found: list[Found], tokens: list[Token]) -> list[Found]:
    """Join "the weaver" and "Maud", "a girl called Pim", "her dog Biscuit" to one."""
    joined: list[Found] = []
    for item in found:
        last = joined[-1] if joined else None
        if last and item.start < last.end:
            if item.noun.name and not last.noun.name:
                joined[-1] = item
            continue
        gap = tokens[last.end : item.start] if last else []
        owner = bool(last and last.noun.name and tokens[last.end - 1].genitive)  # "Hana's grandfather" is not Hana
        if last and not owner and _apposed(last.noun, item.noun, [token.lower for token in gap]):
            joined[-1] = Found(last.start, item.end, _join(last.noun, item.noun))
            continue
        joined.append(item)
    return joined


def _apposed(first: Noun, second: Noun, gap: list[str]) -> bool:
    """Tell whether two neighbours, with the words `gap` between them, speak of one and the same."""
    people = {"person", "animal", "being"}
    if first.kind == second.kind == "place" and gap and gap[0] in _LINKS and len(gap) == 1:
        return not first.name and bool(second.name)
    if first.kind not in people or second.kind not in people or first.count > 1 or first.plural or second.plural:
        return False
    linked = not gap or gap in (["named"], ["called"])
    return linked and bool(first.name) != bool(second.name)


def _join(first: Noun, second: Noun) -> Noun:
    plain, named = (second, first) if first.name else (first, second)
    return replace(plain, name=named.name, pronoun=plain.pronoun or named.pronoun, detail=plain.detail or named.detail)


def _with_pronoun(beings: tuple[Noun, ...], words: list[str]) -> tuple[Noun, ...]:
    """Give the first being the gender that the pronouns of the text state, if its own words do not."""
    if not beings or beings[0].pronoun:
        return beings
    stated = Counter(_HER[word] for word in words if word in _HER)
    if len(stated) == 1 and len([b for b in beings if b.kind != "group"]) <= 2:
        return (replace(beings[0], pronoun=next(iter(stated))), *beings[1:])
    return beings


def _verbs(words: list[str], known: Vocabulary) -> list[str]:
    return [
        known.third_forms.get(word) or known.past_forms.get(word) or word
        for word in words
        if word in known.third_forms or word in known.past_forms or word in known.verbs
    ]


def _clause(tokens: list[Token], start: int) -> list[Token]:
    """Return the tokens from `start` to the end of the sentence or the next comma."""
    end = start
    while end < len(tokens) and (end == start or not tokens[end].breaks):
        end += 1
    return tokens[start:end]


def _plain(tokens: list[Token]) -> list[str]:
    return [token.text + ("'s" if token.genitive else "") for token in tokens]


def _deed(tokens: list[Token], nouns: list[Noun], known: Vocabulary) -> str:
    """Return what the first being does, if the first sentence is "somebody does something"."""
    beings = [noun for noun in nouns if noun.kind in {"person", "animal", "being"}]
    if not beings or not tokens:
        return ""
    first = beings[0]
    wanted = (first.name or first.head).split()[-1].lower()
    at = next((i for i, token in enumerate(tokens[:10]) if token.lower == wanted and not token.genitive), None)
    if at is None or at + 2 >= len(tokens) or first.count > 1:
        return ""
    start = at + 1
    if tokens[start].lower in {"in", "of", "at", "from"} and start + 2 < len(tokens):  # "a clockmaker in Vellbridge"
        start += 2 if tokens[start + 1].lower not in DETERMINERS else 3
    apposed = tokens[at].breaks and at > 0  # "a fisherman's daughter, Sunniva, finds a bell"
    if start >= len(tokens) or (tokens[start].breaks and not apposed) or not verb_form(tokens[start].lower, known):
        return ""
    if any(token.starts for token in tokens[1 : at + 1]):
        return ""
    return past_clause(_plain(_clause(tokens, start)), known)


def _want(tokens: list[Token], known: Vocabulary) -> str:
    """Return what is wanted or must be done, as an infinitive without "to"."""
    for index, token in enumerate(tokens[:60]):
        base = known.third_forms.get(token.lower) or known.past_forms.get(token.lower) or token.lower
        following = tokens[index + 1].lower if index + 1 < len(tokens) else ""
        if following == "to" and (base in _WISHES or base == "have"):
            found = infinitive(_plain(_clause(tokens, index + 2)), known)
        elif token.lower == "must" and following != "not":
            found = infinitive(_plain(_clause(tokens, index + 1)), known)
        else:
            continue
        if found and found != "be":
            return found
    return ""

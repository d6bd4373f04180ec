"""Finds people, places, things, deeds and wishes in a premise or a source text by light rules. Pure.

It reads English. From other languages it takes the names it is sure of, and the author's genre does the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import takewhile

from services.story.grammar.clauses import Syntax
from services.story.grammar.english import words
from services.story.grammar.names import PARTICLES, find_names, sure_names
from services.story.grammar.phrases import find_phrases
from services.story.grammar.retelling import FORBIDDEN, Retold, main_subject, past_text, retell
from services.story.grammar.syntax import parse
from services.story.grammar.tokens import IGNORED, PLACE_PREPS, Found, Noun, Token, is_foreign, tokenise
from services.story.grammar.vocabulary import Vocabulary, vocabulary

READ_AT_MOST = 20_000  # characters of a source text that are looked at
_SHORT = 45  # words of a text that names first what it is about
_LONGEST_SUBJECT = 10  # words before the verb of "somebody does something"
_MOST_TOLD = 140  # words of a text whose sentences can be told back

_PREAMBLE = re.compile(
    r"^\s*(?:please\s+)?(?:(?:can|could) you\s+)?(?:i(?:'d| would)? (?:want|like|need)\s+|(?:write|tell|make|give)\s+)"
    r"(?:to (?:read|hear)\s+)?(?:me\s+|us\s+)?(?:(?:an?|the|another|some)\s+(?:[\w-]+\s+){0,3}?"
    r"(?:story|stories|tale|something)\s+(?:about|of|in which|where|on)|(?:something\s+)?about|how)\s+",
    re.IGNORECASE,
)
_HER = {"her": "she", "she": "she", "herself": "she", "his": "he", "he": "he", "him": "he", "himself": "he"}
_WISHES = words("want wish hope decide try long dream plan swear yearn learn need promise dare begin agree")
_LINKS = words("of named called")
_DESCRIBING = words("was were had could would should did might must wanted loved lived kept never always only")
_THEIRS = words("his her their my our")
_JOINED = words("and but")
_CONTINUING = words("so or and but neither nor")
_OTHERS = words("and or who that which whose")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found, the most important first.

    Attributes:
        beings: People, animals and other beings.
        things: Objects.
        places: Places.
        deed: What the first being does, as a verb phrase in the past tense; "" if not sure.
        want: What the first being wants, as an infinitive without "to"; "" if not said.
        told: The premise's sentences as the story can tell them back, without the one that the deed tells.
        verbs: The base forms of all verbs found.
        main: Of these, the verbs of main clauses.
        orders: Whether the text tells somebody to do something ("Bring the reindeer home"): it names no hero.
        words: All words in lower case, for guessing the genre.
    """

    beings: tuple[Noun, ...] = ()
    things: tuple[Noun, ...] = ()
    places: tuple[Noun, ...] = ()
    deed: str = ""
    want: str = ""
    told: tuple[Retold, ...] = ()
    verbs: frozenset[str] = frozenset()
    main: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    orders: bool = False


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
    syntax = parse(tokens, known)
    names = find_names(tokens, known)
    tokens = _capitalised(tokens, names)
    nouns = _merge(names + find_phrases(tokens, syntax, known), tokens, known)
    beings = tuple(noun for noun in nouns if noun.kind in {"person", "animal", "being", "group"})
    beings = (*beings[:1], *(_band(noun) for noun in beings[1:]))
    told = retell(tokens, syntax, known) if len(tokens) <= _MOST_TOLD else []
    deed = _deed(tokens, syntax, nouns)
    deed = "" if deed and any(_continues(one) for one in told[1:2]) else deed
    told = _joined(_as_names([one for one in told if one.start or not deed], {found.start for found in names}))
    if beings and not deed and told and told[0].kind == "fragment":
        beings, told, deed = _deed_of_fragment(beings, told)
    things = [noun for noun in nouns if noun.kind == "thing"]
    return Facts(
        beings=_with_pronoun(beings, words),
        things=tuple(sorted(things, key=lambda noun: noun.rank) if len(tokens) <= _SHORT else things),
        places=tuple(noun for noun in nouns if noun.kind == "place"),
        deed=deed,
        want=_want(tokens, syntax),
        told=tuple(told),
        verbs=frozenset(_verbs(words, known)),
        main=frozenset(syntax.main),
        words=frozenset(words),
        orders=0 in syntax.bare,
    )


def _capitalised(tokens: list[Token], names: list[Found]) -> list[Token]:
    """Write names as names, also in texts without capitals."""
    lower_case = all(token.text.islower() for token in tokens)
    at = {index for found in names for index in range(found.start, found.end)}
    return [
        replace(token, plain=token.plain[0].upper() + token.plain[1:])
        if index in at and token.text.islower() and (lower_case or token.lower not in PARTICLES)
        else token
        for index, token in enumerate(tokens)
    ]


def _as_names(told: list[Retold], named: set[int]) -> list[Retold]:
    """Begin with a capital what begins with a name that is a noun as well: "Pearl wanted to cross"."""
    return [replace(one, text=one.text[:1].upper() + one.text[1:]) if one.start in named else one for one in told]


def _continues(told: Retold) -> bool:
    """Tell whether a sentence makes sense only directly after the one before: "Or all of them are.", "So is she."."""
    return told.kind == "event" and told.text.split(" ", 1)[0].lower().rstrip(",") in _CONTINUING


def _joined(told: list[Retold]) -> list[Retold]:
    """Keep sentences together that make sense only together."""
    joined: list[Retold] = []
    for one in told:
        if joined and joined[-1].kind == "event" and _continues(one):
            text = f"{joined[-1].text}. {one.text[0].upper()}{one.text[1:]}"
            joined[-1] = replace(joined[-1], text=text)
        else:
            joined.append(one)
    return joined


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
    if len(tokens) > _SHORT:  # a long text: what it speaks of most is what it is about
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
        if _named_before(joined, item, tokens):
            continue
        owner = bool(last and last.noun.name and tokens[last.end - 1].genitive)  # "Hana's grandfather" is not Hana
        if last and not owner and _named_one_by_one(last.noun, item.noun, [token.lower for token in gap]):
            joined[-1] = Found(last.start, item.end, replace(last.noun, company=(*last.noun.company, item.noun.name)))
            continue
        if last and not owner and _apposed(last.noun, item.noun, [token.lower for token in gap]):
            joined[-1] = Found(last.start, item.end, _join(last.noun, item.noun))
            _join_apposition(joined, tokens)
            continue
        joined.append(item)
    return joined


def _join_apposition(joined: list[Found], tokens: list[Token]) -> None:
    """Take "her oldest enemy, the judge Abelard" for one: the last two found, if the first has no name."""
    if len(joined) < 2:
        return
    first, second = joined[-2:]
    begins = tokens[second.start]
    apart = first.end != second.start or not begins.breaks or begins.lower != "the"
    if not apart and tokens[first.start].lower in _THEIRS and _apposed(first.noun, second.noun, []):
        joined[-2:] = [Found(first.start, second.end, _join(first.noun, second.noun))]


def _named_before(joined: list[Found], item: Found, tokens: list[Token]) -> bool:
    """Tell whether the names of several stand before what they are: "Juniper and Ash, two witches"."""
    several = joined[-item.noun.count :] if item.noun.count > 1 and item.noun.kind == "person" else []
    named = len(several) == item.noun.count and all(one.noun.name and one.noun.kind == "person" for one in several)
    return named and several[-1].end == item.start and tokens[item.start].breaks


def _named_one_by_one(first: Noun, second: Noun, gap: list[str]) -> bool:
    """Tell whether the names of several follow what they are: "the twins Pip and Juno"."""
    several = first.kind in {"person", "animal", "being"} and (first.plural or first.count > 1) and not first.name
    between = gap in ([], ["named"], ["called"]) if not first.company else gap in ([], ["and"])
    return several and second.kind == "person" and bool(second.name) and second.name == second.head and between


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


def _allowed(tokens: list[Token], syntax: Syntax, at: int) -> int:
    """Return where the goal begins in "has one day to find the bell"; 0 if nothing of the kind follows."""
    end = min(at + 6, len(tokens) - 1)
    return next((i + 1 for i in range(at + 2, end) if tokens[i].lower == "to" and i + 1 in syntax.bare), 0)


def _sentence_end(tokens: list[Token], start: int) -> int:
    end = start + 1
    while end < len(tokens) and not tokens[end].starts:
        end += 1
    return end


def _clause_end(tokens: list[Token], start: int) -> int:
    """Return where the clause from `start` ends: at the end of the sentence or the next break."""
    end = start + 1
    while end < len(tokens) and not tokens[end].breaks:
        end += 1
    return end


def _deed(tokens: list[Token], syntax: Syntax, nouns: list[Noun]) -> str:
    """Return what the first being does, if the first sentence is "somebody does something"."""
    first = next((noun for noun in nouns if noun.kind in {"person", "animal", "being"}), None)
    if first is None or first.count > 1 or (first.plural and not first.name):
        return ""
    end = _sentence_end(tokens, 0)
    verb = min((at for at in syntax.finite if at < end), default=end)
    subject = main_subject(syntax, 0, end)
    if subject is None or subject.end > verb or end - verb < 2 or tokens[end - 1].asks:
        return ""
    before = tokens[:verb]
    if any(token.lower in FORBIDDEN for token in tokens[:end]) or any(token.lower in _OTHERS for token in before):
        return ""
    if any(token.breaks and token.lower in _participles() for token in before[1:]):
        return ""  # "an accountant, tired of numbers, moves": a name or trade may stand between commas, no more
    if _timed(tokens, syntax):
        return ""
    core = list(takewhile(lambda token: token.lower not in PLACE_PREPS, before))
    wanted = (first.name or first.head).lower().split()[-1]
    named = any(token.lower == wanted and not token.genitive for token in core) and len(before) <= _LONGEST_SUBJECT
    return past_text(tokens, syntax, verb, end) if named else ""


def _timed(tokens: list[Token], syntax: Syntax) -> bool:
    """Tell whether a text begins with a time or a place, and not with who acts: "Every night a nurse", "In a shop"."""
    first = syntax.groups[0]
    last = tokens[first.end - 1].lower
    return bool(first.prep) or last in IGNORED or vocabulary().kind(last) == "abstract"


def _participles() -> frozenset[str]:
    known = vocabulary()
    return (known.adjectives | frozenset(known.past_forms)) - known.titles


def _band(noun: Noun) -> Noun:
    """Take animals that nobody counts for a group: bees are spoken of, and none of them is the hero's friend."""
    return replace(noun, kind="group") if noun.kind == "animal" and noun.plural and noun.count == 1 else noun


def _deed_of_fragment(beings: tuple[Noun, ...], told: list[Retold]) -> tuple[tuple[Noun, ...], list[Retold], str]:
    """Read "a locksmith who finds a clock" as "a locksmith finds a clock"; what describes somebody stays with them."""
    first = beings[0]
    whole = f"{first.phrase} {first.detail}".strip().lower()
    if not first.detail or not told[0].text.lower().endswith(whole):
        return beings, told, ""
    verb, *_ = clause = first.detail.split()[1:]
    if verb in _DESCRIBING or first.plural:
        return beings, told[1:], ""
    return (replace(first, detail=""), *beings[1:]), told[1:], " ".join(clause)


def _want(tokens: list[Token], syntax: Syntax) -> str:
    """Return what is wanted or must be done, as an infinitive without "to"."""
    for index, token in enumerate(tokens[:60]):
        following = tokens[index + 1].lower if index + 1 < len(tokens) else ""
        wishing = syntax.verbs.get(index, "") in _WISHES or (token.lower in {"has", "have", "had"})
        if index in syntax.bare and tokens[index].starts:
            start = index
        elif wishing and following == "to" and index + 2 in syntax.bare:
            start = index + 2
        elif token.lower in {"has", "have", "had"} and (allowed := _allowed(tokens, syntax, index)):
            start = allowed
        elif token.lower == "must" and index + 1 in syntax.bare:
            start = index + 1
        else:
            continue
        end = _clause_end(tokens, start)
        end = min([at - 1 for at in syntax.finite if start < at < end and tokens[at - 1].lower in _JOINED] or [end])
        said = {item.lower for item in tokens[start:end]}
        found = past_text(tokens, syntax, start, end) if end - start <= 20 and not said & FORBIDDEN else ""
        if found and found != "be":
            return found[0].lower() + found[1:]
    return ""

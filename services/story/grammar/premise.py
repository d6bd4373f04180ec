"""Finds people, places, things, deeds and wishes in a premise or a source text by light rules. Pure.

It reads English. From other languages it takes the names it is sure of, and the author's genre does the rest.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace

from services.story.grammar.past import infinitive, past_clause
from services.story.grammar.vocabulary import Kind, Vocabulary, vocabulary

READ_AT_MOST = 20_000  # characters of a source text that are looked at


@dataclass(frozen=True, slots=True)
class Noun:
    """Something a text names.

    Attributes:
        kind: What it is.
        head: The last word of its noun phrase ("keeper", "map"); the name for names.
        phrase: The noun phrase without its article ("old lighthouse keeper").
        name: The proper name, if it has one.
        plural: Whether it stands in the plural.
        count: How many there are, where a number says so; 1 otherwise.
        prep: The preposition before it.
        detail: A relative clause about it in the past tense ("who was afraid of the dark").
        pronoun: "she" or "he" if known.
        times: How often it occurs.
    """

    kind: Kind
    head: str
    phrase: str
    name: str = ""
    plural: bool = False
    count: int = 1
    prep: str = ""
    detail: str = ""
    pronoun: str = ""
    times: int = 1


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


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    breaks: bool  # a punctuation mark stands before it
    starts: bool  # it begins a sentence
    genitive: bool  # it ended in "'s"

    @property
    def lower(self) -> str:
        return self.text.lower()


_TOKEN = re.compile(r"[^\W\d_]+(?:[-’'][^\W_]+)*(?:-\d+)?|\d+|[.!?:;,\n\"“”()]")
_PREAMBLE = re.compile(
    r"^\s*(?:please\s+)?(?:(?:can|could) you\s+)?(?:i(?:'d| would)? (?:want|like|need)\s+|(?:write|tell|make|give)\s+)"
    r"(?:to (?:read|hear)\s+)?(?:me\s+|us\s+)?(?:an?|the)\s+(?:[\w-]+\s+){0,3}?(?:story|tale)\s+(?:about|of|in which|where)\s+",
    re.IGNORECASE,
)
_DETERMINERS = frozenset(
    "a an the his her its their my your our this that these those some every each no one another".split()
)
_PLACE_PREPS = frozenset(
    "in at to from near into through inside outside across towards toward around above below under of on".split()
)
_HER = {"her": "she", "she": "she", "herself": "she", "his": "he", "he": "he", "him": "he", "himself": "he"}
_IGNORED = frozenset(
    "story tale author reader hero heroine character protagonist name something way lot bit day night morning evening year time man-made i'd lol please part end thanks".split()
)
_WISHES = frozenset(
    "want wish hope decide try long dream plan swear yearn learn need promise refuse dare begin agree".split()
)
_MAKING = frozenset("find discover steal build buy inherit lose sell own draw paint repair invent make hide".split())
_LINKS = frozenset("of named called".split())


def read(text: str) -> Facts:
    """Find what `text` is about; it may be anything, and the result may be empty."""
    known = vocabulary()
    text = _PREAMBLE.sub("", text[:READ_AT_MOST])
    text = re.sub(r"<[^>]{0,80}>", " ", text)
    if text.isupper():
        text = text.lower()
    tokens = _tokens(text)
    words = [token.lower for token in tokens]
    if _is_foreign(words, known):
        return Facts(beings=_sure_names(tokens, known))
    nouns = _merge(_names(tokens, known) + _phrases(tokens, known), tokens, known)
    beings = tuple(noun for noun in nouns if noun.kind in {"person", "animal", "being", "group"})
    verbs = frozenset(_verbs(words, known))
    return Facts(
        beings=_with_pronoun(beings, words, known),
        things=tuple(noun for noun in nouns if noun.kind == "thing"),
        places=tuple(noun for noun in nouns if noun.kind == "place"),
        deed=_deed(tokens, nouns, known),
        want=_want(tokens, known),
        verbs=verbs,
        words=frozenset(words),
    )


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    breaks = starts = True
    for piece in _TOKEN.findall(text):
        if not piece[0].isalnum():
            breaks = True
            starts = starts or piece in '.!?:\n"“”'
            continue
        word = piece.replace("’", "'")
        genitive = word.endswith("'s")
        tokens.append(_Token(word.removesuffix("'s"), breaks, starts, genitive))
        breaks = starts = False
    return tokens


def _is_foreign(words: list[str], known: Vocabulary) -> bool:
    """Tell whether the text is in another language, by its small words."""
    if not words:
        return False
    if sum(word.isascii() for word in words) < len(words) / 2:
        return True
    other = sum(word in known.foreign and word not in known.function for word in words)
    english = sum(known.known(word) for word in words)
    return other >= 2 and other * 2 > english


def _sure_names(tokens: list[_Token], known: Vocabulary) -> tuple[Noun, ...]:
    """Take from a foreign text only what is certainly a first name."""
    found = {token.text: None for token in tokens if token.text.istitle() and token.lower in known.names}
    return tuple(
        Noun("person", name, name, name=name, pronoun=known.name_gender(name)) for name in found
        if name.lower() not in known.foreign
    )[:4]  # fmt: skip


# Names ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """A noun with the position of its first token and the one after its last."""

    start: int
    end: int
    noun: Noun


def _names(tokens: list[_Token], known: Vocabulary) -> list[_Found]:
    found: list[_Found] = []
    index = 0
    lower_case = all(token.text.islower() for token in tokens)
    while index < len(tokens):
        end = _name_end(tokens, index, known, lower_case=lower_case)
        if end > index:
            noun = _named(tokens, index, end, known)
            if noun is not None:
                found.append(_Found(index, end, noun))
            index = end
        else:
            index += 1
    return found


def _name_end(tokens: list[_Token], index: int, known: Vocabulary, *, lower_case: bool) -> int:
    """Return where the name that starts at `index` ends; `index` if none does."""
    if lower_case:
        before = tokens[index - 1].lower if index else ""
        first = tokens[index].lower
        called = before in {"named", "called"} and first not in known.function
        sure = first in known.names and not known.known(first) and before not in _DETERMINERS
        return index + 1 if called or sure or first in known.gazetteer else index
    end = index
    while end < len(tokens) and _capital(tokens[end]) and (end == index or not tokens[end].breaks):
        end += 1
        if tokens[end - 1].genitive:
            break
    if end > index and tokens[index].starts and not _may_start_name(tokens, index, end, known):
        return index
    return end


def _capital(token: _Token) -> bool:
    return token.text[0].isupper() and token.lower not in {"i", "i'm", "i'd", "i'll", "i've"}


def _may_start_name(tokens: list[_Token], index: int, end: int, known: Vocabulary) -> bool:
    """Tell whether a capital at the start of a sentence belongs to a name and not to an ordinary word."""
    token = tokens[index]
    if end - index > 1:
        return token.lower not in known.function and (token.lower not in known.numbers)
    if token.lower in known.names or token.text.isupper() and len(token.text) > 1:
        return token.lower not in known.function
    if known.known(token.lower):
        return False
    following = tokens[end] if end < len(tokens) else None
    if token.genitive:
        return True
    return following is not None and (
        following.breaks or following.lower in {"and", "or"} or _verb_form(following.lower, known)
    )


def _verb_form(word: str, known: Vocabulary) -> bool:
    modal = "is was are were has had can could will would must does did may might should cannot have".split()
    return word in modal or word in known.third_forms or word in known.past_forms


def _named(tokens: list[_Token], start: int, end: int, known: Vocabulary) -> Noun | None:
    """Decide what a run of capitalised words names."""
    run = [token.text for token in tokens[start:end]]
    lower = [word.lower() for word in run]
    if all(word in known.function or word in _IGNORED for word in lower):
        return None
    run = [word if word[0].isupper() else word.capitalize() for word in run]
    name = " ".join(run)
    before = tokens[start - 1].lower if start and not tokens[start].breaks else ""
    kinds = [known.kind(word) for word in lower]
    if len(run) == 1 and lower[0] in known.gazetteer:
        return Noun("place", name, name, name=name, prep=before if before in {"in", "at", "on"} else "in")
    if len(run) == 1 and kinds[0] and lower[0] not in known.names:
        return None  # an ordinary noun in capitals: the phrases see it
    if "place" in kinds[1:] + kinds[-1:] and kinds[0] != "person" and not any(word in known.names for word in lower):
        prep = before if before in {"in", "at", "on"} else ""
        article = "the " if before == "the" else ""
        head = next(word for word, kind in zip(lower, kinds, strict=True) if kind == "place")
        return Noun("place", head, article + name, name=article + name, prep=prep or known.preps.get(head, "in"))
    person = any(word in known.names or word in known.titles for word in lower) or "person" in kinds
    if not person and _place_before(tokens, start, known):
        article = "the " if before == "the" else ""
        return Noun("place", name, article + name, name=article + name, prep="in")
    if not person and before == "the":
        return None
    return _person(run, lower, known)


def _place_before(tokens: list[_Token], start: int, known: Vocabulary) -> bool:
    """Tell whether a preposition of place stands before, with or without an article."""
    if not start or tokens[start].breaks:
        return False
    before = tokens[start - 1].lower
    if before == "the" and start > 1:
        before = tokens[start - 2].lower
    return before in _PLACE_PREPS or known.kind(before) == "place" and before != "house"


def _person(run: list[str], lower: list[str], known: Vocabulary) -> Noun:
    """Make a person of a run of words, with a rank or trade before the name if there is one."""
    cut = 0
    while cut < len(run) - 1 and (known.kind(lower[cut]) == "person" or lower[cut] in known.adjectives - known.titles):
        cut += 1
    trade = " ".join(lower[:cut])
    titled = cut > 0 and len(run) - cut == 1 and known.kind(lower[cut - 1]) == "person"
    name = " ".join(run if titled or cut == 0 else run[cut:])
    head = lower[cut - 1] if cut else name
    gender = (
        known.gender(head) or next((g for w in lower[cut:] if (g := known.name_gender(w))), "") or _titled(lower[0])
    )
    return Noun("person", head, trade or name, name=name, pronoun=gender)


def _titled(title: str) -> str:
    if title in {"mr", "sir", "lord", "uncle", "monsieur", "father", "brother"}:
        return "he"
    return "she" if title in {"mrs", "ms", "miss", "lady", "dame", "madame", "aunt", "auntie", "sister"} else ""


# Noun phrases --------------------------------------------------------------------------------------------------------


def _phrases(tokens: list[_Token], known: Vocabulary) -> list[_Found]:
    found: list[_Found] = []
    index = 0
    while index < len(tokens):
        phrase = _phrase_at(tokens, index, known)
        if phrase is None:
            index += 1
        else:
            found.append(phrase)
            index = phrase.end
    return found


def _phrase_at(tokens: list[_Token], index: int, known: Vocabulary) -> _Found | None:
    """Read the noun phrase that starts at `index`, if one does."""
    token = tokens[index]
    count = known.numbers.get(token.lower, 1)
    opened = token.lower in _DETERMINERS or count > 1 or token.genitive
    start = index + 1 if opened else index
    end = _phrase_end(tokens, start, known)
    words = [item.lower for item in tokens[start:end]]
    head_at = _head(words, known)
    if head_at < 0:
        if not opened or not words or not words[-1].isalpha() or words[-1] in known.verbs | known.adjectives:
            return None
        head_at = len(words) - 1
    return _found(tokens, index, start, words[: head_at + 1], count, known)


def _phrase_end(tokens: list[_Token], start: int, known: Vocabulary) -> int:
    end = start
    while end < len(tokens) and end - start < 5:
        token = tokens[end]
        nouns = end > start and any(known.guess(item.lower) for item in tokens[start:end])
        if end > start and token.breaks or token.lower in known.function or token.lower in known.numbers:
            break
        if token.text[0].isupper() and not token.starts and not known.guess(token.lower):
            break
        if nouns and _acts(token.lower, tokens[end - 1].lower, known):
            break
        end += 1
        if token.genitive:
            break
    return end


def _acts(word: str, before: str, known: Vocabulary) -> bool:
    """Tell whether `word`, after a noun, is the verb of that noun."""
    if word in known.third_forms or word in known.past_forms and word not in known.adjectives:
        return True
    return word in known.verbs and known.is_plural(before) and not known.kind(word)


def _head(words: list[str], known: Vocabulary) -> int:
    """Return the position of the last known noun; -1 if there is none."""
    for index in range(len(words) - 1, -1, -1):
        kind = known.guess(words[index])
        alone_as_verb = words[index] in known.verbs and index == 0 and len(words) > 1
        if kind and not alone_as_verb:
            return index
    return -1


def _found(
    tokens: list[_Token], index: int, start: int, words: list[str], count: int, known: Vocabulary
) -> _Found | None:
    end = start + len(words)
    head = " ".join(words[-2:]) if len(words) > 1 and known.kinds.get(" ".join(words[-2:])) else words[-1]
    prep = _before(tokens, index)
    kind = known.guess(head) or _kind_by_place(prep, tokens, index, end, known)
    possessor = tokens[end - 1].genitive and tokens[end - 1].text.islower()  # its phrase names what it possesses
    if possessor or head in _IGNORED or kind in {"abstract", ""}:
        return None
    if tokens[index].lower == "no" or len(head) < 2:
        return None
    phrase = " ".join([*(word for word in words[:-1] if _modifier(word, known)), words[-1]])
    kind = _by_use(kind, head, prep, known)
    if kind in {"person", "animal"} and prep in {"be", "become", "becomes", "became", "as", "being"}:
        return None
    if tokens[index].genitive and tokens[index].text.islower():
        phrase = f"{tokens[index].text}'s {phrase}"
    noun = Noun(kind, head, phrase, plural=known.is_plural(words[-1]), count=count, prep=prep,
                detail=_relative(tokens, end, known), pronoun=known.gender(head))  # fmt: skip
    return _Found(start if tokens[index].genitive else index, end, noun)


def _before(tokens: list[_Token], index: int) -> str:
    """Return the word that leads to the phrase at `index`, past an article; "" at a break."""
    if not index or tokens[index].breaks:
        return ""
    before = tokens[index - 1].lower
    return tokens[index - 2].lower if before in {"a", "an", "the"} and index > 1 else before


def _by_use(kind: Kind, head: str, prep: str, known: Vocabulary) -> Kind:
    """Take a place that is found, lost or made, or that no preposition leads to, for a thing."""
    verb = known.third_forms.get(prep) or known.past_forms.get(prep) or prep
    if kind == "place" and verb in _MAKING:
        return "thing"
    return "thing" if kind == "place" and head in known.both and prep not in _PLACE_PREPS else kind


def _modifier(word: str, known: Vocabulary) -> bool:
    """Tell whether a word before a noun is surely a word: misspelt ones are left out."""
    if word in known.third_forms and not known.kind(word):
        return False
    return known.known(word) or "-" in word or len(word) > 4


def _kind_by_place(prep: str, tokens: list[_Token], index: int, end: int, known: Vocabulary) -> Kind:
    """Judge an unknown noun by where it stands: who acts is somebody, what is acted on is something."""
    following = tokens[end].lower if end < len(tokens) and not tokens[end].breaks else ""
    if following == "who":
        return "person"
    if index == 0 and following in known.third_forms and tokens[index].lower in {"a", "an"}:
        return "person"
    if prep in {"in", "at", "near", "into"}:
        return ""
    return "thing" if prep in known.third_forms or prep in known.verbs or prep in known.past_forms else ""


def _relative(tokens: list[_Token], end: int, known: Vocabulary) -> str:
    """Return the relative clause that starts at `end` in the past tense, or ""."""
    if end >= len(tokens) or tokens[end].lower not in {"who", "that", "which"} or tokens[end].starts:
        return ""
    stop = end + 1
    while stop < len(tokens) and not tokens[stop].breaks and stop - end <= 12:
        stop += 1
    if stop < len(tokens) and not tokens[stop].breaks:
        return ""
    clause = [token.text + ("'s" if token.genitive else "") for token in tokens[end + 1 : stop]]
    cut = _main_verb_after_relative(clause, known)
    turned = past_clause(clause[:cut], known)
    return f"{tokens[end].lower} {turned}" if turned else ""


def _main_verb_after_relative(clause: list[str], known: Vocabulary) -> int:
    """Return where the relative clause ends because the sentence's own verb begins (after a noun)."""
    for index in range(2, len(clause)):
        word, before = clause[index].lower(), clause[index - 1].lower()
        linked = before in known.function
        if not linked and (word in known.third_forms or word in {"is", "was", "must", "has", "can", "wants"}):
            return index
    return len(clause)


# Putting together ----------------------------------------------------------------------------------------------------


def _merge(found: list[_Found], tokens: list[_Token], known: Vocabulary) -> list[Noun]:
    """Join names with the trades beside them, and repeated mentions of one thing, in order of appearance."""
    merged: dict[str, Noun] = {}
    taken: list[_Found] = sorted(found, key=lambda item: (item.start, -item.end))
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
    if len(found) > 20:  # a long text: what it speaks of most is what it is about
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


def _join_neighbours(found: list[_Found], tokens: list[_Token]) -> list[_Found]:
    """Join "the weaver" and "Maud", "a girl called Pim", "her dog Biscuit" to one."""
    joined: list[_Found] = []
    for item in found:
        last = joined[-1] if joined else None
        if last and item.start < last.end:
            if item.noun.name and not last.noun.name:
                joined[-1] = item
            continue
        gap = tokens[last.end : item.start] if last else []
        if last and _apposed(last.noun, item.noun, [token.lower for token in gap]):
            joined[-1] = _Found(last.start, item.end, _join(last.noun, item.noun))
            continue
        joined.append(item)
    return joined


def _apposed(first: Noun, second: Noun, gap: list[str]) -> bool:
    """Tell whether two neighbours, with the words `gap` between them, speak of one and the same."""
    people = {"person", "animal", "being"}
    if first.kind == second.kind == "place" and gap and gap[0] in _LINKS and len(gap) == 1:
        return not first.name and bool(second.name)
    if first.kind not in people or second.kind not in people or first.count > 1 or first.plural:
        return False
    linked = not gap or gap in (["named"], ["called"])
    return linked and bool(first.name) != bool(second.name)


def _join(first: Noun, second: Noun) -> Noun:
    plain, named = (second, first) if first.name else (first, second)
    head = plain.head if named.kind != "place" else plain.head
    name = named.name
    return replace(
        plain, head=head, name=name, pronoun=plain.pronoun or named.pronoun, detail=plain.detail or named.detail
    )


def _with_pronoun(beings: tuple[Noun, ...], words: list[str], known: Vocabulary) -> tuple[Noun, ...]:
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


def _clause(tokens: list[_Token], start: int) -> list[_Token]:
    """Return the tokens from `start` to the end of the sentence or the next comma."""
    end = start
    while end < len(tokens) and (end == start or not tokens[end].breaks):
        end += 1
    return tokens[start:end]


def _plain(tokens: list[_Token]) -> list[str]:
    return [token.text + ("'s" if token.genitive else "") for token in tokens]


def _deed(tokens: list[_Token], nouns: list[Noun], known: Vocabulary) -> str:
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
        start += 2 if tokens[start + 1].lower not in _DETERMINERS else 3
    apposed = tokens[at].breaks and at > 0  # "a fisherman's daughter, Sunniva, finds a bell"
    if start >= len(tokens) or (tokens[start].breaks and not apposed) or not _verb_form(tokens[start].lower, known):
        return ""
    if any(token.starts for token in tokens[1 : at + 1]):
        return ""
    return past_clause(_plain(_clause(tokens, start)), known)


def _want(tokens: list[_Token], known: Vocabulary) -> str:
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
        if found and len(found.split()) > 1:
            return found
    return ""

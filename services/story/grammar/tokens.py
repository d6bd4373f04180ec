"""Cuts a text into words that know where they stand. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from services.story.grammar.english import words
from services.story.grammar.vocabulary import Kind, Vocabulary

_TOKEN = re.compile(
    r"\bSt\.(?=\s[^\W\d_])|[^\W\d_]+(?:[-’'][^\W_]+)*(?:(?<=s)[’'](?=\s+\w))?(?:-\d+)?|\d+|[.!?:;,\n\"“”()]|[–—]| - "
)
_ABBREVIATED = re.compile(r"\b(Mr|Mrs|Ms|Dr|Prof|Capt|Sgt|Lt)\.(?=\s)", re.IGNORECASE)
DETERMINERS = words("a an the his her its their my your our this these those some every each no one another")
PLACE_PREPS = words(
    "in at to from near into through inside outside across towards toward around above below under of on aboard onto "
    "beneath underneath behind beside beyond over along between among amid atop upstairs within off past opposite"
)
_CONTRACTED = re.compile(
    r"\b(he|she|it|they|there|that|who|what|where|here)[’'](s|re|ve|ll|d)\b(?: ([a-z]+))?", re.IGNORECASE
)
_PERFECT = words("been had got gone become")
_IN_FULL = {"s": "is", "re": "are", "ve": "have", "ll": "will", "d": "would"}
IGNORED = words(
    "story tale author reader hero heroine character protagonist name something way lot bit day night morning "
    "evening monday tuesday wednesday thursday friday saturday sunday january february march april june july august "
    "september october november december christmas easter year time man-made i'd lol please part end thanks"
)


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text, and where it stands."""

    text: str
    breaks: bool  # a punctuation mark stands before it
    starts: bool  # it begins a sentence
    genitive: bool  # it ended in "'s"
    mark: str = ""  # the last punctuation mark before it
    plain: str = ""  # the word as it was written
    asks: bool = False  # a question mark stands behind it

    @property
    def lower(self) -> str:
        """The word in lower case."""
        return self.text.lower()


@dataclass(frozen=True, slots=True)
class Noun:
    """Something a text names.

    Attributes:
        kind: What it is.
        head: The noun without its adjectives ("keeper", "fire engine"); the name for names.
        phrase: The noun phrase without its article ("old lighthouse keeper").
        name: The proper name, if it has one.
        plural: Whether it stands in the plural.
        count: How many there are, where a number says so; 1 otherwise.
        prep: The preposition before it.
        detail: A relative clause about it in the past tense ("who was afraid of the dark").
        pronoun: "she" or "he" if known.
        times: How often it occurs.
        rank: 0 for subject and objects of main clauses, 2 for anything else.
        verb: Base of the verb whose object it is.
        held: Whether it is surely a thing that can be held or carried.
        company: The names of several of the kind, of whom this is the first ("the twins Pip and Juno").
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
    rank: int = 2
    verb: str = ""
    held: bool = False
    company: tuple[str, ...] = ()

    @property
    def core(self) -> str:
        """The last word of the head: "engine" of "fire engine"."""
        return self.head.rsplit(" ", 1)[-1]


@dataclass(frozen=True, slots=True)
class Found:
    """A noun with the position of its first token and the one after its last."""

    start: int
    end: int
    noun: Noun


def is_capital(token: Token) -> bool:
    """Tell whether a word is written as names are: "Ingeborg", "d'Aulnay"."""
    return token.text[0].isupper() or (token.text[:2] in {"d'", "l'"} and token.text[2:3].isupper())


def in_full(text: str) -> str:
    """Write contracted verbs in full: "he's sure" is "he is sure", "there's been" is "there has been"."""

    def written(match: re.Match[str]) -> str:
        verb, following = match[2].lower(), match[3]
        perfect = (following or "").lower() in _PERFECT
        full = {"s": "has", "d": "had"}.get(verb, _IN_FULL[verb]) if perfect else _IN_FULL[verb]
        return f"{match[1]} {full}" + (f" {following}" if following else "")

    return _CONTRACTED.sub(written, text)


def tokenise(text: str) -> list[Token]:
    """Cut a text into words."""
    tokens: list[Token] = []
    breaks = starts = True
    mark = ""
    for piece in _TOKEN.findall(_ABBREVIATED.sub(r"\1", in_full(text))):
        if not piece[0].isalnum():  # "St." keeps its point: it is part of how a place is spelt
            breaks, mark = True, piece.strip()
            if piece == "?" and tokens:
                tokens[-1] = replace(tokens[-1], asks=True)
            starts = starts or piece in '.!?:\n"“”'
            continue
        word = piece.replace("’", "'")
        if tokens and not breaks and tokens[-1].text == word:
            continue  # a word twice is a slip of the pen
        genitive = word.endswith(("'s", "s'"))
        tokens.append(
            Token(word.removesuffix("'s").removesuffix("'").removesuffix("."), breaks, starts, genitive, mark, word)
        )
        breaks = starts = False
        mark = ""
    return tokens


def is_foreign(words: list[str], known: Vocabulary) -> bool:
    """Tell whether the text is in another language, by its small words."""
    if not words:
        return False
    if sum(word.isascii() for word in words) < len(words) / 2:
        return True
    other = sum(word in known.foreign and word not in known.function for word in words)
    english = sum(known.known(word) for word in words)
    return other >= 2 and other * 2 > english

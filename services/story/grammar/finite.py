"""Tells the finite verb that a clause waits for from the noun or participle it may also be. Pure."""

from __future__ import annotations

from services.story.grammar.clauses import (
    JOINING,
    MANY,
    ONE,
    PREPOSITIONS,
    RELATIVE,
    SINGULAR,
    SOFT,
    SUBORDINATE,
    Clause,
    Group,
    Syntax,
    Text,
    ends_group,
)
from services.story.grammar.english import words
from services.story.grammar.tokens import DETERMINERS
from services.story.grammar.verbs import AUXILIARIES, compound_past, past_of_third, regular_past
from services.story.grammar.vocabulary import Vocabulary

_LONGEST_CLAUSE = 40  # words looked ahead: a text without punctuation must not take for ever
_POINTING = words("a an the his her its their my your our this these those every each no some any one two three")
_PARTICLES = words("away up off out back down over home")
_NOUNS_TOO = words(
    "lights walks dances cries drops answers fights plans plants tricks tests plays shows smells tastes wishes works "
    "races pushes pulls waits rests turns returns visits calls looks rides runs steps stops starts burns bites blows "
    "breaks builds catches changes claims climbs costs covers cures dares deals dreams drinks drives falls fears feeds "
    "finds fires flies guards guesses guides hands hopes hunts jumps kisses knocks lands leads lies loves matches "
    "measures minds moves needs notices offers orders paints plots promises questions raises reaches repairs reports "
    "rewards rules sails sales searches seats shakes shares shines shots signs slips smiles stands stays sticks storms "
    "swaps swims talks trades trains travels trusts uses voices walls wants watches winds wins worries wounds"
)
_BEGINNING = words("start begin stop keep finish")
_WEAK_BEFORE = words("them us it him her me again alone once away home back up down out now then there here too")


class FiniteVerbs:
    """Judges words of one text.

    Args:
        text: The words.
        found: What the parser has found so far.
        known: The word lists.
    """

    def __init__(self, text: Text, found: Syntax, known: Vocabulary) -> None:
        self._text = text
        self._found = found
        self._known = known
        self._clause = Clause()

    def form(self, clause: Clause, at: int, *, after_noun: bool) -> tuple[str, str]:
        """Return past tense and base of the finite verb at `at`; two empty strings if it is none."""
        self._clause, number = clause, clause.number
        known, token = self._known, self._text.tokens[at]
        word = token.lower
        none = ("", "")
        if (
            not (self._clause.pending or self._clause.maybe)
            or token.genitive
            or word in known.function
            or token.text[0].isupper()
        ):
            return none
        number_before = self._text.word(at - 1) in known.numbers and not self._text.is_name(at - 1)
        if self._text.word(at - 1) in DETERMINERS | PREPOSITIONS or number_before:
            return none
        if (
            (base := known.third_forms.get(word))
            and number != "many"
            and self._is_verb(at, word, after_noun=after_noun)
        ):
            return known.past(base), base
        if base := self._past_base(at, word):
            return word, base
        if word in known.verbs and self._is_plain_verb(at, word, number):
            return known.past(word), word
        if number != "many" and self._is_noun_verb(at, word, after_noun=after_noun):
            return past_of_third(word)
        if number == "many" and self._is_unknown_plain(at, word, after_noun=after_noun):
            return regular_past(word), word
        if (
            word.endswith("s")
            and number != "many"
            and not known.known(word)
            and self._is_unknown_verb(at, word, after_noun=after_noun)
        ):
            _, base = past_of_third(word)
            return compound_past(base, known), base
        return none

    def _is_noun_verb(self, at: int, word: str, *, after_noun: bool) -> bool:
        """Tell whether a plural noun is a verb here: "Wiremu hooks a bottle", "it lists every name", "who coaches"."""
        if not word.endswith("s") or word.endswith("ss") or len(word) < 4 or word in self._known.third_forms:
            return False
        before, following = self._text.word(at - 1), self._text.next(at)
        if self._text.tokens[at].breaks:
            return False
        if before in words("he she it who which"):
            return following in _POINTING | PREPOSITIONS | {"it", "him", "them", "up"} or not following
        return after_noun and following in _POINTING and (self._being_before(at) or self._needed())

    def _needed(self) -> bool:
        """Tell whether the clause around a finished relative clause still waits: "a janitor who collects … falls"."""
        clause = self._clause
        return bool(clause.deep and clause.pending == 1 and clause.subject is not None and clause.verb)

    def _being_before(self, at: int) -> bool:
        """Tell whether somebody stands directly before: a name, a pronoun, a person or an animal."""
        before = self._text.word(at - 1)
        if before in ONE | RELATIVE or (
            at and self._text.tokens[at - 1].text[0].isupper() and before in self._known.names
        ):
            return True
        bare = self._found.groups and self._found.groups[-1].end == at and self._nameless(self._found.groups[-1])
        return (
            self._text.is_name(at - 1)
            or bool(bare)
            or self._known.guess(before) in {"person", "animal", "being", "group"}
        )

    def _nameless(self, group: Group) -> bool:
        """Tell whether a group at a sentence's start can only be a name in lower case: no article, no known word."""
        inside = [self._text.word(at) for at in range(group.start, group.end)]
        return self._text.tokens[group.start].starts and not any(self._known.known(word) for word in inside)

    def _is_verb(self, at: int, word: str, *, after_noun: bool) -> bool:
        """Tell whether a third person singular is the verb here, and not a plural noun."""
        joined = self._text.word(at - 1) in JOINING or self._text.word(at - 1).endswith("ly")
        joined = joined or self._text.word(at - 1) in words("who which that never always only also still often not now")
        if at - 1 in self._found.finite and self._clause.pending:
            return True
        if self._text.word(at - 1) in RELATIVE or (
            self._clause.pending and self._text.tokens[at].breaks and self._clause.subject is not None
        ):
            return True
        if joined or self._text.tokens[at].breaks:
            noun = bool(self._known.kind(word)) or word in _NOUNS_TOO
            return (
                not noun
                or self._text.next(at) in _POINTING
                or self._text.next(at) in {"to", "who", "that", "it", "him", "up"}
            )
        if self._being_before(at):
            return not (self._known.kind(word) and self._verb_ahead(at + 1)) or self._text.next(at) in _POINTING
        if not after_noun:
            return bool(self._clause.pending and self._clause.number and self._text.word(at - 1) in _WEAK_BEFORE)
        ahead = self._verb_ahead(at + 1)
        if (self._needed() or self._singular_around()) and not ahead and self._text.next(at) != "of":
            return True
        if self._text.next(at).endswith("ing") and self._known.third_forms.get(word) in _BEGINNING:
            return True
        if (
            self._opening() in SINGULAR
            or self._text.next(at) in _POINTING
            or self._text.next(at) in _PARTICLES | {"to", "it", "him", "them", "that", "who", "what", "when"}
        ):
            return True
        noun = bool(self._known.kind(word)) or word in _NOUNS_TOO
        last = not self._text.next(at) or self._text.next(at) in JOINING
        return (not noun or (last and bool(self._known.kind(self._text.word(at - 1))))) and not ahead

    def _opening(self) -> str:
        """Return the first word of the last group."""
        return self._text.word(self._found.groups[-1].start) if self._found.groups else ""

    def _singular_around(self) -> bool:
        """Tell whether the last group only belongs to a singular subject: "a forger of paintings"."""
        groups, subject = self._found.groups, self._clause.subject
        if not groups or subject is None or subject >= len(groups) or groups[-1].prep != "of":
            return False
        near = groups[subject].end == groups[-1].start - 1
        return near and self._text.word(groups[subject].start) in SINGULAR

    def _past_base(self, at: int, word: str) -> str:
        """Return the base of a past tense that is no participle; "" if it is none."""
        known = self._known
        base = known.past_forms.get(word, "")
        if not base and word.endswith("ed") and len(word) > 4 and not known.known(word):
            base = word.removesuffix("ed")
        subject = self._clause.number or self._clause.subject is not None or ends_group(self._found, at)
        if base == word and not self._being_before(at):
            return ""  # "a chess set": what somebody sets would be "sets"
        if (
            not base
            or not subject
            or self._text.word(at - 1) in {"is", "was", "are", "were", "be", "has", "had", "have"}
        ):
            return ""
        if self._text.next(at) == "by" or word in {"named", "called"} or self._verb_ahead(at + 1):
            return ""
        if self._text.tokens[at].breaks and not self._clause.pending:
            return ""
        if self._clause.fenced and self._clause.pending <= 1 and self._text.word(at - 1) not in JOINING:
            return ""  # "Tomasz, who finds a ring wedged in the rails": a participle, for the comma has not come yet
        inner = self._text.word(at - 1)
        following = self._text.next(at)
        if at - 1 in self._found.finite and following and following not in known.function:
            return ""  # "a startup that sells bottled silence notices"
        if word in known.adjectives and inner not in ONE | MANY | RELATIVE and not self._being_before(at):
            return ""
        return base if base != "be" else ""

    def _is_plain_verb(self, at: int, word: str, number: str) -> bool:
        """Tell whether a base form is a verb: its subject is plural, or it is joined to another verb."""
        before, following = self._text.word(at - 1), self._text.next(at)
        points = following in _POINTING or following in {"to", "it", "him", "them", "that", "up", "about", "in", "on"}
        if before in JOINING and self._clause.maybe:
            return (points or self._text.is_name(at + 1) or not self._known.kind(word)) and (
                self._clause.last_bare or number == "many"
            )
        if number != "many":
            return False
        if self._known.is_plural(before) and not self._verb_ahead(at + 1):
            return True  # a plural hardly ever stands before another noun
        return points or not self._known.kind(word)

    def _is_unknown_plain(self, at: int, word: str, *, after_noun: bool) -> bool:
        """Tell whether a word in no list after a plural is its verb: "two pensioners elope on a scooter"."""
        plural = self._known.is_plural(self._text.word(at - 1)) and not self._text.is_name(at - 1)
        following = self._text.next(at)
        ends = not following or following in self._known.function
        strange = not self._known.known(word) and not word.endswith(("s", "ed", "ing", "ly"))
        return after_noun and plural and ends and strange and not self._verb_ahead(at + 1)

    def _is_unknown_verb(self, at: int, word: str, *, after_noun: bool) -> bool:
        """Tell whether a word in no list that ends in "s" is a verb: somebody acts, or a singular article says so."""
        if len(word) < 5 or word.endswith(("ss", "us", "is")):
            return False
        if self._text.word(at - 1) in ONE:
            return True
        if self._text.word(at - 1) in JOINING and self._text.next(at) in _PARTICLES:
            return True
        if not after_noun or self._verb_ahead(at + 1):
            return False
        if self._being_before(at) or self._needed() or self._text.word(at - 1).endswith("ly"):
            return True
        following = self._text.next(at)
        return self._opening() in SINGULAR and (not following or following in self._known.function)

    def _verb_ahead(self, at: int) -> bool:
        """Tell whether another finite verb follows in the same clause."""
        known = self._known
        end = min(len(self._text.tokens), at + _LONGEST_CLAUSE)
        while at < end and not self._text.tokens[at].breaks:
            word = self._text.word(at)
            if word in RELATIVE | SUBORDINATE | SOFT | JOINING:
                return False
            if word in AUXILIARIES:
                return True
            noun = bool(known.kind(word)) or word in _NOUNS_TOO or self._text.word(at - 1) in DETERMINERS | PREPOSITIONS
            if word in known.third_forms and not noun:
                return True
            at += 1
        return False

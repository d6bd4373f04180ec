"""Tells where the noun groups and the finite verbs of English sentences stand, by position before word lists. Pure.

A light parser: it reads from left to right, knows whether the clause still waits for its verb, and lets that decide
whether "rings" is what somebody wears or what somebody does.
"""

from __future__ import annotations

from dataclasses import replace

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
from services.story.grammar.finite import FiniteVerbs
from services.story.grammar.tokens import DETERMINERS, Token
from services.story.grammar.verbs import AUXILIARIES, MODALS, PARTICIPLES, gerund_base
from services.story.grammar.vocabulary import Vocabulary

_VERBS_TOO = words("like be do have near")
_OPENING = DETERMINERS | words("whose both all very own same other full most more too quite rather such")
_SAYING = words("say think know believe hear discover realise realize learn hope fear find see dream wish swear claim")
_CAUSING = words("make let help see hear watch")
_DEMANDING = words("he she they we i")  # a verb must follow


def parse(tokens: list[Token], known: Vocabulary) -> Syntax:
    """Find the noun groups and finite verbs of a text."""
    reader = _Reader(tokens, known)
    at = 0
    while at < len(tokens):
        at = reader.step(at)
    return reader.found


class _Reader:
    """Reads a text once, from left to right."""

    def __init__(self, tokens: list[Token], known: Vocabulary) -> None:
        self.found = Syntax()
        self._text = Text(tokens, known)
        self._known = known
        self._verbs = FiniteVerbs(self._text, self.found, known)
        self._held: set[int] = set()  # groups that a relative clause speaks of: their own place is elsewhere
        self._clause = Clause()

    def step(self, at: int) -> int:
        """Read the word or group at `at`; return where to go on."""
        token, word = self._text.tokens[at], self._text.word(at)
        if token.starts:
            self._clause = Clause()
        elif token.breaks:
            self._clause.maybe = self._clause.maybe or not self._clause.pending
            self._clause.prep, self._clause.fenced = "", False
            if self._clause.pending <= 1:  # the clause within is over: "When the river fell silent, she took …"
                self._clause.deep = 0
        for read in (self._subordinate, self._auxiliary, self._to, self._small):
            if read(at, word):
                return at + 1
        if self._verb_here(at, word):
            return at + 1
        return self._group(at)

    # Small words

    def _subordinate(self, at: int, word: str) -> bool:
        before = self.found.groups[-1].end == at if self.found.groups else False
        if word in RELATIVE and (word != "that" or before or at - 1 in self.found.finite or at - 1 in self.found.bare):
            self._open()
            self._clause.fenced = self._text.tokens[at].breaks and not self._text.tokens[at].starts
            if before:
                self._clause.number = self._number_of(self.found.groups[-1])
                self._clause.subject = len(self.found.groups) - 1
                self._held.add(self._clause.subject)
            else:
                self._clause.number = "one" if word == "who" else ""
                self._clause.subject = None
        elif word in SUBORDINATE:
            if self._text.next(at) != "to":
                self._open()
                self._clause.number, self._clause.subject = "", None
        elif word in SOFT:
            self._clause.pending = max(self._clause.pending, 1)
            self._clause.deep += 0 if at == 0 or self._text.tokens[at].starts else 1
            self._clause.prep, self._clause.verb, self._clause.carry = word, "", True
        else:
            return False
        return True

    def _open(self) -> None:
        self._clause.pending += 1
        self._clause.deep += 1
        self._clause.prep = self._clause.verb = ""
        self._clause.maybe = False

    def _auxiliary(self, at: int, word: str) -> bool:
        if word not in AUXILIARIES or (word in MODALS and self._text.word(at - 1) in DETERMINERS):
            return False
        if self._clause.bare and word in {"be", "do", "have"}:
            return self._infinitive(at, word)
        if word == "had" and {self._text.word(at - 1), self._text.word(at - 2)} & {"has", "have", "had"}:
            return True  # "has never had"
        past = word if word == "must" and self._text.next(at) == "not" else AUXILIARIES[word]
        self._mark(at, past, "have" if word in {"has", "have", "had"} else "be")
        self._clause.bare = word in MODALS
        return True

    def _to(self, at: int, word: str) -> bool:
        if word != "to":
            return False
        following = self._text.next(at)
        noun = self._known.kind(following) or self._text.is_name(at + 1) or following in DETERMINERS or following in ONE
        verb = following in self._known.verbs or (following and not noun and not self._known.known(following))
        self._clause.bare = bool(verb)
        self._clause.prep = "" if verb else "to"
        return True

    def _small(self, at: int, word: str) -> bool:
        """Pass over prepositions, pronouns, conjunctions and adverbs."""
        if self._clause.bare and word in _VERBS_TOO:
            return False
        if word in PREPOSITIONS:
            self._clause.prep, self._clause.verb, self._clause.carry = word, "", False
        elif word in JOINING:
            self._clause.maybe = self._clause.maybe or not self._clause.pending
            self._clause.carry = True
            if self._clause.pending and self._clause.subject is not None:
                self._clause.number = "many"
        elif word in ONE | MANY:
            self._clause.number, self._clause.subject = "one" if word in ONE else "many", None
            self._clause.prep = self._clause.verb = ""
            if word in _DEMANDING or (self._clause.maybe and word in ONE - {"it"}):
                self._clause.pending = max(self._clause.pending, 1)
        elif word.endswith("ly") and len(word) > 4 and not self._known.kind(word):
            return self._pass_adverb(at)
        elif word == "one" and self._text.next(at) == "of":
            self._clause.number = "one"
        else:
            return word in self._known.function and word not in _OPENING
        return True

    def _pass_adverb(self, at: int) -> bool:
        """Pass over an adverb, but not over "a lonely dog"."""
        return self._text.word(at - 1) not in DETERMINERS

    # Verbs

    def _mark(self, at: int, past: str, base: str) -> None:
        """Note a finite verb."""
        self.found.finite[at], self.found.verbs[at] = past, base
        outer = self._clause.deep == 0 or (self._clause.pending <= 1 and self._clause.deep > 0 and self._outer(at))
        if outer:
            self.found.main.add(base)
        if self._clause.subject is not None and not self.found.groups[self._clause.subject].acts:
            group = self.found.groups[self._clause.subject]
            free = group if self._clause.subject in self._held else replace(group, prep="", verb="")
            self.found.groups[self._clause.subject] = replace(free, acts=base)
        self._clause.pending = max(0, self._clause.pending - 1)
        self._clause.maybe = self._clause.carry = base in _SAYING
        self._clause.verb, self._clause.prep, self._clause.last_bare = base, "", False
        self._clause.bare = False

    def _outer(self, at: int) -> bool:
        """Tell whether a verb after a subordinate clause belongs to the main clause again."""
        return self._text.tokens[at].breaks or not self._clause.deep

    def _verb_here(self, at: int, word: str) -> bool:
        """Read the verb, infinitive, gerund or participle at `at`, if it is one."""
        if word in DETERMINERS or word in self._known.numbers or self._text.is_name(at):
            return False
        following = self._text.next(at)
        if self._clause.bare and self._infinitive(at, word):
            return True
        if self._finite(at):
            return True
        named = self._text.is_name(at + 1) and not self._known.kind(word)
        if self._text.tokens[at].starts and word in self._known.verbs and (following in DETERMINERS or named):
            self.found.bare.add(at)
            self._clause.pending, self._clause.verb, self._clause.last_bare = 0, word, True
            self.found.main.add(word)
            return True
        if word.endswith("ing") and len(word) > 4 and not self._known.kind(word):
            direct = (
                at - 1 in self.found.finite
                or self._text.word(at - 1) == "been"
                or not following
                or self._text.is_name(at + 1)
            )
            if direct or following in DETERMINERS or following in self._known.function:
                self._clause.verb, self._clause.prep = gerund_base(word, self._known), ""
                return True
            return False
        participle = word.endswith(("ed", "en")) or word in self._known.past_forms or word in PARTICIPLES
        participle = participle or word in self._known.adjectives
        if (
            participle
            and self._text.tokens[at - 1].text
            and at
            and (at - 1 in self.found.finite or ends_group(self.found, at))
        ):
            content = following and following not in self._known.function and following not in self._known.numbers
            perfect = self._text.word(at - 1) in {"has", "have", "had"} and not self._known.kind(word)
            if not content or perfect or ends_group(self.found, at):
                self._clause.verb = self._known.past_forms.get(word, "")
                return True
        return False

    def _infinitive(self, at: int, word: str) -> bool:
        if word in self._known.adjectives - self._known.verbs or (
            word in self._known.function and word not in _VERBS_TOO
        ):
            return False
        self.found.bare.add(at)
        self._clause.bare, self._clause.verb, self._clause.prep, self._clause.last_bare = False, word, "", True
        if self._clause.deep == 0:
            self.found.main.add(word)
        return True

    def _finite(self, at: int) -> bool:
        """Mark the word at `at` if it is the finite verb that the clause waits for."""
        before = (
            at - 1 if at and self._text.word(at - 1).endswith("ly") else at
        )  # "a hypnotist accidentally hypnotises"
        past, base = self._verbs.form(self._clause, at, after_noun=ends_group(self.found, before))
        if not past:
            return False
        if self._clause.last_bare and self._text.word(at - 1) in JOINING and self._text.word(at) == base:
            return self._infinitive(at, base)  # "to cross the valley and bring help"
        self._mark(at, past, base)
        return True

    # Noun groups

    def _group(self, at: int) -> int:
        """Read the noun group at `at`."""
        first = at
        while first < len(self._text.tokens) and self._opens(first, at):
            first += 1
        end = self._group_end(at, first)
        if end == first:
            return max(first, at + 1)
        group = Group(at, first, end, self._clause.prep, self._clause.verb, main=self._clause.deep == 0,
                      owner=self._text.tokens[end - 1].genitive)  # fmt: skip
        self.found.groups.append(group)
        if not group.owner:
            self._take_subject(group)
        return end

    def _opens(self, at: int, start: int) -> bool:
        if at > start and self._text.tokens[at].breaks:
            return False
        return self._text.word(at) in _OPENING or (
            self._text.word(at) in self._known.numbers and not self._text.is_name(at)
        )

    def _take_subject(self, group: Group) -> None:
        """Let the group be the subject if the clause waits for one and nothing leads to it."""
        if not self._may_act(group) or self._apposed(group):
            return
        joined = self._joined(group)
        self._clause.number = "many" if joined else self._number_of(group)
        if not joined:
            self._clause.subject = len(self.found.groups) - 1

    def _may_act(self, group: Group) -> bool:
        free = self._clause.carry or not (group.prep or group.verb)
        return free and bool(self._clause.pending or self._clause.maybe)

    def _apposed(self, group: Group) -> bool:
        """Tell whether a name follows directly on the subject: "his sister Zoë"."""
        groups = self.found.groups
        last = next((other for other in reversed(groups) if other.start < group.start), None)
        same = (
            last is not None
            and last.end == group.start
            and not last.owner
            and not self._text.tokens[group.start].breaks
        )
        return same and self._clause.subject is not None and self._text.is_name(group.start)

    def _joined(self, group: Group) -> bool:
        """Tell whether "and" joins the group to a subject that still waits for its verb."""
        earlier = (
            self._clause.subject is not None and not self.found.groups[self._clause.subject].acts and not group.prep
        )
        return self._text.word(group.start - 1) in {"and", "or"} and earlier and bool(self._clause.pending)

    def _number_of(self, group: Group) -> str:
        opening, noun = self._text.word(group.start), self._text.word(group.end - 1)
        if opening in SINGULAR or self._text.is_name(group.end - 1):
            return "one"
        if any(self._known.numbers.get(self._text.word(at), 1) > 1 for at in range(group.start, group.first)):
            return "many"
        return "many" if self._known.is_plural(noun) else "one"

    def _group_end(self, start: int, first: int) -> int:
        end = first
        while end < len(self._text.tokens) and end - first < 6:
            token = self._text.tokens[end]
            if end > start and token.breaks:
                break
            small = (
                token.lower in self._known.function or token.lower in AUXILIARIES or token.lower in self._known.numbers
            )
            if token.text.isdigit() or (
                small and not (end > first and self._text.is_name(end) and self._text.is_name(end - 1))
            ):
                break
            adverb = token.lower.endswith("ly") and not (self._known.known(token.lower) or self._text.is_name(end))
            if adverb and end > first and self._text.next(end):
                break  # "a hypnotist accidentally hypnotises herself"
            if end > first and (self._changes_case(end) or self._stops(start, first, end)):
                break
            end += 1
            if token.genitive:
                break
        return self._trimmed(first, end)

    def _changes_case(self, at: int) -> bool:
        """Tell whether a name begins or ends here; a capital that only begins the sentence is none."""
        first = self._text.tokens[at - 1].starts and self._text.word(at - 1) not in self._known.names
        return self._text.is_name(at) != self._text.is_name(at - 1) and not (
            first and self._known.kind(self._text.word(at))
        )

    def _stops(self, start: int, first: int, at: int) -> bool:
        """Tell whether the word at `at` begins something new after the nouns before it: a verb or a participle."""
        word, following = self._text.word(at), self._text.next(at)
        if self._clause.bare and word in self._known.verbs and not self._known.kind(word):
            return True
        if self._clause.verb in _CAUSING and word in self._known.verbs and not self._known.kind(word):
            self._clause.bare = True
            return True
        if word.endswith("ing") and (following in DETERMINERS or following in {"to", "it", "him", "her"}):
            return True
        if word in {"named", "called"}:
            return True
        group = Group(start, first, at, self._clause.prep, self._clause.verb)
        trial = replace(self._clause)
        if self._may_act(group) and not self._apposed(group):
            trial.number = "many" if self._joined(group) else self._number_of(group)
            trial.subject = len(self.found.groups)
        self.found.groups.append(group)
        past, _ = self._verbs.form(trial, at, after_noun=self._nouns(first, at))
        self.found.groups.pop()
        return bool(past)

    def _nouns(self, first: int, end: int) -> bool:
        return self._text.word(end - 1) not in self._known.adjectives and end > first

    def _trimmed(self, first: int, end: int) -> int:
        """Leave out adverbs and participles at the end: "a city built", "a bear home"."""
        known = self._known
        while end - first > 1:
            word, before = self._text.word(end - 1), self._text.word(end - 2)
            past = word in known.past_forms and word not in known.verbs
            participle = word.endswith(("ed", "ing")) or past or word in known.adjectives | PARTICIPLES
            if not participle or known.kind(word) or before in known.adjectives or not self._text.next(end - 1):
                break
            end -= 1
        return end

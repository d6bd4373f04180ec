"""Who was spoken of last: decides between name, pronoun and epithet. Knows nothing of templates."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from random import Random

from services.story.grammar.english import words
from services.story.grammar.world import Person

SUBJECT = {"she": "she", "he": "he", "they": "they", "it": "it"}
OBJECT = {"she": "her", "he": "him", "they": "them", "it": "it"}
POSSESSIVE = {"she": "her", "he": "his", "they": "their", "it": "its"}
REFLEXIVE = {"she": "herself", "he": "himself", "they": "themself", "it": "itself"}
_END = re.compile(r'(?<!\bSt)[.!?…]["”]?(?=\s|$)')


KIN = words(
    "daughter son sister brother twin wife husband mother father aunt uncle cousin niece nephew child grandson "
    "granddaughter grandmother grandfather friend rival enemy neighbour"
)
_INVERTED = re.compile(r"(?:said|thought|asked|answered|wondered) $")  # "said she" is of another age


@dataclass(frozen=True, slots=True)
class _Mention:
    person: Person
    sentence: int
    subject: bool


@dataclass(slots=True)
class Discourse:
    """What a reader remembers of one chapter while it is read.

    Attributes:
        met: Keys of the persons whom the chapter has named.
        quoting: Whether the text stands inside a speech.
        plural_verb: Whether the last person mentioned takes "were".
    """

    met: set[str] = field(default_factory=set)
    quoting: bool = False
    plural_verb: bool = False
    _sentence: int = 0
    _mentions: list[_Mention] = field(default_factory=list)
    _epithets: int = 0
    _tail: str = ""

    def copy(self) -> Discourse:
        """Return the same state to go on from."""
        return Discourse(
            set(self.met),
            self.quoting,
            self.plural_verb,
            self._sentence,
            list(self._mentions),
            self._epithets,
            self._tail,
        )

    def hear(self, text: str) -> None:
        """Take note of words that were told: quotes, sentence ends and paragraph breaks."""
        if "\n\n" in text:
            self._mentions.clear()
        if text.count('"') % 2:
            self.quoting = not self.quoting
        self._sentence += len(_END.findall(text))
        self._tail = text[-12:]

    def paragraph(self) -> None:
        """Begin a paragraph: everybody has to be named again."""
        self._mentions.clear()
        self.quoting = False

    def note(self, person: Person, *, subject: bool, plural: bool = False) -> None:
        """Remember that a person was spoken of."""
        self.met.add(person.key)
        self._mentions.append(_Mention(person, self._sentence, subject))
        self.plural_verb = plural

    def clear_reference(self, person: Person, *, subject: bool) -> bool:
        """Tell whether a pronoun would be understood as `person`."""
        if self.quoting or (subject and _INVERTED.search(self._tail)):
            return False
        recent = [mention for mention in self._mentions if self._sentence - mention.sentence <= 1]
        if not any(mention.person.key == person.key for mention in recent):
            return False
        rivals = [m for m in recent if m.person.key != person.key and m.person.pronoun == person.pronoun]
        if not rivals:
            return True
        return subject and self._parallel(person)

    def _parallel(self, person: Person) -> bool:
        """Tell whether `person` was the subject of the last sentence and nobody was named since."""
        before = [mention for mention in self._mentions if mention.sentence == self._sentence - 1]
        now = [mention for mention in self._mentions if mention.sentence == self._sentence]
        subjects = [mention.person.key for mention in before if mention.subject]
        return not now and subjects == [person.key]

    def named_in_sentence(self, person: Person) -> bool:
        """Tell whether the sentence being told has already spoken of `person`."""
        return any(m.person.key == person.key and m.sentence == self._sentence for m in self._mentions)

    def title(self, person: Person, random: Random) -> str:
        """Return a person's name or, now and then, what they are ("the keeper")."""
        first = person.key not in self.met
        kin = person.noun.rsplit(" ", 1)[-1] in KIN
        epithet = person.named and not kin and 0 < len(person.noun.split()) <= 2 and not first and not self.quoting
        self._epithets = self._epithets + 1 if epithet else self._epithets
        if epithet and self._epithets % 4 == 0 and random.random() < 0.7:
            return f"the {person.noun}"
        return person.short

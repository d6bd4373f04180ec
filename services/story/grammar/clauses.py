"""What a light parser says of a text: its noun groups, its verbs, the clause being read. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.story.grammar.english import words
from services.story.grammar.tokens import Token, is_capital
from services.story.grammar.vocabulary import Vocabulary

RELATIVE = words("who which that")
SUBORDINATE = words(
    "when where while because if though although whether why what how whenever wherever whatever whoever"
)
SOFT = words("before after until till since as once than")
"""Words that may begin a clause, and are prepositions as well."""
JOINING = words("and or but nor so yet then")
PREPOSITIONS = words(
    "of in on at to from into onto over under through across along around about against between among behind beside "
    "beyond by for with without within near off during toward towards upon like per via inside outside aboard beneath "
    "underneath above below amid atop past opposite despite except"
)
ONE = words(
    "hers neither he she it nobody somebody anybody everybody someone anyone everyone something everything nothing"
)
MANY = words("they we you i both all others many")
SINGULAR = words("a an every each one this that another")


@dataclass(frozen=True, slots=True)
class Group:
    """Words that belong to one noun.

    Attributes:
        start: Position of its first word, article included.
        first: Position of the first word after articles and numbers.
        end: Position after its noun.
        prep: The preposition that leads to it.
        verb: Base of the verb whose object it is; "be" after "is".
        acts: Base of the verb whose subject it is.
        main: Whether it belongs to the main clause, not to one within.
        owner: Whether it ends in a genitive.
    """

    start: int
    first: int
    end: int
    prep: str = ""
    verb: str = ""
    acts: str = ""
    main: bool = True
    owner: bool = False


@dataclass(slots=True)
class Syntax:
    """What stands where in a text.

    Attributes:
        groups: The noun groups in order.
        finite: The finite verbs by position, with their past tense.
        verbs: The bases of finite verbs by position.
        bare: Positions of infinitives and imperatives.
        main: Bases of the verbs of main clauses, their infinitives included.
    """

    groups: list[Group] = field(default_factory=list)
    finite: dict[int, str] = field(default_factory=dict)
    verbs: dict[int, str] = field(default_factory=dict)
    bare: set[int] = field(default_factory=set)
    main: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Clause:
    """How far the reading of a sentence has come.

    Attributes:
        pending: Clauses that wait for their verb.
        maybe: Whether another verb of the same clause may follow: "finds a map and …".
        deep: Subordinate clauses opened in this sentence.
        subject: Index of the group that waits for its verb.
        number: "one" or "many", of the subject; "" if there is none.
        prep: The preposition that the next group follows.
        verb: Base of the verb that the next group is the object of.
        carry: Whether what follows may be a subject all the same, for "and" or "until" stands before.
        bare: Whether a modal waits for its infinitive.
        last_bare: Whether the last verb was an infinitive.
        fenced: Whether a relative clause between commas is being read: the clause around it waits for the comma.
    """

    pending: int = 1
    maybe: bool = False
    deep: int = 0
    subject: int | None = None
    number: str = ""
    prep: str = ""
    verb: str = ""
    carry: bool = False
    bare: bool = False
    last_bare: bool = False
    fenced: bool = False


class Text:
    """The words of a text, looked at by position."""

    def __init__(self, tokens: list[Token], known: Vocabulary) -> None:
        self.tokens = tokens
        self._known = known

    def word(self, at: int) -> str:
        """Return the word at `at` in lower case; "" outside of the text."""
        return self.tokens[at].lower if 0 <= at < len(self.tokens) else ""

    def next(self, at: int) -> str:
        """Return the word after `at`, "" if a break stands between."""
        return self.word(at + 1) if at + 1 < len(self.tokens) and not self.tokens[at + 1].breaks else ""

    def is_name(self, at: int) -> bool:
        """Tell whether the word at `at` is written as a name is."""
        if not 0 <= at < len(self.tokens) or not is_capital(self.tokens[at]):
            return False
        word = self.word(at)
        return not self.tokens[at].starts or word in self._known.names or not self._known.known(word)


def ends_group(found: Syntax, at: int) -> bool:
    """Tell whether the last noun group ends directly before `at`."""
    return bool(found.groups) and found.groups[-1].end == at

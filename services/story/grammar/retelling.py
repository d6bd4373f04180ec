"""Tells a premise's own clauses back in the narrator's past tense, or says that it cannot. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from services.story.grammar.clauses import Group, Syntax
from services.story.grammar.english import words
from services.story.grammar.tokens import DETERMINERS, Token
from services.story.grammar.verbs import AUXILIARIES
from services.story.grammar.vocabulary import Vocabulary

Kind = Literal["event", "question", "fragment", "quote"]

_MOST_WORDS = 45
_MOST_SENTENCES = 6
FORBIDDEN = words("i me my we us our ours you your yours i'm we're you're i've i'd please lol etc myself")
_SCRAPS = words("lol please thanks etc teh")
_NO_END = words("a an the to of in on at and or but with for by from his her its their that who which my")
_ARTICLES = words("a an the his its their my your our every no")
_TO_NOTHING = DETERMINERS | words("of in on at and or but with for by from that who which")
_ASKING = words("who why how what where when which whose")
_DO = words("do does did don't doesn't didn't")
_RELATIVE = words("who that which")
_INVERTING = words("so neither nor there here")
_PRONOUNS = words(
    "he she it they nobody somebody everybody someone everyone nothing something there this both neither one them"
)
_SOFT = words("until till before after since once")
_ADVERBS = words("still never always now then only also even not just")
_JOINING = words("and or but nor")
_OPENERS = words("who which that whose where when because if while")


@dataclass(frozen=True, slots=True)
class Retold:
    """One sentence of a premise as the story can tell it.

    Attributes:
        kind: "event" for a whole clause, "question" for an indirect one, "fragment" for nouns without a verb, and
            "quote" for what can only be said in the premise's own words, in the first person for example.
        text: The words, without a full stop; in lower case at the start but for names.
        start: Position of the sentence's first word.
    """

    kind: Kind
    text: str
    start: int


def retell(tokens: Sequence[Token], syntax: Syntax, known: Vocabulary) -> list[Retold]:
    """Tell the sentences of a short text back, as far as that is safe."""
    told = (_retold(tokens, start, end, syntax, known) for start, end in _sentences(tokens))
    return [one for one in told if one is not None][:_MOST_SENTENCES]


def past_text(tokens: Sequence[Token], syntax: Syntax, start: int, end: int) -> str:
    """Return words in the past tense, with their commas; "" if they are not fit to be told."""
    said = [syntax.finite.get(at, tokens[at].plain) for at in range(start, end)]
    while said and said[-1].lower() in _NO_END:
        said.pop()
    text = _joined(tokens, start, said)
    return text if _sound([word.lower() for word in said]) else ""


def relative_clause(tokens: Sequence[Token], syntax: Syntax, start: int) -> str:
    """Return the relative clause that starts at `start` in the past tense; "" if there is none that is safe."""
    if start >= len(tokens) or tokens[start].lower not in _RELATIVE or tokens[start].starts:
        return ""
    stop, verbs, joined = start + 1, 0, False
    while stop < len(tokens) and not tokens[stop].breaks and stop - start <= 12:
        word = tokens[stop].lower
        verbs += stop in syntax.finite and not joined
        if verbs > 1 and stop in syntax.finite:
            break
        inner = word in {"and", "or", "but", "when", "what", "that", "because", "if", "she", "he", "it", "they"}
        joined = inner or (joined and (word in _ADVERBS or word.endswith("ly")))
        verbs -= inner and verbs > 0 and word not in {"and", "or", "but"}
        stop += 1
    whole = stop >= len(tokens) or tokens[stop].breaks or stop in syntax.finite
    text = past_text(tokens, syntax, start, stop) if whole else ""
    return text if verbs and len(text.split()) > 1 and not FORBIDDEN & set(text.lower().split()) else ""


def main_subject(syntax: Syntax, start: int, end: int) -> Group | None:
    """Return the subject of a sentence's main clause."""
    return next(
        (
            group
            for group in syntax.groups
            if start <= group.start < end and group.acts and group.main and not group.prep
        ),
        None,
    )


def _sentences(tokens: Sequence[Token]) -> Iterator[tuple[int, int]]:
    start = 0
    for at in range(1, len(tokens) + 1):
        if at == len(tokens) or (tokens[at].starts and tokens[at].mark not in {"“", "”", '"'}):
            yield start, at
            start = at


def _retold(tokens: Sequence[Token], start: int, end: int, syntax: Syntax, known: Vocabulary) -> Retold | None:
    """Tell one sentence back."""
    while end > start and tokens[end - 1].lower in _SCRAPS:
        end -= 1
    lower = [token.lower for token in tokens[start:end]]
    if lower[:2] == ["what", "if"]:
        start, lower = start + 2, lower[2:]
    if not 3 - bool(start) <= len(lower) <= _MOST_WORDS or not _understood(lower, known) or start in syntax.bare:
        return None
    if _is_request(lower):
        return None
    if FORBIDDEN & set(lower):
        return _quoted(tokens, start, end, syntax)
    if tokens[end - 1].asks or lower[0] in {"how", "why", "who"}:
        return _question(tokens, start, end, syntax, known)
    subject = any(start <= at < end for at in syntax.finite)
    text = past_text(tokens, syntax, start, end)
    if not text:
        return None
    main = any(start <= at < end and _is_main(at, tokens, syntax, start) for at in syntax.finite)
    if main and subject:
        return Retold("event", _opening(text, tokens[start], known), start)
    if lower[0] in known.function - DETERMINERS and lower[0] not in known.numbers:
        return None
    whole = _whole(text) if subject else ""
    return Retold("event" if whole else "fragment", _opening(whole or text, tokens[start], known), start)


def _is_request(lower: Sequence[str]) -> bool:
    """Tell whether a sentence speaks of the story that is wanted, and not of what happens in it."""
    return bool({"story", "tale"} & set(lower) and {"should", "about", "want", "like"} & set(lower))


def _whole(text: str) -> str:
    """Make a sentence of "Tomasz, a tram driver, who found a ring": he did; "" if it is of another form."""
    before, who, after = text.partition(", who ")
    if not who or ", who " in after or " and " in before:
        return ""
    return f"{before}{',' if ',' in before else ''} {after}"


def _is_main(at: int, tokens: Sequence[Token], syntax: Syntax, start: int) -> bool:
    """Tell whether a finite verb is the sentence's own: not one behind "who" or "when" alone."""
    if tokens[start].lower in _INVERTING and at == start + 1:
        return True  # "So is her boss"
    before = at - 1
    while before > start and tokens[before].lower in _ADVERBS:
        before -= 1
    if tokens[before].lower in _JOINING and before > start:  # "a ghost who died and still can't get out"
        earlier = max((other for other in syntax.finite if start <= other < before), default=-1)
        return earlier >= 0 and _is_main(earlier, tokens, syntax, start)
    owners = [g for g in syntax.groups if start <= g.start < at]
    opened = sum(
        tokens[i].lower in _OPENERS or (i > start and tokens[i].lower in _SOFT) or _contact(tokens, owners, i)
        for i in range(start, at)
    )
    verbs = sum(start <= i < at for i in syntax.finite)
    return bool(owners or any(tokens[i].lower in _PRONOUNS for i in range(start, at))) and verbs >= opened


def _contact(tokens: Sequence[Token], groups: Sequence[Group], at: int) -> bool:
    """Tell whether a relative clause without a pronoun begins here: "the avocado he was told to guard"."""
    if tokens[at].lower not in {"he", "she", "they", "it"} or tokens[at].breaks:
        return False
    leads = groups[:1] and groups[0].end == at and groups[0].prep  # "On the way she met"
    return not leads and any(group.end == at for group in groups)


def _opening(text: str, first: Token, known: Vocabulary) -> str:
    """Begin in lower case, but for a name."""
    titled = text.split()[1:2] and text.split()[1][0].isupper() and first.lower not in known.function
    common = known.known(first.lower) and (first.lower not in known.names or first.lower in known.function)
    common = common and not titled
    return text[0].lower() + text[1:] if common else text


def _understood(lower: Sequence[str], known: Vocabulary) -> bool:
    """Tell whether enough of the words are English to be repeated."""
    return sum(known.known(word) for word in lower) * 5 >= len(lower) * 2


def _sound(lower: Sequence[str]) -> bool:
    """Tell whether the words can be a clause: none twice in a row, no article without its noun, letters only."""
    pairs = list(pairwise(lower))
    if not lower or any(one == other for one, other in pairs):
        return False
    if any(one in _ARTICLES and other in _TO_NOTHING for one, other in pairs):
        return False
    return all(word.removesuffix(".").replace("-", "").replace("'", "").replace(" ", "").isalnum() for word in lower)


def _joined(tokens: Sequence[Token], start: int, said: Sequence[str]) -> str:
    """Join words, with a comma where a pause was."""
    text = ""
    for at, word in enumerate(said, start=start):
        mark = tokens[at].mark if at > start else ""
        text += ("; " if mark == ";" else ", " if mark else " " if text else "") + word
    return text


def _quoted(tokens: Sequence[Token], start: int, end: int, syntax: Syntax) -> Retold | None:
    """Keep a sentence in its own words, to be told as speech."""
    lower = [token.lower for token in tokens[start:end]]
    if lower[0] in {"tell", "write", "make", "give", "please"} or {"story", "tale"} & set(lower):
        return None
    if not any(start <= at < end for at in syntax.finite):
        return None  # "the tomatoes of my grandmother" is nothing anybody says
    text = _joined(tokens, start, [token.plain for token in tokens[start:end]])
    return Retold("quote", text[0].upper() + text[1:], start) if _sound(lower) else None


# Questions


def _question(tokens: Sequence[Token], start: int, end: int, syntax: Syntax, known: Vocabulary) -> Retold | None:
    """Turn a question into what was asked: "why the clock struck thirteen", "whether it could whistle"."""
    lower = [token.lower for token in tokens[start:end]]
    if lower[0] not in _ASKING and lower[0] not in AUXILIARIES:
        text = past_text(tokens, syntax, start, end)
        return Retold("event", _opening(text, tokens[start], known), start) if text else None
    asked = 0 if lower[0] in AUXILIARIES else 1
    while asked < len(lower) and asked and lower[asked] not in AUXILIARIES and start + asked not in syntax.finite:
        asked += 1
    if asked >= len(lower):
        return None
    auxiliary = start + asked
    lead = [tokens[at].plain for at in range(start, auxiliary)] or ["whether"]
    subject = _inverted_subject(syntax, tokens, auxiliary, end)
    if tokens[auxiliary].lower not in AUXILIARIES or subject == auxiliary + 1:
        text = past_text(tokens, syntax, start, end)  # "who stole the cheese": nothing is inverted
    else:
        text = " ".join([*lead, *_in_order(tokens, syntax, auxiliary, (subject, end), known)])
        text = text if _sound(text.lower().split()) else ""
    return Retold("question", text[0].lower() + text[1:], start) if text else None


def _inverted_subject(syntax: Syntax, tokens: Sequence[Token], auxiliary: int, end: int) -> int:
    """Return where the subject behind an auxiliary ends."""
    at = auxiliary + 1
    if at < end and tokens[at].lower in _PRONOUNS | words("we you i"):
        return at + 1
    for group in syntax.groups:
        joined = auxiliary + 1 < at < end and tokens[at].lower in {"and", "or"}
        apposed = at == auxiliary + 1 or tokens[at - 1].genitive or tokens[min(at, end - 1)].text[0].isupper()
        if (group.start == at and not group.prep and apposed) or (
            group.start == at + 1 and (group.prep == "of" or joined)
        ):
            at = group.end
    return min(at, end)


def _in_order(
    tokens: Sequence[Token], syntax: Syntax, auxiliary: int, span: tuple[int, int], known: Vocabulary
) -> list[str]:
    """Put the subject before its verb again; "does … strike" becomes "struck"."""
    subject, end = span
    said = [tokens[at].plain for at in range(auxiliary + 1, subject)]
    rest = [syntax.finite.get(at, tokens[at].plain) for at in range(subject, end)]
    word = tokens[auxiliary].lower
    if word in _DO and rest and rest[0].lower() in known.verbs and word in {"do", "does", "did"}:
        return [*said, known.past(rest[0].lower()), *rest[1:]]
    return [*said, AUXILIARIES[word], *rest]

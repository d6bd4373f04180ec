"""Turns clauses of a premise into the narrator's past tense, or says that it cannot. Pure."""

from __future__ import annotations

from services.story.grammar.english import words
from services.story.grammar.vocabulary import Vocabulary

_MODALS = {
    "is": "was", "are": "were", "am": "was", "has": "had", "have": "had", "can": "could", "cannot": "could not",
    "can't": "could not", "will": "would", "won't": "would not", "must": "had to", "may": "might", "does": "did",
    "do": "did", "doesn't": "did not", "don't": "did not", "isn't": "was not", "aren't": "were not", "shall": "should",
    "was": "was", "were": "were", "had": "had", "could": "could", "would": "would", "did": "did", "should": "should",
}  # fmt: skip
_BEFORE_VERB = words(
    "who which and but or he she it they that never always only still also often once again now then both"
)
_FORBIDDEN = words("i me my mine we us our ours you your yours i'm we're you're please lol etc")
_AUXILIARIES = words("has have had is are was were am")
_SUBORDINATORS = words("until when where because before after while if that which whose")
_NO_END = words("a an the to of in on at and or but with for by from his her its their that who which")
_NOUN_MARKERS = words("a an the his her its their this of in on at by for with from into no every each some")


def past_clause(words: list[str], known: Vocabulary) -> str:
    """Return a verb phrase in the past tense; "" if it cannot be turned safely.

    Args:
        words: The words of the clause in lower case except names; the first is its verb.
        known: The word lists.
    """
    if not 1 < len(words) <= 22 or any(word.lower() in _FORBIDDEN for word in words):
        return ""
    turned = _turned(words, known, base=words[0].lower() in known.verbs)
    while turned and turned[-1].lower() in _NO_END:
        turned.pop()
    if len(turned) < 2 or (turned[0] == words[0] and words[0].lower() not in {*known.past_forms, *_MODALS}):
        return ""
    return " ".join(turned)


def _turned(words: list[str], known: Vocabulary, *, base: bool) -> list[str]:
    """Turn every finite verb of the words that can be told from a noun."""
    turned: list[str] = []
    subordinate = False
    for index, word in enumerate(words):
        before = words[index - 1].lower() if index else "who"
        lower = word.lower()
        finite = subordinate and known.kind(before) and _finite(lower, before, known)
        if finite:
            turned.append(known.past(known.third_forms.get(lower, lower)))
            subordinate = False
        else:
            turned.append(_turn(word, before, known, base=base, bare_infinitive=_infinitive(words, index)))
        subordinate = lower in _SUBORDINATORS or (subordinate and lower not in known.past_forms)
    return turned


def _finite(word: str, before: str, known: Vocabulary) -> bool:
    return word in known.third_forms or (word in known.verbs and known.is_plural(before))


def _infinitive(words: list[str], index: int) -> bool:
    """Tell whether the word stands after "to" or a modal, where no tense shows."""
    at = index - 1
    while at > 0 and words[at].lower() in {"not", "never", "always"}:
        at -= 1
    before = words[at].lower() if at >= 0 else ""
    return before == "to" or (before in _MODALS and before not in _AUXILIARIES)


def _turn(word: str, before: str, known: Vocabulary, *, base: bool, bare_infinitive: bool) -> str:
    lower = word.lower()
    if lower != word or bare_infinitive:
        return word
    if lower in _MODALS:
        return _MODALS[lower]
    third = known.third_forms.get(lower)
    if third and before not in _NOUN_MARKERS and (before in _BEFORE_VERB or not _noun_too(lower, known)):
        return known.past(third)
    if base and lower in known.verbs and before in {"who", "and", "but"}:
        return known.past(lower)
    return word


def _noun_too(word: str, known: Vocabulary) -> bool:
    return known.kind(word) != ""


def infinitive(words: list[str], known: Vocabulary) -> str:
    """Return a verb phrase for "to …" if it is well formed, else ""."""
    if not words or (words[0].lower() not in known.verbs and words[0].lower() != "be"):
        return ""
    kept = list(words[:14])
    while kept and kept[-1].lower() in _NO_END:
        kept.pop()
    if not kept or any(word.lower() in _FORBIDDEN for word in kept):
        return ""
    return " ".join([kept[0], *_turned(["who", *kept[1:]], known, base=False)[1:]])

"""The forms of English verbs, those in no list included. Knows nothing of sentences."""

from __future__ import annotations

import re

from services.story.grammar.english import words
from services.story.grammar.vocabulary import Vocabulary

MODALS = words(
    "can cannot can't could will won't would must may might shall should does do did doesn't don't didn't couldn't "
    "wouldn't shouldn't"
)
AUXILIARIES = {
    "is": "was", "are": "were", "am": "was", "has": "had", "have": "had", "can": "could", "cannot": "could not",
    "can't": "could not", "will": "would", "won't": "would not", "must": "had to", "may": "might", "does": "did",
    "do": "did", "doesn't": "did not", "don't": "did not", "isn't": "was not", "aren't": "were not", "shall": "should",
    "hasn't": "had not", "haven't": "had not",
    "was": "was", "were": "were", "had": "had", "could": "could", "would": "would", "did": "did", "should": "should",
    "might": "might", "wasn't": "was not", "weren't": "were not", "didn't": "did not", "hadn't": "had not",
    "couldn't": "could not", "wouldn't": "would not", "shouldn't": "should not",
}  # fmt: skip
"""Auxiliary verbs with what the narrator's past tense makes of them."""

PARTICIPLES = words(
    "seen sworn known shown grown flown thrown blown drawn worn torn born gone done been sung rung sunk drunk begun "
    "swum run come become lost made found kept left sent built told sold heard held felt met won hung stuck lit"
)
"""Participles of irregular verbs that do not end in "en"."""

_CLOSED = re.compile(r"^[^aeiou]*[aeiou][bdgklmnprt]$")  # "rub", "hop": the consonant is doubled


def past_of_third(word: str) -> tuple[str, str]:
    """Return past tense and base of a regular verb in the third person: "kneads" is "kneaded" and "knead"."""
    base = word.removesuffix("s")
    if word.endswith("ies") and len(word) > 4:
        base = word.removesuffix("ies") + "y"
    elif word.endswith(("shes", "ches", "xes", "sses", "zzes")):
        base = word.removesuffix("es")
    return regular_past(base), base


def compound_past(base: str, known: Vocabulary) -> str:
    """Return the past tense of a verb made of a word and an irregular verb: "babysit" is "babysat"."""
    for cut in range(3, len(base) - 2):
        if known.known(base[:cut]) and base[cut:] in known.pasts:
            return base[:cut] + known.pasts[base[cut:]]
    return regular_past(base)


def regular_past(base: str) -> str:
    """Return the regular past tense of a verb."""
    if base.endswith("e"):
        return base + "d"
    if re.search(r"[^aeiou]y$", base):
        return base[:-1] + "ied"
    return base + (base[-1] if _CLOSED.search(base) else "") + "ed"


def gerund_base(word: str, known: Vocabulary) -> str:
    """Return the base of "losing" or "stopping", as well as it can be told."""
    stem = word.removesuffix("ing")
    for base in (stem, stem + "e", stem[:-1]):
        if base in known.verbs:
            return base
    return stem

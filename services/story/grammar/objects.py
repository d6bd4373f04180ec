"""Tells which nouns surely name a concrete thing that somebody can hold. Pure."""

from __future__ import annotations

from services.story.grammar.english import singular, words
from services.story.grammar.tokens import Noun
from services.story.grammar.vocabulary import Vocabulary

_HANDLED = words(
    "find steal carry lose inherit repair build deliver bring buy sell hide make bake knit return send mend hold give "
    "trade collect win wear throw drop discover guard take play polish hook swap fetch write paint draw cast own carve "
    "sew brew borrow lend break dig catch cook receive fix keep pack smuggle restore invent unwrap bury burn forge "
    "fold sharpen clean wash tie cut peel open"
)
_NOT_HANDLED = words(
    "visit enter leave reach like love hate fear miss want dream watch see know hear join attend miss need start begin"
)
_MADE = words("build repair mend make restore paint bake cook invent polish carve knit sew forge tend open decorate")
_NO_THING = (
    "tion", "sion", "ment", "ance", "ence", "ship", "ness", "ity", "ism", "hood", "dom", "ing", "house", "shop",
    "hall", "yard", "way", "logy", "ics", "age", "ory", "ure", "cy", "sm",
)  # fmt: skip
"""Endings of what is done, felt or lived in; a known noun of this form is in a list."""
_SOMEBODY = ("er", "or", "ist", "ian", "eer", "ess", "ant", "ent", "man", "mate", "folk", "ee")


def is_held(noun: Noun, known: Vocabulary, *, pointed: bool, owned: bool) -> bool:
    """Tell whether a noun surely names a thing that can be held.

    Args:
        noun: What was found.
        known: The word lists.
        pointed: Whether an article, a number, an owner or the plural shows that it can be counted.
        owned: Whether somebody has it: "her hives".
    """
    if noun.kind != "thing" or {noun.head, noun.core, singular(noun.core)} & known.airy:
        return False
    if " of " in noun.phrase or known.kind(noun.head) or known.kind(noun.core):
        return True
    one = known.base(noun.core)
    if one.endswith(_NO_THING) or (one.endswith(_SOMEBODY) and noun.verb not in _MADE):
        return False
    handled = noun.verb in _HANDLED and not noun.prep
    return pointed and (handled or (owned and noun.verb not in _NOT_HANDLED))


def is_bulky(noun: Noun, known: Vocabulary) -> bool:
    """Tell whether nobody can carry it: a piano, a bus."""
    return bool({noun.head, noun.core, singular(noun.core)} & known.bulky)


def is_made(noun: Noun) -> bool:
    """Tell whether somebody builds or mends it."""
    return noun.verb in _MADE

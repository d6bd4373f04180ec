"""The rules of English the grammar needs: articles, verbs after pronouns, capitals. Knows no characters."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.character.grammar.lists import listed_in

_AN = re.compile(r"^(?:hours?|hourly|honest|honou?r|heir|heirloom|8|11(?!\d)|18(?!\d)|x-ray|[FHLMNRSX][A-Z0-9])")
_A = re.compile(
    r"^(?:one(?![a-z])|once|uni(?!n[a-z]|m[a-z])|us[aeiu]|ut[aei]|eu|ew|u-|ur[aei]|ubiq|ukul|ouija)", re.IGNORECASE
)
_ARTICLE = re.compile(r"\b([Aa])n?(\s+)([A-Za-zÀ-ÿ0-9][\w'’-]*)")
_END = re.compile(
    r"(?<!\bMr\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bMrs\.)(?:(?<=[.!?…])|(?<=[.!?…][\"”]))\s+(?=[\"“]?[A-ZÀ-Þ0-9])"
)
_THIRD = {
    "are": "is", "have": "has", "do": "does", "were": "was", "aren't": "isn't", "haven't": "hasn't", "don't": "doesn't",
    "weren't": "wasn't", "'re": "'s", "'ve": "'s",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pronouns:
    """The pronouns of one person.

    Attributes:
        they: Subject.
        them: Object.
        their: Before a noun.
        theirs: Alone.
        themself: Reflexive.
        plural: Whether verbs after the subject are those of "they".
    """

    they: str
    them: str
    their: str
    theirs: str
    themself: str
    plural: bool = False


SHE = Pronouns("she", "her", "her", "hers", "herself")
HE = Pronouns("he", "him", "his", "his", "himself")
IT = Pronouns("it", "it", "its", "its own", "itself")
THEY = Pronouns("they", "them", "their", "theirs", "themself", plural=True)


def indefinite(word: str) -> str:
    """Return "a" or "an", as the sound of `word` wants it."""
    if _AN.match(word):
        return "an"
    return "an" if word[:1].lower() in "aeiou" and not _A.match(word) else "a"


def with_article(phrase: str) -> str:
    """Put the right indefinite article before a noun phrase."""
    return f"{indefinite(phrase)} {phrase}"


def fix_articles(text: str) -> str:
    """Make every "a" and "an" in `text` agree with the word that follows; a lone letter A stays."""

    def right(match: re.Match[str]) -> str:
        article = indefinite(match[3])
        return (article.capitalize() if match[1] == "A" else article) + match[2] + match[3]

    return _ARTICLE.sub(right, text)


def third(verb: str) -> str:
    """Return the verb as it stands after "she": "walk" becomes "walks", "were" "was"; a past stays."""
    if verb in _THIRD:
        return _THIRD[verb]
    if verb in listed_in("modal_verbs") or verb in listed_in("irregular_pasts") or verb.endswith("ed"):
        return verb
    if re.search(r"(?:s|x|z|ch|sh|o)$", verb):
        return verb + "es"
    return verb[:-1] + "ies" if re.search(r"[^aeiou]y$", verb) else verb + "s"


def bare(verb: str) -> str:
    """Return the verb as it stands after "they": "walks" becomes "walk", "was" "were"; a past stays."""
    for plural, single in _THIRD.items():
        if verb == single and not plural.startswith("'"):
            return plural
    if (
        verb in listed_in("modal_verbs")
        or verb in listed_in("irregular_pasts")
        or not verb.endswith("s")
        or verb.endswith(("ss", "us"))
    ):
        return verb
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    return verb[:-2] if re.search(r"(?:ss|x|z|ch|sh|oe)s$|(?:ss|x|zz|ch|sh|o)es$", verb) else verb[:-1]


def is_adverb(word: str) -> bool:
    """Tell whether a word may stand between a subject and its verb without being the verb."""
    return word in listed_in("verb_adverbs") or word.endswith("ly")


def is_past(word: str) -> bool:
    """Tell whether a word is the past of an irregular verb."""
    return word in listed_in("irregular_pasts")


def sentences(text: str) -> list[str]:
    """Split a text into its sentences."""
    return [part.strip() for paragraph in text.split("\n\n") for part in _END.split(paragraph) if part.strip()]


def capitalise(text: str) -> str:
    """Begin every sentence and every paragraph with a capital."""
    return re.sub(
        r'(^|\n\n|(?<!\bMr)(?<!\bDr)(?<!\bSt)(?<!\bMrs)[.!?] )(["“]?)([a-zà-ÿ])',
        lambda m: m[1] + m[2] + m[3].upper(),
        text,
    )


def tidy(text: str) -> str:
    """Mend spaces, articles and capitals of a rendered passage."""
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" *\n\n *", "\n\n", text).strip()
    text = re.sub(r" ([,.;:!?])", r"\1", text)
    return capitalise(fix_articles(text))


def listed(words: tuple[str, ...] | list[str]) -> str:
    """Join words as one says them: "brave, kind and lazy"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else ""

"""The rules of English the grammar needs: articles, plurals, pasts, capitals. Knows nothing of stories."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import inflect

T = TypeVar("T")


def words(listed: str) -> frozenset[str]:
    """Return the words of a list written as one string."""
    return frozenset(listed.split())


_WITH_THEY = {
    "was": "were", "wasn't": "weren't", "is": "are", "isn't": "aren't", "has": "have", "hasn't": "haven't",
    "does": "do", "doesn't": "don't", "says": "say", "looks": "look", "writes": "write", "needs": "need",
    "happens": "happen", "tells": "tell", "ends": "end", "answers": "answer", "knows": "know", "thinks": "think",
}  # fmt: skip
_VERB_AFTER_THEY = re.compile(rf"( (?:(?:always|never|still|now|only|also) )?)({'|'.join(_WITH_THEY)})\b(?!')")
_ARTICLE = re.compile(r"\b([Aa])n?(\s+)([A-Za-zÀ-ÿ0-9][\w'’-]*)")
_TAG_VERBS = words(
    "say says ask asks said asked answered replied murmured muttered whispered wondered called cried told put "
    "went added agreed admitted observed remarked wanted snapped sighed insisted repeated began offered"
)
_AFTER_SHOUT = re.compile(r'([?!]["”]) (\w+)((?: [\w\'’-]+){0,3})')
_START = re.compile(r'(^|\n\n|[.!?…] |[.…]["”] |[.!?…]["”] (?=["“]))(["“]?)([a-zà-ÿ])')
_NO_SUPERLATIVES = words("honest dishonest modest immodest earnest")
_ONLY = words("first last only best worst most least same next oldest youngest greatest")
SENTENCE_END = re.compile(r'(?<!\bSt\.)(?:(?<=[.!?…])|(?<=[.!?…]["”]))\s+(?=["“]?[A-ZÀ-Ý0-9])')


@cache
def _engine() -> inflect.engine:
    """Load `inflect` when the first article is needed, without the type checks that it compiles into itself.

    typeguard reads and compiles the whole module anew for each of its methods: more than a second of every process
    that starts, while readers wait for the stories of one that died. What is checked, mypy has checked.
    """
    import typeguard  # noqa: PLC0415 - listing templates needs neither

    checked = typeguard.typechecked
    typeguard.typechecked = _unchecked  # type: ignore[assignment]  # what it is itself under `python -O`
    try:
        import inflect  # noqa: PLC0415
    finally:
        typeguard.typechecked = checked
    return inflect.engine()


def _unchecked(target: T) -> T:
    return target


@lru_cache(maxsize=4096)
def indefinite(word: str) -> str:
    """Return "a" or "an", as the sound of `word` wants it."""
    return _engine().a(word).split(" ", 1)[0]


@lru_cache(maxsize=1024)
def singular(noun: str) -> str:
    """Return the singular of a plural noun, or the noun itself."""
    return _engine().singular_noun(noun) or noun


@lru_cache(maxsize=1024)
def plural(noun: str) -> str:
    """Return the plural of a noun."""
    return _engine().plural_noun(noun)


def with_article(phrase: str) -> str:
    """Put the right indefinite article before a noun phrase; a superlative takes "the"."""
    first = phrase.split(" ", 1)[0]
    if first in _ONLY or (first.endswith("est") and " " in phrase and first not in _NO_SUPERLATIVES):
        return f"the {phrase}"
    return f"{indefinite(phrase)} {phrase}"


def fix_articles(text: str) -> str:
    """Make every "a" and "an" in `text` agree with the word that follows."""

    def right(match: re.Match[str]) -> str:
        article = indefinite(match[3])
        return (article.capitalize() if match[1] == "A" else article) + match[2] + match[3]

    return _ARTICLE.sub(right, text)


def possessive(name: str) -> str:
    """Return the genitive of a name: "Mira's", "the twins'"."""
    plural_common = name.startswith("the ") and name.endswith("s") and not name.endswith(("ss", "us", "is"))
    return name + ("'" if plural_common else "'s")


def capitalise(text: str) -> str:
    """Begin every sentence with a capital, except the tag that follows a question or a shout."""
    text = _START.sub(lambda m: m[1] + m[2] + m[3].upper(), text)
    return _AFTER_SHOUT.sub(_after_shout, text)


def _after_shout(match: re.Match[str]) -> str:
    """Decide whether what follows `?"` is the tag of that speech (small) or a new sentence (capital)."""
    following = (match[2] + match[3]).split()
    small = match[2][:1].islower()
    pronoun = match[2] in {"she", "he", "they", "it"}
    if not small or not pronoun or any(word.lower() in _TAG_VERBS for word in following[:4]):
        return match[0]
    return f"{match[1]} {match[2][0].upper()}{match[2][1:]}{match[3]}"


def sentences(text: str) -> list[str]:
    """Split a text into sentences, for telling whether one occurs twice."""
    found: list[str] = []
    for paragraph in text.split("\n\n"):
        found.extend(part.strip() for part in SENTENCE_END.split(paragraph) if part.strip())
    return found


def sentence_key(sentence: str) -> str:
    """Return what makes two sentences the same: their words, without quotes, points and case."""
    return " ".join(re.findall(r"[\w'’-]+", sentence.lower()))


def word_count(text: str) -> int:
    """Count words as a reader would: pieces between white space."""
    return len(text.split())


def tidy(text: str) -> str:
    """Mend spaces, articles and capitals of a rendered passage."""
    text = re.sub(r"[ \t]+", " ", text)
    text = re.sub(r" *\n\n *", "\n\n", text).strip()
    text = re.sub(r" ([,.;:!?])", r"\1", text)
    return capitalise(fix_articles(text))


def after_they(text: str) -> str:
    """Return the words that follow "they" with their verb agreeing: passages are written for "he" and "she"."""
    found = _VERB_AFTER_THEY.match(text)
    return f"{found[1]}{_WITH_THEY[found[2]]}{text[found.end() :]}" if found else text

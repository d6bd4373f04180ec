"""Finds noun phrases in a text and decides what they speak of. Pure."""

from __future__ import annotations

from services.story.grammar.english import words
from services.story.grammar.past import past_clause
from services.story.grammar.tokens import DETERMINERS, IGNORED, PLACE_PREPS, Found, Noun, Token
from services.story.grammar.vocabulary import Kind, Vocabulary

_BECOMING = words("be become becomes became as being into")


def find_phrases(tokens: list[Token], known: Vocabulary) -> list[Found]:
    """Find the noun phrases of a text, in order."""
    found: list[Found] = []
    index = 0
    while index < len(tokens):
        phrase = _phrase_at(tokens, index, known)
        if phrase is None:
            index += 1
        else:
            found.append(phrase)
            index = phrase.end
    return found


def _phrase_at(tokens: list[Token], index: int, known: Vocabulary) -> Found | None:
    """Read the noun phrase that starts at `index`, if one does."""
    token = tokens[index]
    count = known.numbers.get(token.lower, 1)
    opened = token.lower in DETERMINERS or count > 1 or token.genitive
    if not opened and _is_no_noun(tokens, index, known):
        return None
    start = index + 1 if opened else index
    end = _phrase_end(tokens, start, known)
    words = [item.lower for item in tokens[start:end]]
    head_at = _head(words, known)
    if head_at < 0:
        if not opened or not words or not words[-1].isalpha() or words[-1] in known.verbs | known.adjectives:
            return None
        head_at = len(words) - 1
    return _found(tokens, index, start, words[: head_at + 1], known)


def _is_no_noun(tokens: list[Token], index: int, known: Vocabulary) -> bool:
    """Tell whether a word without an article is denied ("no letters") or the verb it may also be ("to fly")."""
    before = tokens[index - 1].lower if index else ""
    return before == "no" or (before in {"to", "must", "can", "cannot", "not"} and tokens[index].lower in known.verbs)


def _phrase_end(tokens: list[Token], start: int, known: Vocabulary) -> int:
    end = start
    while end < len(tokens) and end - start < 5:
        token = tokens[end]
        nouns = end > start and any(known.guess(item.lower) for item in tokens[start:end])
        if (end > start and token.breaks) or token.lower in known.function or token.lower in known.numbers:
            break
        if token.text[0].isupper() and not token.starts and not known.guess(token.lower):
            break
        if nouns and _acts(token.lower, tokens[end - 1].lower, known):
            break
        end += 1
        if token.genitive:
            break
    return end


def _acts(word: str, before: str, known: Vocabulary) -> bool:
    """Tell whether `word`, after a noun, is the verb of that noun."""
    if word in known.third_forms or (word in known.past_forms and word not in known.adjectives):
        return True
    return word in known.verbs and known.is_plural(before) and not known.kind(word)


def _head(words: list[str], known: Vocabulary) -> int:
    """Return the position of the last known noun; -1 if there is none."""
    for index in range(len(words) - 1, -1, -1):
        kind = known.guess(words[index])
        alone_as_verb = words[index] in known.verbs and index == 0 and len(words) > 1
        if kind and not alone_as_verb:
            return index
    return -1


def _found(tokens: list[Token], index: int, start: int, words: list[str], known: Vocabulary) -> Found | None:
    """Decide what the noun phrase of these words speaks of; `index` is where its article stands, if it has one."""
    count = known.numbers.get(tokens[index].lower, 1)
    end = start + len(words)
    head = " ".join(words[-2:]) if len(words) > 1 and known.kinds.get(" ".join(words[-2:])) else words[-1]
    prep = _before(tokens, index)
    kind = known.guess(head) or _kind_by_place(prep, tokens, index, end, known)
    possessor = tokens[end - 1].genitive and tokens[end - 1].text.islower()  # its phrase names what it possesses
    if possessor or head in IGNORED or kind in {"abstract", ""}:
        return None
    if tokens[index].lower == "no" or len(head) < 2:
        return None
    phrase = " ".join([*(word for word in words[:-1] if _modifier(word, known)), words[-1]])
    kind = _by_use(kind, head, prep, known)
    if kind in {"person", "animal"} and prep in _BECOMING:
        return None
    if tokens[index].genitive and tokens[index].text.islower():
        phrase = f"{tokens[index].text}'s {phrase}"
    noun = Noun(kind, head, phrase, plural=known.is_plural(words[-1]), count=count, prep=prep,
                detail=_relative(tokens, end, known), pronoun=known.gender(head))  # fmt: skip
    return Found(start if tokens[index].genitive else index, end, noun)


def _before(tokens: list[Token], index: int) -> str:
    """Return the word that leads to the phrase at `index`, past an article; "" at a break."""
    if not index or tokens[index].breaks:
        return ""
    before = tokens[index - 1].lower
    return tokens[index - 2].lower if before in {"a", "an", "the"} and index > 1 else before


def _by_use(kind: Kind, head: str, prep: str, known: Vocabulary) -> Kind:
    """Take what may be a place or a thing (the moon) for a thing, unless a preposition of place leads to it."""
    return "thing" if kind == "place" and head in known.both and prep not in PLACE_PREPS else kind


def _modifier(word: str, known: Vocabulary) -> bool:
    """Tell whether a word before a noun is surely a word: misspelt ones are left out."""
    if word in known.third_forms and not known.kind(word):
        return False
    return known.known(word) or "-" in word or len(word) > 4


def _kind_by_place(prep: str, tokens: list[Token], index: int, end: int, known: Vocabulary) -> Kind:
    """Judge an unknown noun by where it stands: who acts is somebody, what is acted on is something."""
    following = tokens[end].lower if end < len(tokens) and not tokens[end].breaks else ""
    if following == "who":
        return "person"
    if index == 0 and following in known.third_forms and tokens[index].lower in {"a", "an"}:
        return "person"
    if prep in {"in", "at", "near", "into"}:
        return ""
    return "thing" if prep in known.third_forms or prep in known.verbs or prep in known.past_forms else ""


def _relative(tokens: list[Token], end: int, known: Vocabulary) -> str:
    """Return the relative clause that starts at `end` in the past tense, or ""."""
    if end >= len(tokens) or tokens[end].lower not in {"who", "that", "which"} or tokens[end].starts:
        return ""
    stop = end + 1
    while stop < len(tokens) and not tokens[stop].breaks and stop - end <= 12:
        stop += 1
    if stop < len(tokens) and not tokens[stop].breaks:
        return ""
    clause = [token.text + ("'s" if token.genitive else "") for token in tokens[end + 1 : stop]]
    cut = _main_verb_after_relative(clause, known)
    turned = past_clause(clause[:cut], known)
    return f"{tokens[end].lower} {turned}" if turned else ""


def _main_verb_after_relative(clause: list[str], known: Vocabulary) -> int:
    """Return where the relative clause ends because the sentence's own verb begins (after a noun)."""
    for index in range(2, len(clause)):
        word, before = clause[index].lower(), clause[index - 1].lower()
        linked = before in known.function
        if not linked and (word in known.third_forms or word in {"is", "was", "must", "has", "can", "wants"}):
            return index
    return len(clause)

"""Finds proper names in a text and decides whom or what they name. Pure."""

from __future__ import annotations

from services.story.grammar.english import words
from services.story.grammar.tokens import DETERMINERS, IGNORED, PLACE_PREPS, Found, Noun, Token, is_capital
from services.story.grammar.vocabulary import Vocabulary

_PLACE_FIRST = words("port fort cape mount lake loch castle camp isle")  # "Port Mary" is no person
_LONGEST_ABBREVIATION = 4
_SAINTS = words("st saint")
_SOFT_TITLES = words("old young little big black brother sister father")  # "Little Snoring" is a village
_LEADING = words("in at on to towards toward across")
PARTICLES = words("de van von der den del della la le du al bin el ben ter")
MINDFUL = words(
    "want decide dream wish hope love learn refuse believe fear hate forget remember yearn think long promise swear "
    "pretend envy worry marry befriend try plan imagine admire apologise complain sulk write quarrel"
)
"""Verbs of which only somebody is the subject."""
_FINITE = words("is was are were has had can could will would must does did may might should cannot have")


def sure_names(tokens: list[Token], known: Vocabulary) -> tuple[Noun, ...]:
    """Take from a foreign text only what is certainly a first name."""
    found = {token.text: None for token in tokens if token.text.istitle() and token.lower in known.names}
    return tuple(
        Noun("person", name, name, name=name, pronoun=known.name_gender(name)) for name in found
        if name.lower() not in known.foreign
    )[:4]  # fmt: skip


def find_names(tokens: list[Token], known: Vocabulary) -> list[Found]:
    """Find runs of capitalised words, and in lower-case texts the words that can only be names."""
    found: list[Found] = []
    index = 0
    lower_case = all(token.text.islower() for token in tokens)
    while index < len(tokens):
        end = _name_end(tokens, index, known, lower_case=lower_case)
        if end > index:
            noun = _named(tokens, index, end, known)
            if noun is not None:
                found.append(Found(index, end, noun))
            index = end
        else:
            index += 1
    return found


def _name_end(tokens: list[Token], index: int, known: Vocabulary, *, lower_case: bool) -> int:
    """Return where the name that starts at `index` ends; `index` if none does."""
    if lower_case:
        before = tokens[index - 1].lower if index else ""
        first = tokens[index].lower
        called = before in {"named", "called"} and first not in known.function
        sure = first in known.names and not known.known(first) and before not in DETERMINERS
        return index + 1 if called or sure or first in known.gazetteer else index
    end = index
    while (
        end < len(tokens)
        and (_capital(tokens[end]) or _particle(tokens, index, end))
        and (end == index or not tokens[end].breaks)
    ):
        end += 1
        if tokens[end - 1].genitive:
            break
    if end > index and tokens[index].starts and not _may_start_name(tokens, index, end, known):
        return index
    return end


def _capital(token: Token) -> bool:
    return is_capital(token) and token.lower not in {"i", "i'm", "i'd", "i'll", "i've"}


def _particle(tokens: list[Token], start: int, at: int) -> bool:
    """Tell whether a small word stands within a name: "Ludwig van Beethoven"."""
    inner = start < at < len(tokens) - 1 and tokens[at].lower in PARTICLES
    return inner and _capital(tokens[at + 1]) and not tokens[at + 1].breaks


def _may_start_name(tokens: list[Token], index: int, end: int, known: Vocabulary) -> bool:
    """Tell whether a capital at the start of a sentence belongs to a name and not to an ordinary word."""
    token = tokens[index]
    if end - index > 1:
        return token.lower not in known.function and (token.lower not in known.numbers)
    if token.lower in known.names or (token.text.isupper() and len(token.text) > 1):
        return token.lower not in known.function
    if known.known(token.lower):
        return end - index == 1 and _is_somebody(tokens, index, known)
    following = tokens[end] if end < len(tokens) else None
    after = tokens[end + 1].lower if end + 1 < len(tokens) else ""
    if following is not None and following.lower == "the" and known.guess(after) in {"person", "animal", "being"}:
        return True
    if token.genitive:
        return True
    return following is not None and (
        _acts(tokens, end)
        or (following.breaks and following.mark != ":")
        or following.lower in {"and", "or"}
        or verb_form(following.lower, known)
    )


def _is_somebody(tokens: list[Token], index: int, known: Vocabulary) -> bool:
    """Tell whether a singular noun without an article is a name: it has a mind, or stands parallel to another name."""
    word = tokens[index].lower
    following = tokens[index + 1] if index + 1 < len(tokens) else None
    if known.kind(word) not in {"thing", "place"} or known.is_plural(word) or word in known.airy or following is None:
        return False
    if following.breaks or known.third_forms.get(following.lower) is None:
        return False
    if known.third_forms[following.lower] in MINDFUL:
        return True
    rest = range(index + 2, len(tokens) - 1)
    return any(
        _capital(tokens[at]) and not tokens[at].starts and tokens[at].breaks and verb_form(tokens[at + 1].lower, known)
        for at in rest
    )


def _acts(tokens: list[Token], at: int) -> bool:
    """Tell whether a word between a name and an article can only be a verb: "Pradeep coaches the worst team"."""
    after = tokens[at + 1] if at + 1 < len(tokens) else None
    ends = tokens[at].lower.endswith("s") and not tokens[at].breaks and not tokens[at].genitive
    return ends and after is not None and not after.breaks and after.lower in DETERMINERS


def verb_form(word: str, known: Vocabulary) -> bool:
    """Tell whether a word is a finite verb."""
    return word in _FINITE or word in known.third_forms or word in known.past_forms


def _named(tokens: list[Token], start: int, end: int, known: Vocabulary) -> Noun | None:
    """Decide what a run of capitalised words names."""
    run = [token.text for token in tokens[start:end]]
    lower = [word.lower() for word in run]
    if all(word in known.function or word in IGNORED for word in lower) or (len(run) > 1 and lower[0] in IGNORED):
        return None  # "Christmas Eve"
    run = [
        word if word[0].isupper() or (at and word in PARTICLES) else word.capitalize() for at, word in enumerate(run)
    ]
    name = " ".join(run)
    before = tokens[start - 1].lower if start and not tokens[start].breaks else ""
    if len(run) == 1:
        if lower[0] in known.gazetteer:
            return Noun("place", name, name, name=name, prep=before if before in _LEADING else "in")
        if _belongs_to_noun(tokens, start, before, known):
            return None
        if tokens[start].starts and known.kind(lower[0]) and _is_somebody(tokens, start, known):
            return Noun("person", name, name, name=name, pronoun=known.name_gender(name))
        if known.kind(lower[0]) and lower[0] not in known.names and not _is_living(before, known):
            return None  # an ordinary noun in capitals: the phrases see it
    if lower[0] in _SAINTS and tokens[end - 1].genitive and _owns_nothing(tokens, end, known):
        if before == "of" and start > 1 and known.kind(tokens[start - 2].lower) == "place":
            return None  # "the steeple of St Agatha's"
        name = " ".join(token.plain for token in tokens[start:end])  # a church or a parish is called "St. Brendan's"
        return Noun("place", name, name, name=name, prep="at")
    return _place(tokens, start, run, known) or _somebody(tokens, start, run, known)


def _belongs_to_noun(tokens: list[Token], at: int, before: str, known: Vocabulary) -> bool:
    """Tell whether one capitalised word only describes the noun after it: "a small TV channel", "a Roman mosaic"."""
    following = tokens[at + 1] if at + 1 < len(tokens) and not tokens[at + 1].breaks else None
    if following is None or tokens[at].genitive:
        return False
    led = before in DETERMINERS | known.adjectives
    text = tokens[at].text
    short = 1 < len(text) <= _LONGEST_ABBREVIATION and text.isupper() and following.text.islower()
    modified = led and (short or bool(known.guess(following.lower)))
    return modified or _adjectival(tokens[at].lower, following, before, known)


def _is_living(word: str, known: Vocabulary) -> bool:
    """Tell whether a noun before a name says whose it is: "her dog Biscuit"."""
    return known.guess(word) in {"person", "animal", "being"}


def _place(tokens: list[Token], start: int, run: list[str], known: Vocabulary) -> Noun | None:
    """Return the place that a run of words names by itself: "Port Mary", "Blackthorn House"; None if it does not."""
    lower, name = [word.lower() for word in run], " ".join(run)
    before = tokens[start - 1].lower if start and not tokens[start].breaks else ""
    kinds = [known.kind(word) for word in lower]
    if len(run) > 1 and lower[0] in _PLACE_FIRST:
        return Noun("place", name, name, name=name, prep=before if before in _LEADING else "in")
    if "place" in kinds[1:] + kinds[-1:] and kinds[0] != "person" and not any(word in known.names for word in lower):
        prep = before if before in _LEADING else ""
        article = "the " if before == "the" else ""
        head = next(word for word, kind in zip(lower, kinds, strict=True) if kind == "place")
        return Noun("place", head, article + name, name=article + name, prep=prep or known.preps.get(head, "in"))
    return None


def _somebody(tokens: list[Token], start: int, run: list[str], known: Vocabulary) -> Noun | None:
    """Make a person of a run of words, unless a preposition of place leads to it and nothing says that it is one."""
    lower, name = [word.lower() for word in run], " ".join(run)
    before = tokens[start - 1].lower if start and not tokens[start].breaks else ""
    named = any(word in known.names for word in lower)
    titled = any(word in known.titles for word in lower[:-1]) and not (before == "of" and lower[0] in _SOFT_TITLES)
    one = len(run) == 1 and (_is_living(before, known) or lower[0] in known.titles)
    person = named or titled or one or any(known.kind(word) == "person" for word in lower)
    if not person and _place_before(tokens, start, known):
        article = "the " if before == "the" else ""
        return Noun("place", name, article + name, name=article + name, prep=before if before in _LEADING else "in")
    return None if not person and before == "the" else _person(run, lower, known)


def _owns_nothing(tokens: list[Token], end: int, known: Vocabulary) -> bool:
    """Tell whether a genitive has no noun to own: the sentence ends, or a verb or another small word follows."""
    return (
        end == len(tokens)
        or tokens[end].breaks
        or tokens[end].lower in known.function
        or tokens[end].lower.endswith("ly")
    )


def _adjectival(word: str, following: Token | None, before: str, known: Vocabulary) -> bool:
    """Tell whether a capital belongs to an adjective of a people: "the Roman wall", "an old Persian rug"."""
    noun = following is not None and following.text.islower() and not known.known(following.lower)
    return noun and word.endswith(("an", "ish", "ese", "ch")) and before in DETERMINERS | known.adjectives


def _place_before(tokens: list[Token], start: int, known: Vocabulary) -> bool:
    """Tell whether a preposition of place stands before, with or without an article."""
    if not start or tokens[start].breaks:
        return False
    before = tokens[start - 1].lower
    if before == "the" and start > 1:
        before = tokens[start - 2].lower
    return before in PLACE_PREPS or (known.kind(before) == "place" and before != "house")


def _person(run: list[str], lower: list[str], known: Vocabulary) -> Noun:
    """Make a person of a run of words, with a rank or trade before the name if there is one."""
    cut = 0
    while cut < len(run) - 1 and (known.kind(lower[cut]) == "person" or lower[cut] in known.adjectives - known.titles):
        cut += 1
    trade = " ".join(lower[:cut])
    titled = cut > 0 and len(run) - cut == 1 and known.kind(lower[cut - 1]) == "person"
    name = " ".join(run if titled or cut == 0 else run[cut:])
    head = lower[cut - 1] if cut else name
    gender = (
        known.gender(head) or next((g for w in lower[cut:] if (g := known.name_gender(w))), "") or _titled(lower[0])
    )
    return Noun("person", head, trade or name, name=name, pronoun=gender)


def _titled(title: str) -> str:
    if title in {"mr", "sir", "lord", "uncle", "monsieur", "father", "brother"}:
        return "he"
    return "she" if title in {"mrs", "ms", "miss", "lady", "dame", "madame", "aunt", "auntie", "sister"} else ""

"""Finds the name that a description gives to whom it describes, and nobody else's. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from services.character.grammar.lists import listed_in
from services.character.grammar.species import kinds
from services.character.grammar.table import read_table
from services.character.grammar.words import people, small, traits

_TOKEN = re.compile(r"[^\W\d_][\w'’.-]*[\w'’]|[^\W_]+|\S", re.UNICODE)
_SAID = re.compile(
    r"\b(?:(?:real|full|birth) name(?:\s*(?:is|was|[:=]))?|"
    r"(?:full |first |real |his |her |their |its |my )?name(?:\s*(?:is|was|[:=])|'s|\s+of)|(?:re)?named|"
    r"call(?:s|ed)? (?:her|him|them|it|me)(?:self|selves)?|called|known(?: to \w+)? as|goes by(?: the name(?: of)?)?|"
    r"going by(?: the name(?: of)?)?|by the name of|answers to(?: the name(?: of)?)?|answering to(?: "
    r"the name(?: of)?)?|christened|nicknamed|dubbed|designated|designation:?|"
    r"say hello to|meet|(?:character|hero|heroine|protagonist|villain) is)\s+(?=\S)",
    re.IGNORECASE,
)
_CAPITALS_ONLY = re.compile(r"meet|say hello|call(?:s|ed)? |.* is$(?<!name is)")
_OTHERS = re.compile(
    r"(?:\b(?:with|and|has|have|had|owns?|rides?|of|for|by|from|to|in|on|at|loves?|hates?|misses|wants|"
    r"against|protects|seeking|finds?|find)\s+(?:an?|the|his|her|their|its|my|your|one|two)|"
    r"\b(?:his|her|their|its|whose))\s+(?:[\w'’-]+\s+){1,4}$",
    re.IGNORECASE,
)
_SHORT_NAME = 3
"""Letters of a first name that is found among too many peoples to tell of one."""
_EPITHETS = frozenset({"Old", "Young", "Little", "Big"})
_STYLES = re.compile(
    r"\b(?:his|her|their)\s+(?:royal\s+)?(?:majesty|highness|grace|excellency|holiness|lordship|ladyship)\b[, "
    r"]*",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it was found.

    Attributes:
        first: What one is called by.
        last: The rest of it; may be empty.
        title: "Sir", "Captain"; may be empty.
        nick: A name within the name ("Billie"); may be empty.
        start: Where the words that give the name begin.
        end: Where they end.
    """

    first: str
    last: str
    title: str
    nick: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        return self.text.lower().rstrip(".")

    @property
    def capital(self) -> bool:
        return self.text[:1].isupper()


@cache
def first_names() -> dict[str, str]:
    """Return the first names that tell a gender, in lower case: "f" or "m"."""
    table = read_table("names")
    lists = [table.table(group).table(key) for group in ("kinds", "peoples") for key in table.table(group).names()]
    found: dict[str, set[str]] = {}
    for names in (*lists, table.table("read")):
        for key, gender in (("woman", "f"), ("man", "m")):
            for name in names.words(key):
                found.setdefault(name.lower(), set()).add(gender)
    return {name: genders.pop() for name, genders in found.items() if len(genders) == 1}


def people_named(name: Name) -> str:
    """Return the people among whom one has such a name; empty where that is not known."""
    table = read_table("names").table("peoples")
    for key in table.names():
        names = table.table(key)
        firsts = {*names.words("woman"), *names.words("man")}
        if len(name.first) > _SHORT_NAME and (name.first in firsts or name.last in names.words("family")):
            return key
    return ""


def known_word(word: str) -> bool:
    """Tell whether a word means something other than a name."""
    lower, folk = word.lower(), people()
    return (
        lower in small().function
        or lower in small().verbs
        or lower in small().stages
        or lower in small().never_names
        or lower in kinds().words
        or lower in folk.professions
        or lower in folk.women | folk.men | folk.either | folk.nonbinary | folk.qualifiers
        or lower in traits().all | traits().looks | traits().looks_nouns
    )


def find_name(text: str) -> Name | None:
    """Return the name of whom the description is about; None if it gives none."""
    tokens = [_Token(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]
    found = [name for name in (*_said(text, tokens), *_standing(text, tokens)) if name is not None]
    return max(found, key=lambda item: (item[0], -item[1].start))[1] if found else None


def _said(text: str, tokens: list[_Token]) -> list[tuple[int, Name]]:
    """Find names behind words such as "named"."""
    found: list[tuple[int, Name]] = []
    for match in _SAID.finditer(text):
        index = next((i for i, token in enumerate(tokens) if token.start >= match.end()), -1)
        said = match[0].lower().strip()
        if index < 0 or (said != "name:" and _of_others(text[max(0, match.start() - 60) : match.start()].lstrip())):
            continue
        name = _run(tokens, index, match.start(), loose=True)
        if name is None and not _CAPITALS_ONLY.match(said):
            name = _small_name(tokens, index, match.start(), text)
        if name is not None and tokens[index].lower not in {"after", "by", "in", "at", "to"}:
            found.append((_strength(said), name))
    return found


def _strength(said: str) -> int:
    """Say how surely words give the name itself: "real name" before "called", and that before what friends say."""
    if re.match(r"(?:real|full|birth) name", said):
        return 130
    return 120 if re.match(r"(?:\w+ )?name\b", said) else 90 if said.startswith(("call ", "calls ")) else 100


def _of_others(before: str) -> bool:
    """Tell whether the words before a name say that it is somebody else's: "with a dog (named)"."""
    plain = re.sub(r"\bin (?:his|her|their|its) (?:early |mid |late |mid-)?\w+(?:ies|teens|s)\b", "", before)
    return bool(_OTHERS.search(plain))


def _small_name(tokens: list[_Token], index: int, start: int, text: str) -> Name | None:
    """Take a name written small: one or two words that end at a boundary, or that mean nothing else."""
    words: list[_Token] = []
    for token in tokens[index : index + 2]:
        if not token.text[:1].isalpha() or token.lower in small().function or token.lower in small().verbs:
            break
        words.append(token)
    if not words:
        return None
    if len(words) == 2 and known_word(words[1].text) and text[words[1].end : words[1].end + 1].isalpha():
        words.pop()
    return _named(" ".join(_upper(word.text) for word in words), "", start, words[-1].end)


def _upper(word: str) -> str:
    return word if word[:1].isupper() else word[:1].upper() + word[1:]


def _standing(text: str, tokens: list[_Token]) -> list[tuple[int, Name]]:
    """Find names by where they stand: first of all, after a title, after a noun, between commas."""
    found: list[tuple[int, Name]] = []
    index = 0
    while index < len(tokens):
        before = tokens[index - 1] if index else None
        opens = (
            before is None
            or before.text in listed_in("after")
            or text[before.end : tokens[index].start].count("\n") > 0
        )
        name = _run(tokens, index, tokens[index].start, loose=False) if tokens[index].capital else None
        if name is None:
            small_one = _small_alone(text, tokens, index) if opens else None
            found.extend([(35, small_one)] if small_one else [])
            index += 1
            continue
        weight = _weight(text, tokens, index, name, opens=opens)
        if weight:
            found.append((weight, name))
        index = next((i for i, token in enumerate(tokens) if token.start >= name.end), len(tokens))
    return found


def _weight(text: str, tokens: list[_Token], index: int, name: Name, *, opens: bool) -> int:
    """Say how surely a run of capitals where it stands is whom this is about; 0 for no."""
    before = tokens[index - 1].lower if index else ""
    after = text[name.end :].lstrip()
    if text[: name.end].endswith(("'s", "s'")) and _owned(after):
        return 0
    sentence = index == 0 or before in {".", "!", "?", ":"} or before.endswith("year-old")
    if (
        sentence
        and not name.title
        and not name.last
        and known_word(name.first)
        and name.first.lower() not in first_names()
    ):
        return 30 if re.match(r",\s+(?:an?|the|age|aged|\d+)\b", after) else 0
    followed = (
        bool(re.match(r"(?:[,(:;–—-]|is\b|was\b|who\b|has\b|the\b|$|\.)", after))
        or after.split(" ", 1)[0].lower() in small().verbs
    )
    if index == 0 or before.endswith("year-old") or (opens and name.title and sentence):
        return 80 if followed or name.title or name.last or " " in name.first or after[:1].islower() else 0
    if opens and (followed or name.title):
        return 60 if sentence else 45 if re.match(r"[,.;:(]|$", after) or followed else 0
    if (
        before in {"am", "is", "are"}
        and index == 2
        and tokens[0].lower in {"i", "you", "they", "she", "he"}
        and (not known_word(name.first) or re.match(r",\s+(?:an?|the)\b", after))
    ):
        return 65
    noun = before in kinds().words or before in people().professions or before in people().kin
    mine = not _of_others(text[max(0, tokens[index].start - 60) : tokens[index].start])
    if noun and mine and before not in {"in", "at"}:
        return 70 if name.title else 55
    return 40 if name.title and before in {"is", "am", "are", "a", "the", "old"} and mine else 0


def _owned(after: str) -> bool:
    """Tell whether somebody of theirs follows: "(Mateo's) little sister"."""
    words = re.findall(r"[a-z'-]+", after.split(",", maxsplit=1)[0].lower())[:3]
    return (
        bool(words)
        and words[0] not in small().function
        and any(word in people().kin or word in people().professions or word in kinds().words for word in words)
    )


def _small_alone(text: str, tokens: list[_Token], index: int) -> Name | None:
    """Take "kaelith, a tiefling": words that mean nothing else, alone before a comma and what somebody is."""
    words = []
    for token in tokens[index : index + 3]:
        if not token.text.isalpha() or known_word(token.text):
            break
        words.append(token)
    if not 1 <= len(words) <= 2 or not words[0].text.islower():
        return None
    known = words[0].lower in first_names()
    if re.match(r"\s*,\s*(?:an?|the|\d+|age|aged|he|she|they)\b", text[words[-1].end :]) or (known and index == 0):
        return _named(" ".join(_upper(word.text) for word in words), "", words[0].start, words[-1].end)
    return None


def _run(tokens: list[_Token], index: int, start: int, *, loose: bool) -> Name | None:
    """Take the run of capitals that begins at `index`, titles first, with particles and numbers inside."""
    end, titles = index, index
    while titles < len(tokens) and tokens[titles].capital and _is_title(tokens, titles):
        titles += 1
        if titles < len(tokens) and tokens[titles].text == ".":
            titles += 1
    first = titles
    if (
        loose
        and first < len(tokens)
        and tokens[first].lower == "the"
        and first + 1 < len(tokens)
        and tokens[first + 1].capital
    ):
        first += 1
    end = first
    while end < len(tokens) and _belongs(tokens, first, end):
        end += 1
    while end > first and tokens[end - 1].lower in listed_in("particles"):
        end -= 1
    if loose and end == first < len(tokens) and tokens[first].capital and tokens[first].lower in small().numbers:
        end += 1  # "a crow named Seven"
    words = [token.text for token in tokens[first:end]]
    title = " ".join(token.text for token in tokens[index:titles] if token.text != ".")
    if not words and loose and titles > index:  # "called Sergeant", "named Duchess"
        words, title, end = [tokens[titles - 1].text], "", titles
    if not words or (not loose and not title and _only_words(words)):
        return None
    return _named(" ".join(words).replace(' " ', ' "'), title, start, tokens[end - 1].end)


def _is_title(tokens: list[_Token], at: int) -> bool:
    """Tell whether a word is a title, or the epithet of one: "Old Father Tansy"."""
    if tokens[at].text in _EPITHETS and at + 1 < len(tokens):
        return tokens[at + 1].capital and tokens[at + 1].lower in people().titles
    return tokens[at].lower in people().titles


def _only_words(words: list[str]) -> bool:
    """Tell whether a run is no name: "The Paris", "Ancient", "English"."""
    lowers = [word.lower() for word in words if word not in {'"', "'"}]
    if all(word in small().never_names or word in small().function for word in lowers):
        return True
    return len(lowers) == 1 and lowers[0] in small().function


def _belongs(tokens: list[_Token], first: int, at: int) -> bool:
    token = tokens[at]
    if token.text in {'"', "“", "”"}:
        return at > first and at + 1 < len(tokens)
    inner = at > first
    if re.search(r"-(?:(?:year|month|week|day)s?-old|ish|something|odd)$", token.lower):
        return False
    epithet = token.text in _EPITHETS and at + 1 < len(tokens) and tokens[at + 1].capital
    if epithet:
        return True
    if token.lower in small().never_names or (
        token.lower in small().function and token.lower not in listed_in("particles")
    ):
        return False
    if token.capital or (inner and token.text.isdigit() and tokens[at - 1].text in listed_in("numbered")):
        sentence = inner and tokens[at - 1].text.endswith(".") and len(tokens[at - 1].text) > 3
        return not sentence
    if inner and re.match(r"(?:a[dlnrst]|ash|el|ibn|ul)-[A-Z]", token.text):  # "al-Rashid"
        return True
    if not inner or token.lower not in listed_in("particles"):
        return False
    ahead = next((other for other in tokens[at + 1 : at + 3] if other.lower not in listed_in("particles")), None)
    return ahead is not None and ahead.capital and ahead.lower not in small().never_names


def _named(written: str, title: str, start: int, end: int) -> Name | None:
    nick = re.search(r'["“]\s*([^"“”]{1,40}?)\s*["”]', written)
    plain = re.sub(r'\s*["“][^"“”]*["”]\s*', " ", written).replace('"', " ").split()
    plain = [word.rstrip(".,") if len(word) > 2 or (word.endswith(".") and len(plain) == 1) else word for word in plain]
    plain = [re.sub(r"['’]s$", "", word) for word in plain]
    if not plain or not plain[0]:
        return None
    if plain[0] == "The" and len(plain) > 2:  # "The Great Mandolini"
        return Name(" ".join(plain)[:60], "", title, "", start, end)
    count = 2 if len(plain) > 1 and (plain[0] in _EPITHETS | listed_in("numbered")) else 1
    return Name(" ".join(plain[:count])[:60], " ".join(plain[count:])[:60], title, nick[1] if nick else "", start, end)


def without_styles(text: str) -> str:
    """Leave out "His Majesty" and the like, which stand where a title would."""
    return _STYLES.sub("", text)

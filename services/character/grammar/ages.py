"""Finds how old a description says that somebody is: in figures, in words, by decade or by time of life. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from services.character.domain import MOST_YEARS
from services.character.grammar.words import small

_UNIT = r"(?:years?|yrs?\.?)"
_END = (
    r"(?=\s*(?:$|[,.;:!?()\]/|\n@]|-\s|(?:and|but|who|with|when|if|named|called|that|from|she|he|they|"
    r"or so|still|now|or thereabouts)\b))"
)

_ABOUT = (
    r"(?:(?P<hedge>about|around|roughly|approximately|nearly|almost|over|well over|more than|at least|past|well past|"
    r"barely|just|only|some|maybe|probably|perhaps|exactly|pushing|approaching|close to|going on|not yet|under|"
    r"at most|turning|turned|just turned|about to turn|about to be|a sprightly|a youthful)\s+)?"
)
_LATER = frozenset({"over", "well over", "more than", "past", "well past"})
_EARLIER = frozenset(
    {"nearly", "almost", "pushing", "approaching", "close to", "going on", "not yet", "under", "about to turn"}
)
_PARTS = {"early": (1, 3), "mid": (4, 6), "late": (7, 9)}


@dataclass(frozen=True, slots=True)
class Age:
    """What is said of an age.

    Attributes:
        low: Least years; -1 where only a stage is known.
        high: Most years.
        stage: A time of life ("child", "old"); empty where years are known.
        start: Where the words that say so begin.
        end: Where they end.
    """

    low: int
    high: int
    stage: str
    start: int
    end: int


@cache
def _number() -> str:
    words = "|".join(
        sorted((*small().numbers, "hundred", "thousand", "million", "dozen", "score"), key=len, reverse=True)
    )
    return rf"(?:\d{{1,3}}(?:,\d{{3}})+|\d{{1,9}}|\b(?:a |half a )?(?:{words})(?:[- ](?:and[- ])?(?:{words})){{0,7}}\b)"


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    n = _number()
    decades = "|".join(small().decades)
    sources = (
        ("field", rf"\bage\s*(?:[:=]|is)?\s*{_ABOUT}(?P<n>{n})\b(?:\s*{_UNIT}(?:\s*old)?)?"),
        (
            "months",
            (
                rf"\b(?P<hedge>just|only|barely|a few)?\s*(?:{n}|a few|several)?"
                r"[\s-]*(?:days?|weeks?|hours?|minutes?)[- ]old\b"
            ),
        ),
        ("month", rf"(?P<n>{n})[\s-]*(?:months?)(?:[- ]+olds?)\b"),
        (
            "years",
            (
                rf"\b{_ABOUT}(?P<n>{n})[\s-]*(?:{_UNIT}[\s-]*(?:old|of age|young)s?|y\.?/?o\.?\b|yrs?\b(?! of| in|"
                rf" ago))"
            ),
        ),
        (
            "centuries",
            (
                rf"\b{_ABOUT}(?P<n>{n}|several|many|a few)?\s*(?P<u>centur(?:y|ies)|millenni(?:a|um)|decades?|eons?|"
                rf"aeons?)[- ]old\b"
            ),
        ),
        ("teens", r"\b(?:barely |just |hardly )?out of (?:her|his|their) teens\b"),
        (
            "range",
            (
                rf"\b(?:in )?(?:(?:her|his|their|its|my|your|the)\s+)?(?P<p>early|mid|late)?"
                rf"(?:\s+to\s+(?:mid|late))?[\s-]*(?P<d>{decades})\b(?! century|-century)"
            ),
        ),
        (
            "figures",
            r"\b(?:in )?(?:(?:her|his|their|its|my|your|the)\s+)?(?P<p>early|mid|late)?[\s-]*(?P<n>[2-9]0)'?s\b",
        ),
        ("something", rf"\b(?P<n>{n})[- ]?(?:something|odd|ish)\b"),
        ("aged", rf"\b(?:aged?|of age)\s+{_ABOUT}(?P<n>{n})\b"),
        (
            "turned",
            (
                r"\b(?P<hedge>just turned|turned|turns|turning|about to turn|will be|will turn|'ll be|'ll turn)"
                rf"\s+(?P<n>{n})\b(?!\s+(?:to|into|pages?|heads?))"
            ),
        ),
        (
            "birthday",
            r"\b(?:on|after|before|since|by)\s+(?:her|his|their|its|my)\s+(?P<o>[a-z]+(?:-[a-z]+)?)\s+birthday\b",
        ),
        ("of", rf"\bof\s+{_ABOUT}(?P<n>{n})(?:{_END}|(?=\s+(?:in|at|on|by|\w{{3,}}(?:ed|ing))\b))"),
        (
            "of",
            (
                rf"(?:(?<=man )|(?<=boy )|(?<=girl )|(?<=lad )|(?<=lady )|(?<=person )|(?<=widow )|(?<=widower ))"
                rf"of\s+{_ABOUT}(?P<n>{n})\s+{_UNIT}"
            ),
        ),
        (
            "made",
            (
                r"(?<!she )(?<!he )(?<!they )\b(?:activated|switched on|built|assembled|born|hatched|awakened|planted)"
                rf"\s+{_ABOUT}(?P<n>{n})\s+years? ago\b"
            ),
        ),
        ("at", rf"(?:^|[.;]\s+)at\s+(?P<n>{n}){_END}"),
        ("is", rf"\b(?:is|she's|he's|they're|am|are|I'm|now|only|looks)\s+{_ABOUT}(?P<n>{n})\b(?:\s+{_UNIT})?{_END}"),
        (
            "bare",
            (
                rf"(?:^|[,.;:(|\n]|\s-)\s*(?:now |still |maybe |perhaps )?{_ABOUT}(?P<n>{n})(?:\s*{_UNIT})?(?:\?|"
                rf"{_END})"
            ),
        ),
        ("sex", r"\b(?P<n>\d{1,4})\s*/?\s*(?:f|m|nb|female|male)\b"),
        ("sexed", r"\b(?:f|m|nb|female|male|woman|man|girl|boy)\s*[/,]?\s*(?P<n>\d{1,4})\b"),
        (
            "hedged",
            (
                r"\b(?P<hedge>well over|well past|pushing|at least|over|more than|nearly|almost|approaching)"
                rf"\s+(?P<n>{n}){_END}"
            ),
        ),
    )
    return tuple((key, re.compile(source, re.IGNORECASE)) for key, source in sources)


def value(written: str) -> int:
    """Return the number that is written, in figures or words; at most `MOST_YEARS`."""
    plain = written.replace(",", "").strip().lower()
    if plain.isdigit():
        return min(MOST_YEARS, int(plain))
    total, current = 0, 0
    numbers = small().numbers
    for word in re.findall(r"[a-z]+", plain):
        if word in numbers:
            current += numbers[word]
        elif word == "half":
            current = -2  # half of what follows
        elif word in {"hundred", "dozen", "score"}:
            size = {"hundred": 100, "dozen": 12, "score": 20}[word]
            current = size // 2 if current == -2 else max(1, current) * size
        elif word in {"thousand", "million"}:
            size = 1_000 if word == "thousand" else 1_000_000
            total, current = total + (size // 2 if current == -2 else max(1, current) * size), 0
    return min(MOST_YEARS, total + max(0, current))


def find_age(text: str) -> Age | None:
    """Return the age that is stated in years; None if there is none."""
    for key, pattern in _patterns():
        for match in pattern.finditer(text):
            found = _years(key, match)
            if found is not None and not _of_another(text, match.start(), key):
                return Age(found[0], found[1], "", match.start(), match.end())
    return None


def _of_another(text: str, at: int, key: str) -> bool:
    """Tell whether the words before say that this is somebody else's age, or of another time."""
    before = text[max(0, at - 30) : at].lower()
    if re.search(
        r"\b(?:died|orphaned|widowed|killed|crowned|since|until|before|ago|married|looks|looking|appears|"
        r"seems)(?: \w+)?\s*$",
        before,
    ):
        return True
    if key == "of" and re.search(
        r"\b(?:mother|father|mum|mom|dad|parent|mama|papa|grandmother|grandfather|one|out|all|each|any|widow|"
        r"leader|captain|head|half|master|keeper|owner|band|crew|group|team|gang|family|pack|flock|club|circle)\s*$",
        before,
    ):
        return True
    return key in {"years", "aged"} and bool(
        re.search(r"\b(?:her|his|their|with an?|and an?|whose|my)\s+$", before) and at > 12 and "in " not in before[-6:]
    )


def _years(key: str, match: re.Match[str]) -> tuple[int, int] | None:
    if key in {"months", "month"}:
        years = value(match["n"]) // 12 if key == "month" else 0
        return years, years
    if key == "teens":
        return 20, 21
    if key in {"range", "figures"}:
        return _decade(key, match)
    if key == "centuries":
        return _long(match)
    if key == "birthday":
        return _birthday(match["o"].lower())
    number = value(match["n"])
    if key == "something":
        return (number + 1, number + 8) if "ish" not in match[0] else (max(0, number - 2), number + 2)
    if key in {"bare", "of", "is", "at"} and (
        re.match(r"(?:1[5-9]|20)\d\d$", match["n"]) or match["n"].lower() == "one"
    ):
        return None  # the year 1911, and "one" who does something
    return _hedged(number, (match.groupdict().get("hedge") or "").lower())


def _hedged(number: int, hedge: str) -> tuple[int, int]:
    """Return the least and most years that "nearly 30" or "over 300" may mean."""
    some = max(1, number // 25)
    if hedge in _LATER:
        return number + 1, min(MOST_YEARS, number + 2 * some)
    if hedge in _EARLIER:
        return max(0, number - some), max(0, number - 1)
    if hedge in {"will be", "will turn", "'ll be", "'ll turn", "turning"}:
        return max(0, number - 1), max(0, number - 1)
    return number, number


def _decade(key: str, match: re.Match[str]) -> tuple[int, int]:
    base = int(match["n"]) if key == "figures" else small().decades[match["d"].lower()]
    first, last = _PARTS.get((match["p"] or "").lower(), (1, 8))
    return (base + max(3, first), base + max(3, last)) if base == 10 else (base + first, base + last)


def _long(match: re.Match[str]) -> tuple[int, int]:
    unit = match["u"].lower()
    size = (
        100 if unit.startswith("cent") else 10 if unit.startswith("dec") else 1000 if unit.startswith("mil") else 10_000
    )
    counted = (match["n"] or "").lower()
    if counted in {"several", "many", "a few", ""} and unit[-1] in "sa":
        return 3 * size, min(MOST_YEARS, 8 * size)
    number = value(counted) if counted not in {"several", "many", "a few", ""} else 1
    return min(MOST_YEARS, number * size), min(MOST_YEARS, number * size)


def _birthday(ordinal: str) -> tuple[int, int] | None:
    firsts = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12, "twentieth": 20}
    last = ordinal.rpartition("-")[2]
    head = value(ordinal.rpartition("-")[0])
    number = firsts.get(last) or value(re.sub(r"ieth$", "y", last)) or value(last.removesuffix("th"))
    return (head + number, head + number) if number else None


def years_passed(text: str) -> int:
    """Return how many years somebody has been at something ("for forty years"), the most of them; else 0."""
    spent = re.finditer(
        rf"\b(?:for|over|after|in)\s+(?:the (?:last|past) |more than |over |nearly |almost |about |some )?"
        rf"(?P<n>{_number()}|a|an)\s+(?P<u>year|decade|centur(?:y|ie))s?\b(?![- ]old| time)",
        text,
        re.IGNORECASE,
    )
    unit = {"y": 1, "d": 10, "c": 100}
    return max((min(MOST_YEARS, (value(found["n"]) or 1) * unit[found["u"][0].lower()]) for found in spent), default=0)


def died_at(text: str) -> Age | None:
    """Return the age at which one died who still walks: "died at nine"."""
    found = re.search(rf"\bdied\s+(?:at|aged)\s+(?:the age of\s+)?(?P<n>{_number()})\b", text, re.IGNORECASE)
    return Age(value(found["n"]), value(found["n"]), "", found.start(), found.end()) if found else None

"""Brings a description into the form in which it is read: plain signs, no request around it, the third person. Pure."""

from __future__ import annotations

import re
import unicodedata

from services.character.grammar.facts import Facts
from services.character.grammar.naming import without_styles
from services.character.grammar.words import small

_LONGEST = 4_000


_ASKING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|ok|okay|please|now|so)\b[\s,!.]*)*(?:(?:can|could|would|will) you (?:please "
    r")?)?(?:please )?"
    r"(?:(?:i|we) (?:need|want|would like|am looking for|'d like)|i'd like|(?:make|create|generate|design|"
    r"invent|write|draw|imagine|picture|give|describe|think of|come up with|build)(?: me| us)?(?: up)?)\s+(?=\S)",
    re.IGNORECASE,
)


_CHARACTER = re.compile(
    r"^(?:(?:an?|the|my|our|some|new|main|dnd|d&d|rpg|oc|original|fantasy|fictional|minor|side)\s+)*(?:character|"
    r"oc|protagonist|persona|npc|backstory)\b"
    r"(?:\s+for\s+[^:,.]{1,60}?(?=[:,.]|\s+(?:who|named|called)\b))?\s*(?:[:,–—-]|\bis\b|\bbased on\b|"
    r"\bof\b|\babout\b|\bfor\b)?\s*(?=\S)",
    re.IGNORECASE,
)


_HERO = re.compile(
    r"^(?:my|our|the|a) (?:new |main )?(?:hero|heroine|villain|main character|protagonist|antagonist)(?: "
    r"is (?=an? |the |called |named )|\s*[:–—-]\s*)",
    re.IGNORECASE,
)


_FIRST = re.compile(
    r"\bI(?:'m|'ve|'ll|'d)?\b(?! (?:need|want|would like) (?:an?|the) (?:villain|character|hero|story))|"
    r"\byou(?:'re| are)\b",
    re.IGNORECASE,
)


_THEY = {
    "i": "they",
    "i'm": "they are",
    "i've": "they have",
    "i'll": "they will",
    "i'd": "they would",
    "my": "their",
    "me": "them",
    "mine": "theirs",
    "myself": "themself",
    "am": "are",
    "you": "they",
    "you're": "they are",
    "you've": "they have",
    "your": "their",
    "yours": "theirs",
    "yourself": "themself",
}


def normal(description: str) -> str:
    """Return a text with plain quotes, hyphens and spaces, and without what cannot be printed."""
    text = unicodedata.normalize("NFC", description[:_LONGEST])
    for written, plain in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("‑", "-"), ("\u00a0", " "), ("\r", "\n")):
        text = text.replace(written, plain)
    text = "".join(char for char in text if char in "\n\t" or unicodedata.category(char)[0] != "C")
    text = re.sub(r"(?<=[a-z] )'([A-Z][^\W\d_]*)'(?= [A-Z])", r'"\1"', text)  # Ekaterina 'Katya' Morozova
    text = re.sub(r'^\s*"([^"\n]{1,20})"', r"\1", text)
    return re.sub(r"[ \t]+", " ", re.sub(r"\s*\n\s*", "\n", text)).strip()


def is_foreign(text: str) -> bool:
    """Tell whether a text is surely not English, by its letters or its small words."""
    letters = [char for char in text if char.isalpha()]
    if letters and sum(char.isascii() or "À" <= char <= "ɏ" for char in letters) < len(letters) * 0.7:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(word in small().foreign for word in words)
    return foreign >= 2 and foreign > sum(word in small().function for word in words)


def third_person(text: str, facts: Facts) -> str:
    """Tell what is said in the first or second person in the third."""
    facts.pronoun = "they"
    facts.spoken = True

    def told(match: re.Match[str]) -> str:
        found = _THEY[match[0].lower()]
        return (
            found.capitalize()
            if match.start() == 0 or text[: match.start()].rstrip().endswith((".", "!", "?", "\n"))
            else found
        )

    words = "|".join(sorted((re.escape(word) for word in _THEY), key=len, reverse=True))
    return re.sub(rf"\b(?:{words})\b(?!')", told, text, flags=re.IGNORECASE)


def without_request(text: str) -> str:
    """Leave out what only asks for a character: "Please make me a character for a game:"."""
    return without_styles(_HERO.sub("", _CHARACTER.sub("", _ASKING.sub("", text, count=1), count=1)))


def is_spoken(text: str) -> bool:
    """Tell whether a text is in the first or second person."""
    return bool(_FIRST.search(text))

"""Calls by a name what somebody does all day: who teaches geography is a geography teacher. Pure."""

from __future__ import annotations

import re

_THING = r"(?!(?:in|on|at|and|of|with|for|that|where|by|but|to|from|the|an?|how|what|under|his|her|their)\b)[a-z-]+"
_PAST = {"drove": "drives", "taught": "teaches", "kept": "keeps", "sold": "sells", "ran": "runs"}
_WORKS = (
    (rf"drives (?:an?|the) (?:{_THING} )?({_THING})", "{} driver"),
    (r"teaches (\w+)", "{} teacher"),
    (r"keeps (?:the |her own |his own |their own )?bees", "beekeeper"),
    (rf"studies ({_THING})", "student of {}"),
    (r"on \w+ first day as an? ([\w-]+)", "{}"),
    (r"(?:tends|looks after) (?:an?|the) (?:[\w-]+ )?garden", "gardener"),
    (r"grows ([a-z]{3,}s)\b", "grower of {}"),
    (r"plays the (piano|violin|cello|flute|organ|harp|guitar)", "{} player"),
    (r"(?:repairs|mends|fixes) ([a-z]{3,}s)\b", "{} mender"),
    (r"sells ([a-z]{3,}s?)\b", "{} seller"),
    (
        (
            r"(?:runs|owns|manages) (?:an?|the|a small|their own|her own|his own) ((?:[\w'-]+ )?(?:[\w'-]+ )?(?!in\b|"
            r"on\b|at\b|and\b|of\b|with\b|for\b|that\b|where\b)[\w-]+)(?=$|[,.]| (?:in|on|at|and|of|with|for|"
            r"that|where|by|but|near)\b)"
        ),
        "keeper of the {}",
    ),
    (r"keeps (?:an?|the) (lighthouse|inn|zoo|library|archive)", "{} keeper"),
    (rf"robs ({_THING})", "robber of {}"),
    (r"collects ((?:[a-z]+ )?[a-z]+s)\b", "collector of {}"),
    (r"guards (?:an?|the) (?:[\w-]+ )?(\w+)", "guardian of the {}"),
    (r"brews (?:[\w-]+ )?(\w+)", "brewer of {}"),
    (r"solves (\w+)", "solver of {}"),
    (r"bakes (\w+)", "baker of {}"),
    (r"builds (\w+)", "builder of {}"),
    (r"hunts (\w+)", "hunter of {}"),
    (r"steals\b", "thief"),
    (r"working (?:at|in|on) (?:an?|the) ([\w-]+(?: [\w-]+)?)", "{} hand"),
    (r"works (?:at|in|on) (?:an?|the) ([\w-]+(?: [\w-]+)?)", "{} hand"),
    (r"waters the plants", "gardener"),
)


def trade_of(told: list[str], gone: str = "former") -> str:
    """Call by a name what somebody does all day, or did: then `gone` says how that is over."""
    for said in told:
        verb, _, rest = said.partition(" ")
        if verb in _PAST:
            trade = trade_of([f"{_PAST[verb]} {rest}"])
            if trade and re.search(r"\b(?:years|decades|all (?:her|his|their) life)\b", rest):
                return f"{gone} {trade}"
            continue
        part = said
        for pattern, form in _WORKS:
            match = re.match(rf"(?:(?:is|still|now|only) )*{pattern}", part)
            if match:
                return form.format(match[1]) if match.groups() else form
    return ""

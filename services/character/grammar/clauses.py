"""Reads what a description says that somebody does, has, wants, fears and lives in. Pure."""

from __future__ import annotations

import re

from services.character.grammar.adjectives import adjectives_only, sort_adjectives
from services.character.grammar.english import bare, is_adverb, third
from services.character.grammar.facts import Facts
from services.character.grammar.lists import listed_in
from services.character.grammar.phrases import read_noun, singular, split_phrase
from services.character.grammar.words import small, traits

_ADVERBS = (
    r"(?:(?:only|just|still|secretly|really|desperately|dearly|always|now|mostly|deeply|also|simply|quietly|badly) )*"
)
_WANT = re.compile(
    rf"^{_ADVERBS}(?:wants?|wanted|hopes?|longs?|wish(?:es)?|yearns?|aims?|plans?|intends?|aspires?|needs?|vowed|swore|"
    rf"(?:is |are )?(?:determined|desperate|sworn|hoping|longing|wanting|wishing|trying|yearning|out|"
    rf"eager)) (?P<goal>to \w.*|for \w.*)$",
    re.IGNORECASE,
)
_WANT_THING = re.compile(rf"^{_ADVERBS}wants? (?P<goal>\w.*)$", re.IGNORECASE)
_DREAM = re.compile(
    rf"^{_ADVERBS}(?:dream(?:s|ing)? (?:of|about)|(?:is )?bent on|fantasi[sz]es about) (?P<goal>.+)$", re.IGNORECASE
)
_SEEK = re.compile(
    rf"^{_ADVERBS}(?:(?:is |are )?(?:looking|searching|hunting) for|(?:is |are )?seek(?:s|ing)?|(?:look|"
    rf"search|hunt)(?:s|es)? for|in search of) (?P<goal>.+)$",
    re.IGNORECASE,
)
_QUEST = re.compile(r"^(?:is |are )?on an? (?:\w+ )?(?:quest|mission|journey) (?P<goal>to .+)$", re.IGNORECASE)
_FEAR = re.compile(
    r"^(?:is |are |but |secretly |still |very |really |deathly |terribly |a bit )*(?:afraid|scared|terrified|"
    r"frightened|fearful|petrified) of (?P<fear>.+)$|"
    r"^(?:secretly |still )?fears? (?P<fears>.+)$|^(?:has |with |have )?an? (?:\w+ )?fear of (?P<had>.+)$",
    re.IGNORECASE,
)
_LIVE = re.compile(
    r"^(?:(?:still|now|currently|alone|quietly) )*(?:lives?|lived|living|dwells?|dwelling|resid(?:es?|"
    r"ing)|stays?) (?:(?:alone|quietly|happily|together|secretly|peacefully) )?"
    r"(?P<home>(?:in|at|on|under|underneath|near|by|above|inside|behind|among|aboard|beneath|below|beside|"
    r"between|deep|high|down|up|outside|beyond|with|off|next|across|over)\b.+)$",
    re.IGNORECASE,
)
_COMES = re.compile(r"^(?:(?:comes?|hails?|coming|hailing|originally|is|are) )*from (?P<place>.+)$", re.IGNORECASE)
_HAVE = re.compile(
    r"^(?:(?:always|still|never) )?(?:has|have|having|with|owns?|carries|carry|carrying|holding|armed "
    r"with|bears?|possesses|equipped with|accompanied by) "
    r"(?P<thing>(?:an?|the|his|her|their|its|no|one|two|three|four|five|six|seven|eight|nine|ten|a|many|"
    r"some|several|long|short|big|large|huge|small|enormous|\w+(?:ed|y|en)|\w+-\w+)\b.*)$",
    re.IGNORECASE,
)
_WEAR = re.compile(
    r"^(?:(?:always|usually) )?(?:wears?|wearing|dressed in|clad in|in) (?P<thing>(?:an?|the|his|her|"
    r"their|its|\w+) ?.*)$",
    re.IGNORECASE,
)
_WORK = re.compile(
    r"^(?:still |now )?(?:(?:works?|working|serves|serving|employed|trained|training) (?:\w+ly )?as|"
    r"(?:was |were |is |got |been )*(?:demoted|promoted|reduced|reassigned|appointed) (?:to|as)) (?P<job>(?!be\b).+)$",
    re.IGNORECASE,
)
_BE = re.compile(
    r"^(?:is|are|'s|am|was|were) (?:also |still |now |actually |really |secretly )?(?P<what>.+)$", re.IGNORECASE
)
_END = re.compile(r"\s+(?:and (?:she|he|they)|who|which|while|when|because|but|and (?=\w+s\b(?! and)))\b.*$")
_SHORT_PLACE = 6
_THINGS = re.compile(
    r",?\s+and (?=(?:an?|the|his|her|their|its|no|one|two|three|\w+ing|\w+ed|long|short|big|small|bad|good)\b)|,\s*"
)


def read_clause(clause: str, facts: Facts) -> None:
    """Take up a predicate: what stands after the name, with its verb first ("hates cats")."""
    for part in _parts(clause):
        if not any(take(part, facts) for take in (_has_been, _want, _fear, _home, _comes, _wear, _have, _work, _is)):
            add_told(part, facts)


def _parts(clause: str) -> list[str]:
    """Cut a predicate where another verb of the same subject begins."""
    parts: list[str] = []
    start = 0
    for match in re.finditer(
        r"\s+(?:and|but)\s+(?P<who>(?:she|he|they)\s+)?(?:(?:also|still|now|always|never|secretly|only|then)\s+)*([\w'’]+)",
        clause,
    ):
        word = match[2].lower()
        verb = (word in small().verbs and word not in listed_in("not_second_verbs")) or word in listed_in(
            "second_verbs"
        )
        if (verb or match["who"]) and re.match(r"\s+\w", clause[match.end() :]):
            parts.append(clause[start : match.start()])
            lead = match.start("who") + len(match["who"]) if match["who"] else 0
            start = lead or match.start() + clause[match.start() :].lstrip().index(" ") + 1
            start += len(clause[start:]) - len(clause[start:].lstrip())
    parts.append(clause[start:])
    return [part.strip(" ,") for part in parts if part.strip(" ,")]


def _want(part: str, facts: Facts) -> bool:
    for pattern in (_WANT, _DREAM, _SEEK, _QUEST, _WANT_THING):
        match = pattern.match(part)
        if match is None:
            continue
        goal = match["goal"].strip()
        if pattern is _DREAM:
            goal = _gerund(goal)
        if pattern is _SEEK:
            goal = f"to find {goal}"
        goal = re.sub(r"^for (?=\w)|\s+(?:more than anything|above all|most of all)(?: else)?$", "", goal)
        if facts.goal:
            add_told(f"wants {goal}", facts)
        else:
            facts.goal = goal
        return True
    return False


def _gerund(goal: str) -> str:
    """Turn "opening a restaurant" into "to open a restaurant"; another noun stays."""
    match = re.match(r"(\w{2,}?)ing\b(.*)$", goal)
    if match is None or match[1] in listed_in("not_gerunds"):
        return goal
    stem = match[1]
    if re.search(r"([bdgmnprt])\1$", stem):
        stem = stem[:-1]
    elif re.search(
        r"(?:[^aeiou](?:[aiu][cdgkmnprstvz]|o[kmpsv])|[cv]|[^n]g|[bdgpt]l|ur|u|ang|eng|ouse?|iev|as|riz|"
        r"is)$",
        stem,
    ) and stem not in listed_in("no_silent_e"):
        stem += "e"
    return f"to {'retire' if stem == 'retir' else stem}{match[2]}"


def _fear(part: str, facts: Facts) -> bool:
    match = _FEAR.match(part)
    if match is None:
        return False
    fear = match["fear"] or match["fears"] or match["had"]
    tail = re.search(r"\s+(?:but|and)\s+(?=\w+s\b|is\b|never\b)", fear)
    facts.fears.append(fear[: tail.start()] if tail else fear)
    if tail:
        read_clause(fear[tail.end() :], facts)
    return True


def _home(part: str, facts: Facts) -> bool:
    match = _LIVE.match(part)
    if match is None or facts.home:
        return False
    facts.home, rest = _without_tail(match["home"])
    rest = re.sub(r"^(?:and|but)\s+", "", rest)
    if rest.startswith(("who ", "which ", "while ", "when ", "because ")):
        add_told(part, facts)
    elif rest:
        read_clause(rest, facts)
    return True


def _comes(part: str, facts: Facts) -> bool:
    match = _COMES.match(part)
    if match is None or facts.comes:
        return False
    facts.comes, rest = _without_tail(match["place"])
    rest = re.sub(r"^(?:and|but|who)\s+", "", rest)
    if rest:
        read_clause(rest, facts)
    return True


def _without_tail(text: str) -> tuple[str, str]:
    """Cut what is told of somebody from the place that it follows."""
    place = _END.sub("", text).strip(" ,")
    return place, text[len(place) :].strip(" ,")


def _wear(part: str, facts: Facts) -> bool:
    match = _WEAR.match(part)
    if match is None or (part.lower().startswith("in ") and not _looks(match["thing"])):
        return False
    facts.features.append(f"wearing {match['thing'].strip()}")
    return True


def _have(part: str, facts: Facts) -> bool:
    match = _HAVE.match(part) or re.match(r"with (?P<thing>.+)$", part, re.IGNORECASE) or _seen(part)
    if match is None:
        return False
    verb = part[: match.start("thing")].strip().lower()
    whose = re.search(r"\s+(?:who|but)\s+", match["thing"])
    things = match["thing"][: whose.start()] if whose else match["thing"]
    items = [item.strip(" ,") for item in _THINGS.split(things) if item and item.strip(" ,")]
    for item in items:
        _thing(item, verb, facts)
    if whose:
        read_tail(match["thing"][whose.end() :], facts)
    return True


def _seen(part: str) -> re.Match[str] | None:
    """Match "has braided black hair", where what is had is to be seen, and "has lost an eye" does not count."""
    words = part.split()
    plain = len(words) > 1 and not re.search(r"(?:ed|en|ost)$", words[1])
    return re.match(r"ha(?:s|ve) (?P<thing>.+)$", part) if plain and _looks(part) else None


def _looks(phrase: str) -> bool:
    """Tell whether a thing had is something to be seen: "long red hair", "a scar over one eye"."""
    head = re.split(
        r"\s+(?:in|on|of|over|under|that|which|with|from|across|where|who|like|he|she|they|it|as|made)\b",
        phrase,
        maxsplit=1,
    )[0]
    words = re.findall(r"[a-z-]+", head.lower())
    last = words[-1] if words else ""
    return last in traits().looks_nouns and last not in {"voice", "smile", "limp"}


def _thing(item: str, verb: str, facts: Facts) -> None:
    """Put a thing had where it belongs: looks, belongings, or what is told."""
    words = re.findall(r"[a-z'-]+", item.lower())
    fear = re.match(r"an? (?:\w+ )?fear of (.+)$", item)
    if fear:
        facts.fears.append(fear[1])
    elif _looks(item) and not verb.startswith(("carr", "hold", "armed", "own", "never")):
        facts.features.append(item)
    elif (
        words
        and not (set(words[:4]) & (listed_in("abstract") | listed_in("beings")))
        and words[0] in listed_in("belonging_words")
        and verb not in {"has", "have", "bears", "bear"}
    ):
        facts.belongings.append(item)
    else:
        add_told(f"has {item}", facts)


def _work(part: str, facts: Facts) -> bool:
    match = _WORK.match(part)
    if match is None:
        return False
    split = split_phrase(match["job"])
    if not read_noun(split, facts, first=not facts.profession) and not facts.profession:
        facts.profession = " ".join(split.words).lower()[:50]
    read_tail(split.tail, facts)
    return True


def _is(part: str, facts: Facts) -> bool:
    match = _BE.match(part)
    if match is None or re.match(r"(?:was|were)\b", part):
        return False
    what = match["what"].strip()
    found = adjectives_only(what)
    if found:
        sort_adjectives(found, facts)
        return True
    if re.match(r"(?:an?|the|one of|my)\s", what):
        split = split_phrase(what)
        if split.tail.startswith("of ") or not read_noun(
            split, facts, first=not (facts.species or facts.rank or facts.profession)
        ):
            return False
        read_tail(split.tail, facts)
        return True
    return any(take(what, facts) for take in (_want, _fear, _comes))


def _has_been(part: str, facts: Facts) -> bool:
    """Take "has been the village judge since the war" for what somebody is, and keep it to be told."""
    match = re.match(r"ha(?:s|ve) (?:long |always |only )?been (?P<what>(?:an?|the)\s.+)$", part)
    split = split_phrase(match["what"]) if match else None
    if split is None or not re.match(r"since\b|for\b|$", split.tail):
        return False
    read_noun(split, facts, first=not (facts.species or facts.rank or facts.profession))
    add_told(part, facts)
    return True


def read_tail(tail: str, facts: Facts) -> None:
    """Take up what follows a noun: a relative clause, something had, a place, a participle."""
    if _joined(tail, facts):
        return
    tail = re.sub(r"^(?:and|but|so|or|yet|then|,)\s+", "", tail.strip(" ,.;:"))
    if tail.startswith("whose "):
        facts.whole.append(f"@'s {tail[6:]}")
        return
    tail = re.sub(r"^(?:who|that|which)(?:\s+|(?='))", "", tail)
    tail = re.sub(r"^(?:'s|’s)\s+", "is ", tail)
    tail = re.sub(r"^(?:she|he|they)(?:\s+|$)", "", tail)
    if not tail or tail in {"@", "is", "was", "are", "who"} or _place(tail, facts):
        return
    first = tail.split()[0].lower()
    if re.match(r"with\b|wearing\b|from\b|in search\b|on an? (?:quest|mission)|dressed\b|carrying\b|armed\b", tail):
        read_clause(tail, facts)
    elif first.endswith("ing") and first not in {"during", "king"}:
        if not any(take(tail, facts) for take in (_want, _home, _have, _work)):
            add_told(f"is {tail}", facts)
    elif first in listed_in("tail_prepositions") or tail.startswith("lost in "):
        past = first in listed_in("done_to") and not tail.startswith("made of")
        add_told(f"{'was' if past else 'is'} {tail}", facts)
    else:
        read_clause(tail, facts)


def _joined(tail: str, facts: Facts) -> bool:
    """Take up what is joined by "and": a thing of theirs, or what somebody is as well."""
    match = re.match(r"(?:and|but)\s+", tail.strip())
    if match is None:
        return False
    rest = tail.strip(" ,.;:")[match.end() :]
    if re.match(r"(?:his|her|their|its)\s", rest) and not re.search(r"\s(?:is|are|was|were|has|have|\w+s)\s", rest):
        _thing(rest, "with", facts)
        return True
    split = split_phrase(rest)
    noun = split.words and split.words[-1][0].islower() and (split.determined or len(split.words) > 1 or not split.tail)
    if not noun or not read_noun(split, facts, first=False):
        return False
    read_tail(split.tail, facts)
    return True


def _place(tail: str, facts: Facts) -> bool:
    """Take up where somebody is ("on an abandoned space station") for where it lives."""
    led = re.match(
        r"(?:in|on|at|under|near|by|aboard|above|inside|among|beside|behind|beneath)\s+"
        r"(?:an?|the|its|her|his|their|(?P<proper>[A-Z]\w+))",
        tail,
    )
    if led is None or facts.home:
        return False
    place = re.findall(r"[a-z]+", _END.sub("", tail).lower())
    at_work = place[-1] in listed_in("bodies") or (facts.profession and place[0] == "at")
    if at_work and len(place) < _SHORT_PLACE:
        add_told(f"works {_END.sub('', tail).strip(' ,')}", facts)
        return True
    words = re.findall(r"[a-z]+", tail.lower())
    if not led["proper"] and (len(words) < 3 or not listed_in("places") & set(words)):
        return False
    facts.home = _END.sub("", tail).strip(" ,")
    rest = re.sub(r"^(?:and|but|who|which|while|when|because)\s+", "", tail[len(facts.home) :].strip(" ,"))
    if rest:
        read_clause(rest, facts)
    return True


def add_told(part: str, facts: Facts) -> None:
    """Keep a predicate to be told after the name, its verb in the third person."""
    words = part.strip(" ,.;:-").split()
    if not words or len(words) > 45 or (len(words) == 1 and words[0] in {"is", "are", "was", "has", "have"}):
        return
    if words[0].endswith("s") and words[0] not in small().verbs and singular(words[0]) != words[0] and len(words) > 2:
        facts.whole.append(" ".join(words))  # somebody else's doing: "squirrels owe me rent"
        return
    at = next((index for index, word in enumerate(words) if not is_adverb(word.lower())), 0)
    if facts.pronoun == "they" and words[at].islower():
        words[at] = third(bare(words[at]))
    words[0] = words[0][0].lower() + words[0][1:]
    if words[0] in listed_in("bare_verbs"):  # "a faun and a witch share a cottage"
        words[0] = third(words[0])
    made = re.match(r"(?:is|was) (made (?:entirely |all )?of [\w ,-]{3,60})$", " ".join(words))
    if made:
        facts.looks.append(made[1])
        return
    told = " ".join(words)
    if told not in facts.told:
        facts.told.append(told)

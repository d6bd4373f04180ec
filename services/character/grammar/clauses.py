"""Reads what a description says that somebody does, has, wants, fears and lives in. Pure."""

from __future__ import annotations

import re

from services.character.grammar.english import bare, is_adverb, third
from services.character.grammar.facts import Facts
from services.character.grammar.phrases import adjectives_only, read_noun, sort_adjectives, split_phrase
from services.character.grammar.words import small, traits

_ADVERBS = (
    r"(?:(?:only|just|still|secretly|really|desperately|dearly|always|now|mostly|deeply|also|simply|quietly|badly) )*"
)
_WANT = re.compile(
    rf"^{_ADVERBS}(?:wants?|wanted|hopes?|longs?|wish(?:es)?|yearns?|aims?|plans?|intends?|aspires?|needs?|vowed|swore|"
    rf"(?:is |are )?(?:determined|desperate|sworn|hoping|longing|wanting|wishing|trying|yearning|out|eager)) (?P<goal>to \w.*|for \w.*)$",
    re.IGNORECASE,
)
_WANT_THING = re.compile(rf"^{_ADVERBS}wants? (?P<goal>\w.*)$", re.IGNORECASE)
_DREAM = re.compile(
    rf"^{_ADVERBS}(?:dream(?:s|ing)? (?:of|about)|(?:is )?bent on|fantasi[sz]es about) (?P<goal>.+)$", re.IGNORECASE
)
_SEEK = re.compile(
    rf"^{_ADVERBS}(?:(?:is |are )?(?:looking|searching|hunting) for|(?:is |are )?seek(?:s|ing)?|(?:look|search|hunt)(?:s|es)? for|in search of) (?P<goal>.+)$",
    re.IGNORECASE,
)
_QUEST = re.compile(r"^(?:is |are )?on an? (?:\w+ )?(?:quest|mission|journey) (?P<goal>to .+)$", re.IGNORECASE)
_FEAR = re.compile(
    r"^(?:is |are |but |secretly |still |very |really |deathly |terribly |a bit )*(?:afraid|scared|terrified|frightened|fearful|petrified) of (?P<fear>.+)$|"
    r"^(?:secretly |still )?fears? (?P<fears>.+)$|^(?:has |with |have )?an? (?:\w+ )?fear of (?P<had>.+)$",
    re.IGNORECASE,
)
_LIVE = re.compile(
    r"^(?:(?:still|now|currently|alone|quietly) )*(?:lives?|lived|living|dwells?|dwelling|resid(?:es?|ing)|stays?) (?:(?:alone|quietly|happily|together|secretly|peacefully) )?"
    r"(?P<home>(?:in|at|on|under|underneath|near|by|above|inside|behind|among|aboard|beneath|below|beside|between|deep|high|down|up|outside|beyond|with|off|next|across|over)\b.+)$",
    re.IGNORECASE,
)
_COMES = re.compile(r"^(?:(?:comes?|hails?|coming|hailing|originally|is|are) )*from (?P<place>.+)$", re.IGNORECASE)
_HAVE = re.compile(
    r"^(?:(?:always|still|never) )?(?:has|have|having|with|owns?|carries|carry|carrying|holding|holds|armed with|bears?|possesses|keeps|equipped with|accompanied by) "
    r"(?P<thing>(?:an?|the|his|her|their|its|no|one|two|three|four|five|six|seven|eight|nine|ten|a|many|some|several|long|short|big|large|huge|small|enormous|\w+(?:ed|y|en)|\w+-\w+|" + "{}" + r")\b.*)$",
    re.IGNORECASE,
)  # fmt: skip
_WEAR = re.compile(r"^(?:(?:always|usually) )?(?:wears?|wearing|dressed in|clad in|in) (?P<thing>(?:an?|the|his|her|their|its|\w+) ?.*)$", re.IGNORECASE)  # fmt: skip
_WORK = re.compile(
    r"^(?:still |now )?(?:works?|working|serves|serving|employed|trained|training) (?:\w+ly )?as (?P<job>.+)$",
    re.IGNORECASE,
)
_BE = re.compile(
    r"^(?:is|are|'s|am|was|were) (?:also |still |now |actually |really |secretly )?(?P<what>.+)$", re.IGNORECASE
)
_END = re.compile(r"\s+(?:and (?:she|he|they)|who|which|while|when|because|but|and (?=\w+s\b(?! and)))\b.*$")
_THINGS = re.compile(
    r",?\s+and (?=(?:an?|the|his|her|their|its|no|one|two|three|\w+ing|\w+ed|long|short|big|small|bad|good)\b)|,\s*"
)
_ABSTRACT = frozenset(
    "conscience secret tongue wit temper heart sense love passion fear knack gift talent dream curse grudge memory memories debt reputation habit problem past mind soul voice name obsession plan taste eye ear hatred weakness appetite laugh smile way "
    "regrets regret stutter lisp accent limp need will vow mission power powers ability magic disease illness allergy addiction problem problems feelings understanding fondness penchant soft attitude personality curiosity nature spirit humour humor idea ideas opinion opinions family".split()
)
_BEINGS = frozenset(
    "son daughter children child kids brother sister brothers sisters twin mother father wife husband friend friends mentor family grandmother grandfather niece nephew".split()
)


def read_clause(clause: str, facts: Facts) -> None:
    """Take up a predicate: what stands after the name, with its verb first ("hates cats")."""
    for part in _parts(clause):
        if not any(take(part, facts) for take in (_want, _fear, _home, _comes, _wear, _have, _work, _is)):
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
        verb = word in small().verbs and word not in {"that", "which", "who", "fell", "found", "lost", "hunts", "dances", "fights", "plays", "works", "dreams"} or word in {"wants", "cannot", "can't", "afraid", "dreams", "hates", "plays", "works"}  # fmt: skip
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
        goal = re.sub(r"^for (?=\w)", "", goal)
        if facts.goal:
            add_told(f"wants {goal}", facts)
        else:
            facts.goal = goal
        return True
    return False


def _gerund(goal: str) -> str:
    """Turn "opening a restaurant" into "to open a restaurant"; another noun stays."""
    match = re.match(r"(\w{2,}?)ing\b(.*)$", goal)
    if match is None or match[1] in {"k", "r", "th", "noth", "someth", "everyth", "str", "spr", "w"}:
        return goal
    stem = match[1]
    if re.search(r"([bdgmnprt])\1$", stem):
        stem = stem[:-1]
    elif re.search(r"(?:[^aeiou](?:[aiu][cdgkmnprstvz]|o[kmpsv])|[cv]|[^n]g|[bdgpt]l|ur|u|ang|eng|ouse?|iev|as|riz|is)$", stem) and stem not in {"visit", "open", "edit", "enter", "happen", "learn", "gain", "explain", "turn", "win", "begin", "run", "sit", "vanish", "finish", "publish", "show", "retir"}:  # fmt: skip
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
    home = _END.sub("", match["home"]).strip(" ,")
    facts.home = home
    rest = match["home"][len(home) :].strip(" ,")
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
    place = _END.sub("", match["place"]).strip(" ,")
    facts.comes = place
    rest = match["place"][len(place) :].strip(" ,")
    rest = re.sub(r"^(?:and|but|who)\s+", "", rest)
    if rest:
        read_clause(rest, facts)
    return True


def _wear(part: str, facts: Facts) -> bool:
    match = _WEAR.match(part)
    if match is None or part.lower().startswith("in ") and not _looks(match["thing"]):
        return False
    facts.features.append(f"wearing {match['thing'].strip()}")
    return True


def _have(part: str, facts: Facts) -> bool:
    match = re.match(
        _HAVE.pattern.replace("{}", "|".join(sorted(traits().looks_nouns)[:0]) or r"(?!x)x"), part, re.IGNORECASE
    )
    if match is None:
        match = re.match(r"^with (?P<thing>.+)$", part, re.IGNORECASE)
    if match is None:
        words = part.split()
        match = (
            re.match(r"^ha(?:s|ve) (?P<thing>.+)$", part)
            if len(words) > 1 and _looks(part) and not re.search(r"(?:ed|en|ost)$", words[1])
            else None
        )
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
    elif words and not (set(words[:4]) & (_ABSTRACT | _BEINGS)) and words[0] in {"a", "an", "the", "his", "her", "their", "its", "one", "two", "three"} and verb not in {"has", "have", "bears", "bear"}:  # fmt: skip
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


def read_tail(tail: str, facts: Facts) -> None:
    """Take up what follows a noun: a relative clause, something had, a place, a participle."""
    joined = re.match(r"(?:and|but)\s+", tail.strip())
    tail = re.sub(r"^(?:and|but|so|or|yet|then|,)\s+", "", tail.strip(" ,.;:"))
    if joined:
        split = split_phrase(tail)
        if (
            split.words
            and split.words[-1][0].islower()
            and (split.determined or len(split.words) > 1 or not split.tail)
            and read_noun(split, facts, first=False)
        ):
            read_tail(split.tail, facts)
            return
    if tail.startswith("whose "):
        facts.whole.append(f"@'s {tail[6:]}")
        return
    tail = re.sub(r"^(?:who|that|which)(?:\s+|(?='))", "", tail)
    tail = re.sub(r"^(?:'s|’s)\s+", "is ", tail)
    if not tail or tail in {"@", "is", "was", "are", "who"}:
        return
    first = tail.split()[0].lower()
    if first in {"she", "he", "they"}:
        tail = tail.split(maxsplit=1)[1] if " " in tail else ""
        first = tail.split()[0].lower() if tail else ""
    if not tail:
        return
    led = re.match(
        r"(?:in|on|at|under|near|by|aboard|above|inside|among|beside|behind|beneath)\s+(?:an?|the|its|her|his|their|(?P<proper>[A-Z]\w+))",
        tail,
    )
    if led and not facts.home and (led["proper"] or (len(tail.split()) > 2 and re.search(r"\b(?:village|town|city|island|castle|tower|forest|wood|woods|farm|cottage|lighthouse|house|cave|swamp|station|ship|mountain|mountains|valley|desert|bridge|sea|lake|river|moon|planet|kingdom|garden|attic|cellar|library|bakery|inn|palace|monastery|harbour|harbor|coast|hill|hills|market|museum|hotel|school|meadow|marsh|jungle|space|suburb|countryside|temple|ruins|sewers|barn|street|port|freighter|aquarium|zoo|circus|hospital|theatre|pond|hut|caravan|apartment|flat|basement|abbey|manor)\b", tail))):  # fmt: skip
        facts.home = _END.sub("", tail).strip(" ,")
        rest = re.sub(r"^(?:and|but|who|which|while|when|because)\s+", "", tail[len(facts.home) :].strip(" ,"))
        if rest:
            read_clause(rest, facts)
        return
    if re.match(r"with\b|wearing\b|from\b|in search\b|on an? (?:quest|mission)|dressed\b|carrying\b|armed\b", tail):
        read_clause(tail, facts)
    elif first.endswith("ing") and first not in {"during", "king"}:
        if not _want(tail, facts) and not _home(tail, facts) and not _have(tail, facts) and not _work(tail, facts):
            add_told(f"is {tail}", facts)
    elif re.match(
        r"(?:of|for|by|to|in|on|at|without|under|near|out|off|about|like|as|made|raised|born|found|cursed|trapped|stuck|forced|sent|hired|known|haunted|separated|abandoned|built|created|sworn|lost in|exiled|banished|bound|obsessed|allergic|addicted|torn)\b",
        tail,
    ):
        past = re.match(
            r"(?:made|raised|born|found|cursed|forced|sent|hired|separated|built|created|exiled|banished|raised|abandoned)\b",
            tail,
        )
        add_told(f"{'was' if past and not tail.startswith('made of') else 'is'} {tail}", facts)
    else:
        read_clause(tail, facts)


def add_told(part: str, facts: Facts) -> None:
    """Keep a predicate to be told after the name, its verb in the third person."""
    words = part.strip(" ,.;:-").split()
    if not words or len(words) > 45:
        return
    at = next((index for index, word in enumerate(words) if not is_adverb(word.lower())), 0)
    if facts.pronoun == "they" and words[at].islower():
        words[at] = third(bare(words[at]))
    words[0] = words[0][0].lower() + words[0][1:]
    told = " ".join(words)
    if told not in facts.told:
        facts.told.append(told)

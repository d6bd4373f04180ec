"""Reads a description: who it is about, and everything that it states of them. Pure.

It goes by the order and kind of words, not by meaning. From a text in another language it takes no more than the
names that it is sure of.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from services.character.grammar.ages import find_age
from services.character.grammar.clauses import add_told, read_clause, read_tail
from services.character.grammar.facts import Facts
from services.character.grammar.naming import Name, find_name, first_names, without_styles
from services.character.grammar.phrases import adjectives_only, people_of, read_noun, sort_adjectives, split_phrase
from services.character.grammar.species import kinds
from services.character.grammar.words import people, small, traits

_LONGEST = 4_000
_ASKING = re.compile(
    r"^\W*(?:(?:hi|hello|hey|ok|okay|please|now|so)\b[\s,!.]*)*(?:(?:can|could|would|will) you (?:please )?)?(?:please )?"
    r"(?:(?:i|we) (?:need|want|would like|am looking for|'d like)|i'd like|(?:make|create|generate|design|invent|write|draw|imagine|picture|give|describe|think of|come up with|build)(?: me| us)?(?: up)?)\s+(?=\S)",
    re.IGNORECASE,
)
_CHARACTER = re.compile(
    r"^(?:(?:an?|the|my|our|some|new|main|dnd|d&d|rpg|oc|original|fantasy|fictional|minor|side)\s+)*(?:character|oc|protagonist|persona|npc|backstory)"
    r"(?:\s+for\s+[^:,.]{1,60}?(?=[:,.]|\s+(?:who|named|called)\b))?\s*(?:[:,–—-]|\bis\b|\bbased on\b|\bof\b|\babout\b|\bfor\b)?\s*(?=\S)",
    re.IGNORECASE,
)
_HERO = re.compile(
    r"^(?:my|our|the|a) (?:new |main )?(?:hero|heroine|villain|main character|protagonist|antagonist)(?: is (?=an? |the |called |named )|\s*[:–—-]\s*)",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"(?:^|[\n;,.|]\s*)(?P<key>species|race|gender|sex|pronouns?|job|occupation|profession|class|role|works as|home|lives|location|from|origin|goal|wants?|motivation|fears?|afraid of|weakness|flaw|strength|likes?|loves?|dislikes?|hates?|hobby|hobbies|traits?|personality|appearance|looks?|hair|eyes|skin|build|height|weapon|item|carries|wears|clothes|kind|type)"
    r"\s*[:=]\s*(?P<value>[^\n;|]{1,300}?)(?=\s*(?:$|[\n;|]|[.,]\s*[A-Za-z ]{2,15}[:=]))",
    re.IGNORECASE,
)  # fmt: skip
_SPEC = re.compile(r"\(?\b(?:(?:uses?|using|pronouns:?)\s+)?(she|he|they|it|xe|ze)\s*/\s*(?:her|him|his|them|they|she|he|its?|hers|theirs|xem|zir|her/hers|him/his)(?:\s*/\s*\w+)?(?:\s+pronouns)?\b\)?", re.IGNORECASE)  # fmt: skip
_NONE = re.compile(
    r"\b(?:genderless|sexless|(?:has|have|of|with) no (?:gender|sex)|without (?:a )?(?:gender|sex))\b", re.IGNORECASE
)
_NB = re.compile(
    r"\b(?:non[- ]?binary|enby|gender[- ]?(?:fluid|queer)|agender|bigender|neither (?:a )?(?:man|male|boy|girl|woman|female) nor)\b|\bnb\b",
    re.IGNORECASE,
)
_SEX = re.compile(r"(?:^|[\s,/(])(?:\d{1,4}\s*/?\s*)?\b(?P<s>[fm])\b(?:\s*/?\s*\d{1,4})?(?=$|[\s,/).;])", re.IGNORECASE)
_HALF = re.compile(r"\bhalf[ -](?P<one>[a-z]+)(?:(?:,| and|, and)? half[ -](?P<two>[a-z]+))?", re.IGNORECASE)
_FIRST = re.compile(
    r"\bI(?:'m|'ve|'ll|'d)?\b(?! (?:need|want|would like) (?:an?|the) (?:villain|character|hero|story))|\byou(?:'re| are)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<!\bMr)(?<!\bDr)(?<!\bSt)(?<!\bMrs)(?<!\bMs)[.!?…]+(?:\s+|$)|\n+")
_CLAUSE = re.compile(r"\s*[,;:()|]\s*|\s+[–—-]+\s+|—")
_THEY = {"i": "they", "i'm": "they are", "i've": "they have", "i'll": "they will", "i'd": "they would", "my": "their", "me": "them", "mine": "theirs", "myself": "themself", "am": "are", "you": "they", "you're": "they are", "you've": "they have", "your": "their", "yours": "theirs", "yourself": "themself"}  # fmt: skip
_WORKS = (
    (r"drives (?:an?|the) (?:[\w-]+ )?(\w+)", "{} driver"), (r"teaches (\w+)", "{} teacher"), (r"keeps bees", "beekeeper"), (r"(?:tends|looks after) (?:an?|the) (?:[\w-]+ )?garden", "gardener"), (r"grows ([a-z]{3,}s)\b", "grower of {}"), (r"plays the (piano|violin|cello|flute|organ|harp|guitar)", "{} player"),
    (r"(?:repairs|mends|fixes) ([a-z]{3,}s)\b", "{} mender"), (r"sells ([a-z]{3,}s?)\b", "{} seller"), (r"(?:runs|owns|manages) (?:an?|the|a small|their own|her own|his own) (?:[\w-]+ )?(?:[\w-]+'s )?(\w+)", "keeper of the {}"),
    (r"keeps (?:an?|the) (lighthouse|inn|zoo|library|archive)", "{} keeper"), (r"robs (\w+)", "robber of {}"), (r"collects ((?:[a-z]+ )?[a-z]+s)\b", "collector of {}"), (r"guards (?:an?|the) (?:[\w-]+ )?(\w+)", "guardian of the {}"),
    (r"brews (?:[\w-]+ )?(\w+)", "brewer of {}"), (r"solves (\w+)", "solver of {}"), (r"bakes (\w+)", "baker of {}"), (r"builds (\w+)", "builder of {}"), (r"hunts (\w+)", "hunter of {}"), (r"steals\b", "thief"),
    (r"working (?:at|in|on) (?:an?|the) ([\w-]+(?: [\w-]+)?)", "{} hand"), (r"works (?:at|in|on) (?:an?|the) ([\w-]+(?: [\w-]+)?)", "{} hand"), (r"waters the plants", "gardener"),
)  # fmt: skip


@lru_cache(maxsize=64)
def read(description: str) -> Facts:
    """Return what a description states. The result is shared: nobody changes it."""
    facts = Facts()
    text = _normal(description)
    if _foreign(text):
        facts.name = _sure_name(text)
        return facts
    text = without_styles(_HERO.sub("", _CHARACTER.sub("", _ASKING.sub("", text, count=1), count=1)))
    if _FIRST.search(text):
        text = _third_person(text, facts)
    text = _gender_words(text, facts)
    whole = text
    text = _take_name(text, facts)
    text = _fields(text, facts)
    text = _take_age(text, facts)
    text = _halves(text, facts)
    for number, sentence in enumerate(part for part in _SENTENCE.split(text) if part and part.strip(" ,;:.-")):
        _sentence(sentence.strip(), facts, first=number == 0)
    _conclude(whole, facts)
    return facts


def _normal(description: str) -> str:
    text = unicodedata.normalize("NFC", description[:_LONGEST])
    for written, plain in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("‑", "-"), ("\u00a0", " "), ("\r", "\n")):  # noqa: RUF001 - these are what is replaced
        text = text.replace(written, plain)
    text = "".join(char for char in text if char in "\n\t" or unicodedata.category(char)[0] != "C")
    text = re.sub(r'^\s*"([^"\n]{1,20})"', r"\1", text)
    return re.sub(r"[ \t]+", " ", re.sub(r"\s*\n\s*", "\n", text)).strip()


def _foreign(text: str) -> bool:
    """Tell whether a text is surely not English, by its letters or its small words."""
    letters = [char for char in text if char.isalpha()]
    if letters and sum(char.isascii() or "À" <= char <= "ɏ" for char in letters) < len(letters) * 0.7:
        return True
    words = re.findall(r"[^\W\d_]+", text.lower())
    foreign = sum(word in small().foreign for word in words)
    return foreign >= 2 and foreign > sum(word in small().function for word in words)


def _sure_name(text: str) -> Name | None:
    for match in re.finditer(r"[^\W\d_]+", text):
        if match[0].istitle() and match[0].lower() in first_names() and match[0].lower() not in small().foreign:
            return Name(match[0], "", "", "", match.start(), match.end())
    return None


def _third_person(text: str, facts: Facts) -> str:
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


def _gender_words(text: str, facts: Facts) -> str:
    """Take up pronouns that are stated, words for no or another gender, and the pronoun that the text goes by."""
    spec = _SPEC.search(text)
    if spec:
        facts.pronoun = {"xe": "they", "ze": "they"}.get(spec[1].lower(), spec[1].lower())
        facts.gender = {"she": "f", "he": "m", "they": "nb", "it": "none"}[facts.pronoun]
        text = text[: spec.start()] + " " + text[spec.end() :]
        text = re.sub(r"[;,]?\s*\b(?:they|she|he)\s+(?=$|[.,;])", "", text)
    if _NONE.search(text):
        facts.gender = facts.gender or "none"
    elif _NB.search(text):
        facts.gender = facts.gender or "nb"
    return text


def _take_name(text: str, facts: Facts) -> str:
    name = find_name(text)
    if name is None:
        return text
    facts.name = name
    title = name.title.lower().replace(".", "")
    titles = title.split()
    for word in titles:
        facts.gender = facts.gender or people().titles.get(word, "")
        if word in people().title_old:
            facts.stage = facts.stage or "old"
    if name.first.startswith("Old "):
        facts.stage = facts.stage or "old"
    said = text[name.start : name.end]
    text = f"{text[: name.start]} @ {text[name.end :]}"
    for part in {name.first, f"{name.first} {name.last}".strip()} - {""}:
        text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "@", text) if len(part) > 2 else text
    del said
    return re.sub(r"@(?:[\s,]*@)+", "@", re.sub(r"\s+", " ", text) if "\n" not in text else text)


def _fields(text: str, facts: Facts) -> str:
    """Take up lines such as "Species: otter"."""
    for match in list(_FIELD.finditer(text)):
        key, value = match["key"].lower(), match["value"].strip(" .")
        _field(key, value, facts)
    return _FIELD.sub(lambda match: "\n", text)


def _field(key: str, value: str, facts: Facts) -> None:
    lower = value.lower()
    if key in {"species", "race", "kind", "type"}:
        if not read_noun(split_phrase(value), facts, first=True) or not facts.species:
            facts.species = facts.species or lower[:40]
    elif key in {"gender", "sex"}:
        word = lower.split()[0] if lower.split() else ""
        found = (
            "f"
            if word in people().women | {"f"}
            else "m"
            if word in people().men | {"m"}
            else "none"
            if word in {"none", "n/a", "no"}
            else "nb"
            if word
            else ""
        )
        facts.gender = facts.gender or found
    elif key in {"job", "occupation", "profession", "class", "role", "works as"}:
        if not read_noun(split_phrase(value), facts, first=False) or not facts.profession:
            facts.profession = facts.profession or lower[:60]
    elif key in {"home", "lives", "location"}:
        facts.home = value if re.match(r"(?:in|on|at|under|near|by|above|aboard|inside)\b", lower) else f"in {value}"
    elif key in {"from", "origin"}:
        facts.comes = value
    elif key in {"goal", "want", "wants", "motivation"}:
        facts.goal = value
    elif key in {"fear", "fears", "afraid of"}:
        facts.fears.append(value)
    elif key in {"trait", "traits", "personality"}:
        found_traits = adjectives_only(value)
        sort_adjectives(found_traits, facts) if found_traits else facts.told.append(f"is said to be {value}")
    elif key in {"hair", "eyes", "skin", "build"}:
        facts.features.append(f"{value} {key}" if key not in lower else value)
    elif key in {"appearance", "look", "looks", "wears", "clothes"}:
        facts.features.append(f"wearing {value}" if key in {"wears", "clothes"} else value)
    elif key in {"weapon", "item", "carries"}:
        facts.belongings.append(value)
    elif key in {"like", "likes", "love", "loves", "hobby", "hobbies"}:
        add_told(f"likes {value}", facts)
    elif key in {"dislike", "dislikes", "hate", "hates"}:
        add_told(f"dislikes {value}", facts)
    elif key != "height":
        add_told(f"has one {key}: {value}", facts)


def _take_age(text: str, facts: Facts) -> str:
    age = find_age(text)
    if age is None:
        return text
    facts.age = age
    said = text[age.start : age.end]
    left = said[0] if said[:1] in ",.;:(|\n" else " "
    return f"{text[: age.start]}{left} {text[age.end :]}"


def _halves(text: str, facts: Facts) -> str:
    match = _HALF.search(text)
    if match is None:
        return text
    parts = [part.lower() for part in (match["one"], match["two"]) if part]
    named = [kinds().words[part].species for part in parts if part in kinds().words]
    if not named:
        return text
    other = next((name for name in named if name != "human"), named[0])
    facts.species = f"half-{other}"
    if len(parts) == 2 and len(named) == 2 and "human" not in named:
        facts.species = f"half-{named[0]}, half-{named[1]}"
    return f"{text[: match.start()]} {text[match.end() :]}"


def _sentence(sentence: str, facts: Facts, *, first: bool) -> None:
    """Read one sentence, clause by clause."""
    lead = sentence.split()[0].lower().rstrip(",:'s") if sentence.split() else ""
    if not first and _speaks_of_others(sentence, lead, facts):
        keep_whole(sentence, facts)
        return
    open_list = True  # until a clause has told something, single nouns go on saying what somebody is
    for number, piece in enumerate(_CLAUSE.split(sentence)):
        clause = re.sub(
            r"^(?:and|but|so|or|yet|then|also|plus|there (?:once )?(?:is|was|lived)|once upon a time|this is|meet)\s+",
            "",
            piece.strip(" .-\"'"),
            flags=re.IGNORECASE,
        )
        if clause.strip(" @'.-?!") in {
            "",
            "is",
            "was",
            "are",
            "am",
            "she is",
            "he is",
            "they are",
            "it is",
            "s",
            "named",
            "called",
            "old",
        }:
            continue
        open_list = _clause(clause, facts, first=first and number < 3 and open_list, listing=open_list) and open_list


def _speaks_of_others(sentence: str, lead: str, facts: Facts) -> bool:
    """Tell whether a sentence is about somebody or something else."""
    if lead in {"@", "she", "he", "they", "it", "a", "an", "now", "still", "always", "never"} or sentence.startswith(
        "@"
    ):
        return lead == "it" and facts.pronoun not in {"", "it"}
    if lead in {"his", "her", "their", "its", "nobody", "everybody", "everyone", "people", "somebody", "when", "if", "after", "since", "whenever", "because", "although", "though", "while", "once", "one", "every", "each", "in", "on", "at", "for", "by", "there", "no", "what", "whatever", "as", "until", "before", "some"}:  # fmt: skip
        return (
            bool(re.search(r"\b(?:is|are|was|were|has|have|had|can|could|will|does|did|\w+ed|\w+s)\b", sentence))
            and len(sentence.split()) > 3
        )
    return (
        lead == "the"
        and bool(re.search(r"\b(?:call|calls|is|was|are|were|has|have)\b", sentence))
        and "@" not in sentence
    )


def keep_whole(sentence: str, facts: Facts) -> None:
    """Keep a sentence to be told as it stands."""
    if len(sentence.split()) <= 45:
        facts.whole.append(sentence.strip(" ,;-"))


def _clause(clause: str, facts: Facts, *, first: bool, listing: bool) -> bool:
    """Read one clause; tell whether a list of what somebody is may go on after it."""
    clause = re.sub(
        r"^(?:@|she|he|they|it)(?:'s|'re)\b", lambda m: m[0].split("'")[0] + " is", clause, flags=re.IGNORECASE
    )
    subject = re.match(r"^(?:@|she|he|they|it)\s+(?=\S)(?!and\b|of\b)", clause, re.IGNORECASE)
    found = adjectives_only(clause)
    if subject:
        rest = clause[subject.end() :]
        _predicate(rest, facts, first=first)
        return bool(re.match(r"(?:the|an?)\s", rest)) and not split_phrase(rest).tail
    if found:
        sort_adjectives(found, facts)
        return True
    word = clause.split()[0].lower()
    if re.match(
        r"(?:who|that|which|with|from|wearing|carrying|looking|searching|hoping|afraid|scared|terrified|dressed|armed|living)\b",
        word,
    ):
        read_clause(clause, facts) if word in {"afraid", "scared", "terrified"} else read_tail(clause, facts)
        return False
    if _verb_first(clause, facts):
        read_clause(clause, facts)
        return False
    split = split_phrase(clause)
    counted = word in small().numbers and word not in {"one", "zero"}
    if (first or listing or split.determined) and split.words and not counted and read_noun(split, facts, first=first):
        _after_noun(split.words, split.tail, facts)
        return not split.tail or split.tail.startswith(("of ", "in ", "at ", "on ", "from ", "with "))
    return _otherwise(clause, facts, listing=listing)


def _after_noun(words: tuple[str, ...], tail: str, facts: Facts) -> None:
    """Read what follows the noun that says what somebody is; "of …" goes with a profession or is told."""
    of = re.match(r"of\s+(?P<what>(?:(?!\b(?:who|that|which|with|and|but|in|on)\b)[^\s]+\s*){1,7})", tail)
    head = words[-1].lower()
    if of and facts.profession.endswith(head) and head not in people().kin - {"keeper"}:
        facts.profession = f"{facts.profession} {of[0].strip()}"[:80]
        tail = tail[of.end() :].strip()
    elif of:
        split = split_phrase(of["what"])
        if head in kinds().words and read_noun(split, facts, first=False):
            tail = tail[of.end() :].strip()
        else:
            noun = " ".join(words[-1:]).lower()
            add_told(f"is {'an' if noun[0] in 'aeiou' else 'a'} {noun} {of[0].strip()}", facts)
            tail = tail[of.end() :].strip()
    if tail:
        read_tail(tail, facts)


def _predicate(predicate: str, facts: Facts, *, first: bool) -> None:
    """Read what is said of the one whom the sentence is about."""
    be = re.match(
        r"(?:is|was|are)\s+(?:now |still |also |simply |just )?(?P<what>(?:an?|the|my|our|one)\s.+|\w+)$", predicate
    )
    nothing = first and not (facts.species or facts.profession or facts.rank)
    if be and be["what"] and (predicate.startswith(("is", "are")) or nothing):
        split = split_phrase(be["what"])
        if (
            not adjectives_only(be["what"])
            and not split.tail.startswith("of ")
            and read_noun(split, facts, first=nothing)
        ):
            _after_noun(split.words, split.tail, facts)
            return
    split = split_phrase(predicate)
    if (
        (nothing or re.match(r"(?:the|an?)\s", predicate))
        and split.words
        and not _verb_first(predicate, facts)
        and read_noun(split, facts, first=False)
    ):
        _after_noun(split.words, split.tail, facts)
        return
    read_clause(predicate, facts)


def _verb_first(clause: str, facts: Facts) -> bool:
    """Tell whether a clause begins with a finite verb: "hates cats", "cannot cook an egg"."""
    words = clause.lower().split()
    word = words[0]
    if word.endswith("ly") or word in {"still", "always", "never", "once", "now", "also", "secretly", "not"}:
        word = words[1] if len(words) > 1 else word
    plain = re.sub(r"[^\w']", "", word)
    if plain in small().verbs and plain not in {"who", "which", "that", "found", "always", "never", "once", "lost"}:
        return len(words) > 1
    noun = plain in kinds().words or plain in people().professions or plain in people().kin
    looks_like = plain.endswith("s") and not plain.endswith(("ss", "us", "'s", "is")) and len(words) > 1 and not noun
    return looks_like and words[1] in {"a", "an", "the", "his", "her", "their", "its", "to", "of", "in", "on", "at", "everyone", "everybody", "it", "only", "no", "like", "too", "for", "with", "not", "that", "by", "from", "people", "money", "bad", "badly", "as", "about"}  # fmt: skip


def _otherwise(clause: str, facts: Facts, *, listing: bool) -> bool:
    """Keep what could not be read: something had, something done, or words to be quoted."""
    words = clause.split()
    first = words[0].lower()
    heads = re.split(r"\s+(?:in|on|of|over|that|with|from)\b", clause, maxsplit=1)[0].lower().split()
    if heads and re.sub(r"\W+$", "", heads[-1]) in traits().looks_nouns:
        facts.features.append(clause[0].lower() + clause[1:])
        return listing
    if first == "to" and facts.goal == "" and len(words) > 2:
        facts.goal = clause
        return False
    if first in {"still", "now", "always"} and len(words) > 1 and words[1].lower().endswith("ing"):
        add_told(f"is {clause}", facts)
        return False
    if first.endswith("ing") or first in {
        "in",
        "on",
        "out",
        "off",
        "under",
        "at",
        "without",
        "about",
        "made",
        "raised",
        "born",
        "found",
        "cursed",
        "known",
        "trapped",
        "stuck",
        "obsessed",
    }:
        read_tail(clause, facts)
        return False
    if (
        len(words) > 1
        and (
            adjectives_only(first)
            or first in {"good", "bad", "fond", "tired", "too", "so", "more", "less", "very", "as", "not"}
        )
        and words[1].lower() in small().function | {"enough"}
    ):
        past = first.endswith("ed") and words[1].lower() not in {"with", "of", "by", "to", "about", "for"}
        add_told(clause if past else f"is {clause}", facts)
        return False
    if re.match(r"\w+ed$", first) and len(words) > 1 and not adjectives_only(words[1]):
        add_told(clause, facts)
        return False
    if first in {"a", "an"} and len(words) > 1:
        add_told(f"is {clause}", facts)
        return False
    if first in {"no", "one", "two", "three", "four", "big", "small", "long"} and len(words) > 1:
        add_told(f"has {clause}", facts)
        return listing
    if not listing and facts.told and len(words) <= 6:
        facts.told[-1] = f"{facts.told[-1]}, {clause}"
        return False
    if _sayable(clause):
        facts.quoted.append(clause)
    return listing


def _sayable(clause: str) -> bool:
    """Tell whether a clause is English enough to be quoted."""
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", clause.lower())
    known = sum(word in small().function or word in small().verbs for word in words)
    odd = re.search(r"[^\w\s'\",.!?%&/-]|\w{25}|\d{5}", clause)
    return bool(words) and not odd and known >= 1 and 2 <= len(words) <= 30


def _conclude(text: str, facts: Facts) -> None:
    """Settle what follows from everything together: pronoun, gender, what a title says, what a trade is called."""
    if not facts.gender and not facts.pronoun:
        facts.pronoun = _pronoun(text, facts)
    if not facts.gender and facts.pronoun and not facts.spoken:
        facts.gender = {"she": "f", "he": "m", "they": "nb", "it": "none"}[facts.pronoun]
    title = facts.name.title.lower().replace(".", "").split() if facts.name else []
    if not facts.gender:
        short = _SEX.search(text)
        if short and re.search(r"\d|,|/", short[0]):
            facts.gender = short["s"].lower()
    if title and not facts.profession and title[-1] in people().title_works:
        facts.profession = {"dr": "doctor"}.get(title[-1], title[-1])
    if title and title[-1] in {"sir", "ser"}:
        facts.profession = facts.profession or "knight"
    if not facts.profession:
        facts.profession = _trade(facts.told)
    if not facts.people and facts.comes:
        facts.people = next((key for key in map(people_of, re.findall(r"\w+", facts.comes)) if key), "")


def _pronoun(text: str, facts: Facts) -> str:
    """Return the pronoun by which the text speaks of its hero; empty if it uses none, or one of somebody else's."""
    found = re.search(r"\b(she|her|hers|herself|he|him|his|himself)\b", text, re.IGNORECASE)
    if found:
        return "she" if found[0].lower() in {"she", "her", "hers", "herself"} else "he"
    they = re.search(r"\b(they|their|themself|themselves)\b", text, re.IGNORECASE)
    it = re.search(
        r"\b(?:its|itself)\b|(?:^|[.;,] )it (?:has|is|was|can|\w+s)\b|\b(?:that|until|because|and|but) it \w+s\b",
        text,
        re.IGNORECASE,
    )
    if it and (not facts.species or kinds().of(facts.species).kind != "person" or not they):
        return "it" if not facts.rank and not (facts.species in {"", "human"}) else ""
    return "they" if they and re.search(r"\b(?:on|lost|found|in|with|of|from|for|to) their\b|\bthey\b", text) else ""


def _trade(told: list[str]) -> str:
    """Call by a name what somebody does all day."""
    for part in told:
        for pattern, form in _WORKS:
            match = re.match(rf"(?:(?:is|still|now|only) )*{pattern}", part)
            if match:
                return form.format(match[1]) if match.groups() else form
    return ""

"""The words of a premise that a story must mention, found by taking away what carries no subject. Pure.

It knows nothing of how an author reads a premise, so that it can find an author wrong. English only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from services.story.markdown import words_of

_ASKED = re.compile(r"^.{0,60}\b(?:story|tale|something)\b.{0,60}?\babout\b", re.IGNORECASE | re.DOTALL)
"""How somebody asks for a story; what stands in it ("for my daughter") is not what the story is about."""
SHARE_MISSED = 6
"""Of so many words one may be missing; of five or fewer, none."""
LONG_PREMISE = 24
"""From so many words on, a third may be missing: a long premise tells more than a story repeats."""


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


_SURE = _words(
    "the and of who whose with from that his her their into about which when while must has have is are was were "
    "for to an on at by it its she he they them him after before until where what why how under every my your our "
    "this two three four five seven eight nine ten eleven twelve"
)
"""Small words that show that a premise is English."""
_ELSEWHERE = _words(
    "der die das und ein eine einen mit nicht ist im le la les des et une un dans qui avec est au el los las y con "
    "una por que del il lo gli di che per non de het een van met os um uma em com och att ett som i og til jest nie "
    "na do en du se è é à são på är za bir ve"
)
_IGNORED = _words(
    "a an the and or but nor so yet if because as than then though although while when whenever where why how who "
    "whom whose which what that this these those there here of in on at to from into onto over under through across "
    "along around about against between among behind beside beyond by for with without within near off up down out "
    "during toward towards upon like per via inside outside aboard beneath underneath above below past opposite "
    "despite except until till since once before after again already always never only just still even also too "
    "very quite rather almost soon now ever instead perhaps maybe together alone away back not no any some every "
    "each all both another one two three four five six seven eight nine ten eleven twelve first last next same "
    "other own such more most less few many much several enough none nobody somebody anybody everybody someone "
    "anyone everyone nothing something anything everything i me my mine you your yours he him his himself she her "
    "hers herself it its itself we us our ours they them their theirs themselves myself yourself is are was were be "
    "been being am has have having had do does did doing done can could will would shall should may might must "
    "cannot let lets isn't aren't don't doesn't didn't can't won't i'd i'm i'll i've it's he's she's there's who's "
    "ago else home full story stories tale tales write tell give make please want short long bedtime chapter "
    "character characters hero heroine protagonist novel fairy book-length ending beginning end start part way lot "
    "bit kind sort thing things time times day days night nights morning evening afternoon year years week weeks "
    "month hour hours minute moment today tomorrow yesterday name named called people person place world life case "
    "mr mrs ms miss dr sir lady lord old young little big small tiny great huge new good bad best worst better "
    "worse tall high low nice brave shy clever lonely lost missing stolen hidden secret broken strange mysterious "
    "real whole different true false early late retired sudden certain"
)
_COMMON_VERBS = _words(
    "find lose look search seek steal hide take bring carry get give go come run walk ride drive fly sail travel "
    "leave arrive return stay live die kill save rescue help protect guard fight win compete try learn teach know "
    "think believe remember forget hope wish dream decide plan plot choose begin stop keep hold put turn change "
    "become grow build break repair mend fix cut open close enter discover invent meet marry love hate fear "
    "befriend follow chase hunt catch escape flee wait watch see hear listen feel smell taste touch say speak talk "
    "ask answer call cry laugh sing dance play work sell buy pay trade own share send receive deliver read write "
    "draw paint cook eat drink sleep wake sit stand lie fall rise climb jump swim dig wear use need promise refuse "
    "agree allow force invite visit move happen appear disappear vanish exist belong solve investigate suspect "
    "convince persuade accept admit survive dare realise realize notice show lead serve join sneak land freeze melt "
    "judge collect make start finish end hire order lock unlock throw drop pull push pass cross reach cause prove "
    "shut quarrel argue strike bite blow beat bend bind burst cling creep deal feed fling forbid forgive hang hit "
    "hurt lend let lay mean ring shake shine shoot shrink sink slide spend spin spread stick sting swear sweep "
    "swing tear weave weep wind wring"
)
_IRREGULAR = {
    "men": "man", "women": "woman", "children": "child", "mice": "mouse", "geese": "goose", "teeth": "tooth",
    "feet": "foot", "oxen": "ox", "found": "find", "lost": "lose", "stole": "steal", "took": "take", "taken": "take",
    "brought": "bring", "gave": "give", "given": "give", "went": "go", "gone": "go", "came": "come", "ran": "run",
    "rode": "ride", "drove": "drive", "flew": "fly", "left": "leave", "fought": "fight", "won": "win",
    "taught": "teach", "knew": "know", "known": "know", "thought": "think", "forgot": "forget", "forgotten": "forget",
    "chose": "choose", "began": "begin", "begun": "begin", "kept": "keep", "held": "hold", "became": "become",
    "grew": "grow", "grown": "grow", "built": "build", "broke": "break", "met": "meet", "caught": "catch",
    "fled": "flee", "saw": "see", "seen": "see", "heard": "hear", "felt": "feel", "said": "say", "spoke": "speak",
    "sang": "sing", "sold": "sell", "bought": "buy", "paid": "pay", "sent": "send", "wrote": "write",
    "written": "write", "drew": "draw", "ate": "eat", "drank": "drink", "slept": "sleep", "woke": "wake", "sat": "sit",
    "stood": "stand", "lay": "lie", "fell": "fall", "fallen": "fall", "rose": "rise", "swam": "swim", "dug": "dig",
    "wore": "wear", "led": "lead", "threw": "throw", "froze": "freeze", "made": "make",
    "told": "tell", "stories": "story",
}  # fmt: skip


def subject_words(premise: str) -> tuple[tuple[str, ...], ...]:
    """Return what a premise speaks of: single words, and the parts of each name, of which one is enough."""
    found: dict[tuple[str, ...], None] = {}
    for unit in _units(premise):
        kept = tuple(word for word in unit if _tells(word))
        if kept:
            found.setdefault(kept)
    names = {word for unit in found if len(unit) > 1 for word in unit}
    return tuple(unit for unit in found if len(unit) > 1 or unit[0] not in names)


def is_english(premise: str) -> bool:
    """Tell whether a premise is surely English, by its small words."""
    said = [word.lower() for word in words_of(premise)]
    if not premise.isascii() and sum(word.isascii() for word in said) * 2 < len(said):
        return False
    return sum(word in _SURE or _third_person(word) for word in said) > sum(word in _ELSEWHERE for word in said)


def _third_person(word: str) -> bool:
    """Tell whether a word is a form like "finds", which other languages hardly have."""
    return word.endswith("s") and _stem(word) in _VERB_STEMS


def missing_words(premise: str, text: str) -> tuple[str, ...]:
    """Return the words of an English premise that a text does not mention in any form."""
    stems = {stem for word in words_of(text) for stem in _stems(word)}
    missing = (unit for unit in subject_words(premise) if not any(set(_stems(word)) & stems for word in unit))
    return tuple(" ".join(unit) for unit in missing)


def tolerated(words: int) -> int:
    """Return how many of so many words of a premise a story may leave out."""
    return words // 3 if words > LONG_PREMISE else words // SHARE_MISSED


def _units(premise: str) -> Iterator[Sequence[str]]:
    """Yield the words of a premise one by one, but the parts of a name together."""
    for sentence in re.split(r"[.!?:;\n]+", _ASKED.sub("", premise, count=1)):
        name: list[str] = []
        for at, word in enumerate(re.findall(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*|,", sentence)):
            inner = at > 0 and word[0].isupper() and not premise.isupper()
            if inner:
                name.append(word)
                continue
            if name:
                yield name
                name = []
            yield from ([word],) if word[0].isupper() else ([part] for part in word.split("-"))
        if name:
            yield name


def _tells(word: str) -> bool:
    """Tell whether a word says what a premise is about."""
    plain = _plain(word)
    short = len(plain) < 3 or plain.endswith(("n't", "'re", "'ll", "'ve"))
    if short or plain in _IGNORED or (plain.endswith("ly") and plain not in {"lily", "family", "butterfly"}):
        return False
    return not _verb(plain)


def _verb(plain: str) -> bool:
    """Tell whether a word is a form of a common verb, which a story may put in other words."""
    return any(stem in _VERB_STEMS for stem in _stems(plain)) or _IRREGULAR.get(plain, "") in _COMMON_VERBS


def _plain(word: str) -> str:
    """Return a word in lower case without accents and without its genitive."""
    bare = "".join(char for char in unicodedata.normalize("NFKD", word.lower()) if not unicodedata.combining(char))
    return re.sub(r"['’]s?$", "", bare)


def _stems(word: str) -> tuple[str, ...]:
    """Return what a word and its inflected forms share; a compound with a hyphen gives its parts too."""
    plain = _plain(word)
    return tuple(dict.fromkeys(_stem(part) for part in (plain, *re.split(r"[-'’]", plain)) if len(part) > 1))


def _stem(plain: str) -> str:
    plain = _IRREGULAR.get(plain, plain)
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"),
                            ("oes", "o"), ("ing", ""), ("ied", "y"), ("ed", "")):  # fmt: skip
        if plain.endswith(ending) and len(plain) - len(ending) > 2:
            plain = plain.removesuffix(ending) + instead
            break
    else:
        plain = plain.removesuffix("s") if len(plain) > 3 and not plain.endswith(("ss", "us", "is")) else plain
    if len(plain) > 3 and plain[-1] == plain[-2] and plain[-1] not in "sle":
        plain = plain[:-1]  # "stopped"
    plain = plain.removesuffix("e")
    return plain.removesuffix("f") + "v" if plain.endswith("f") else plain  # "wolf" and "wolves"


_VERB_STEMS = frozenset(_stem(verb) for verb in _COMMON_VERBS)

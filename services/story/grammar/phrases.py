"""Decides what noun groups speak of: by the word lists where they know the noun, else by position. Pure."""

from __future__ import annotations

from dataclasses import replace

from services.story.grammar.clauses import Group, Syntax
from services.story.grammar.english import words
from services.story.grammar.names import MINDFUL
from services.story.grammar.objects import is_held
from services.story.grammar.retelling import relative_clause
from services.story.grammar.tokens import IGNORED, PLACE_PREPS, Found, Noun, Token
from services.story.grammar.vocabulary import Kind, Vocabulary

_BECOMING = words("be become becomes became as being into like")
_LIFELESS = words(
    "be have fall crash arrive appear disappear vanish burn break stop ring change grow float hang lie stand turn "
    "begin end start melt freeze glow shine sink drift tick happen belong open close move lead keep hold hum run come "
    "go wake contain hide rise crack leak explode collapse rust spin stay remain land blow flow strike cost smell "
    "taste light"
)
_HANDLING = words(
    "open close lead ring stop start run begin end change move turn grow break burn"
)  # if done to something
_UPON = words("of on onto over along off")  # nobody lives on what is in no list
_BECOMES = words("become come go move turn look feel seem stay fall run get sound taste smell stand sit keep")
_WHO_DO = ("er", "or", "ist", "ian", "eer", "ess")
_ADJECTIVAL = ("ed", "ful", "less", "ous", "ish", "ive", "ical", "able", "ible", "est", "ier", "ing")
_ABSTRACT = ("ness", "hood", "ism", "dom", "ity", "friendship", "leadership")
_PARTED = words("missing lost broken wooden stone ivory toy plastic tin glass painted carved stolen chipped")
_EVERYDAY = words("hurry rush rage way mood end middle beginning run move style front back case fact turn order name")
_HOLDERS = words("barrel box basket crate jar bag bucket tin bottle case sack cage tank plate pile bowl carton chest")
_RELATIONAL = words("foot top bottom back front edge end middle side corner heart centre center rest ruins outskirts")
_VESSELS = (
    "tub",
    "hive",
    "box",
    "case",
    "bag",
    "basket",
    "jar",
    "pot",
    "drawer",
    "pocket",
    "nest",
    "bed",
    "hat",
    "shoe",
)
_BARTERING = words("trade swap exchange sell")
_CARRYING = words("head hand hands arm arms pocket back shoulder mouth lap")
_OWNERS = words("his her its their my your our")
_VAGUE = words(
    "one ones thing things people everyone lot couple number rest thirteen fourteen fifteen sixteen seventeen eighteen "
    "nineteen twenty thirty forty fifty sixty hundred thousand"
)


def find_phrases(tokens: list[Token], syntax: Syntax, known: Vocabulary) -> list[Found]:
    """Find what the noun groups of a text name, in order."""
    found: list[Found] = []
    skipped = -1
    for index, group in enumerate(syntax.groups):
        if index == skipped:
            continue
        phrase = _Phrase(tokens, syntax, index, known)
        noun = phrase.noun()
        if noun is None:
            continue
        if phrase.complement:
            skipped = index + 1
        start = group.start if tokens[group.start].lower in known.function or group.first > group.start else group.first
        found.append(Found(start, group.end, noun))
    return found


class _Phrase:
    """One noun group, and what stands around it."""

    def __init__(self, tokens: list[Token], syntax: Syntax, index: int, known: Vocabulary) -> None:
        self._tokens, self._syntax, self._known = tokens, syntax, known
        self._group: Group = syntax.groups[index]
        self._next = syntax.groups[index + 1] if index + 1 < len(syntax.groups) else None
        self._before = syntax.groups[index - 1] if index else None
        if self._group.prep == "of" and self._before and tokens[self._before.end - 1].lower in _RELATIONAL:
            self._group = replace(self._group, prep=self._before.prep)  # "at the foot of the statue": at the statue
        self._words = [token.lower for token in tokens[self._group.first : self._group.end]]
        self.complement = ""

    def noun(self) -> Noun | None:
        """Return what the group names; None if that is nothing a story can show, or a proper name."""
        group, tokens = self._group, self._tokens
        head = self._head()
        last = tokens[group.end - 1]
        if self._is_name(last) or group.owner or head in IGNORED or len(head) < 2 or head.isdigit():
            return self._lower_case_name() if not group.owner else None
        if tokens[group.start].lower == "no" or not any(char.isalpha() for char in head):
            return None
        name = self._lower_case_name()
        if name is not None:
            return name
        kind = self._part(self._by_use(self._kind(head), head))
        if kind in {"abstract", ""} or (kind in {"person", "animal"} and group.prep in _BECOMING):
            return None
        lead = [token.lower for token in tokens[max(0, group.start - 4) : group.start]]
        if kind in {"person", "animal"} and group.verb == "be" and "there" not in lead:
            return None
        return self._made(kind, head)

    def _made(self, kind: Kind, head: str) -> Noun:
        group, known = self._group, self._known
        plural = known.is_plural(self._words[-1]) and not self._singular_article()
        rank = 0 if group.main and not group.prep else 2
        noun = Noun(
            kind,
            head,
            self._phrase(),
            plural=plural and not self.complement,
            count=known.numbers.get(self._tokens[group.start].lower, 1),
            prep=group.prep,
            detail=relative_clause(self._tokens, self._syntax, group.end),
            pronoun=known.gender(head),
            rank=rank,
            verb=group.verb,
        )
        owned = self._owned()
        pointed = group.first > group.start or owned or plural
        held = is_held(self._as_object(noun), known, pointed=pointed, owned=owned)
        return replace(noun, held=held)

    def _as_object(self, noun: Noun) -> Noun:
        """Take what is traded for, and what is carried on somebody, for the object of a verb that says so."""
        bartered = noun.prep == "for" and self._before is not None and self._before.verb in _BARTERING
        after = self._next
        worn = noun.prep == "with" and after is not None and after.start == self._group.end + 1
        worn = worn and after is not None and self._tokens[after.end - 1].lower in _CARRYING
        return replace(noun, verb="carry", prep="") if bartered or worn else noun

    def _singular_article(self) -> bool:
        return self._tokens[self._group.start].lower in {"a", "an", "one", "every", "each"}

    def _is_name(self, token: Token) -> bool:
        """Tell whether a word is a proper name; ordinary nouns may be written in capitals too."""
        if not token.text[0].isupper():
            return False
        ordinary = bool(self._known.kind(token.lower)) and token.lower not in self._known.names
        return not ordinary and not (token.starts and len(self._words) == 1 and not self._group.acts)

    def _lower_case_name(self) -> Noun | None:
        """Take words in no list that begin a sentence without an article, and act, for a name in lower case."""
        group, known = self._group, self._known
        strange = not any(known.known(word) for word in self._words)
        if group.first > group.start or not strange or not group.acts or not self._tokens[group.start].starts:
            return None
        if known.is_plural(self._words[-1]) or not all(token.text.islower() for token in self._tokens):
            return None
        name = " ".join(_name_case(word) for word in self._words)
        return Noun("person", name, name, name=name, pronoun=known.name_gender(self._words[0]), rank=1)

    def _head(self) -> str:
        """Return the noun with the nouns that make a compound with it, without adjectives."""
        known, said = self._known, self._words
        if len(said) > 1 and known.kinds.get(" ".join(said[-2:])):
            return " ".join(said[-2:])
        if known.guess(said[-1]) in {"person", "animal", "being", "group"}:
            return said[-1]
        at = len(said) - 1
        while at > 0 and len(said) - at < 3 and self._compounds(said[at - 1]):
            at -= 1
        return " ".join(said[at:])

    def _compounds(self, word: str) -> bool:
        """Tell whether a word before a noun is a noun itself, and not an adjective."""
        known = self._known
        if known.kind(word):
            return word not in known.adjectives
        if word in known.adjectives or word.endswith(_ADJECTIVAL) or word.endswith(("ly", "en")):
            return False
        return len(word) > 2

    def _phrase(self) -> str:
        kept = [*(word for word in self._words[:-1] if _modifier(word, self._known)), self._words[-1]]
        phrase = " ".join(kept)
        first = self._group.first
        if first and self._before and self._before.owner and self._before.end == first:
            owner = self._tokens[first - 1]
            if owner.text.islower():
                phrase = f"{owner.plain} {phrase}"
        return f"{phrase} {self.complement}".strip()

    # Kinds

    def _kind(self, head: str) -> Kind:
        known, core = self._known, self._words[-1]
        kind = known.guess(head) or known.guess(core)
        following = self._next
        if following and following.prep == "of" and following.start == self._group.end + 1:
            kind = self._of(kind, core, following)
        if kind:
            return kind
        if core.endswith(_ABSTRACT) and core != "city":
            return "abstract"
        return self._by_place(core)

    def _of(self, kind: Kind, core: str, following: Group) -> Kind:
        """Take up "of herrings": a barrel of them is one thing, and so is a pair of skis."""
        said = [token.lower for token in self._tokens[following.first : following.end]]
        bare = (
            following.first == following.start and not following.owner and self._tokens[following.start].text.islower()
        )
        inner = "" if core in _HOLDERS else self._known.guess(said[-1])
        if (
            not bare
            or inner in {"person", "animal", "being", "place", "abstract"}
            or kind not in {"thing", "group", ""}
        ):
            return kind
        if core in {"lot", "sort", "kind", "number", "edge", "bottom", "smell", "sound", "city"} or following.acts:
            return kind
        self.complement = "of " + " ".join(said)
        return "thing"

    def _by_place(self, core: str) -> Kind:
        """Judge a noun in no list by where it stands: who acts is somebody, where things happen is a place."""
        group, known = self._group, self._known
        following = self._tokens[group.end].lower if group.end < len(self._tokens) else ""
        owned = self._owned()
        pointed = group.first > group.start or owned or len(self._words) > 1
        if following == "who":
            return "person"
        named = self._next is not None and self._next.start == group.end and self._named_after()
        if named and known.base(core).endswith(_WHO_DO):
            return "person"  # "the curator Van der Meulen"
        if owned and self._beside_somebody():
            return "person"  # "the colonel and his valet cross the desert"
        if core in _VAGUE or core in _EVERYDAY or core in _RELATIONAL or (known.known(core) and len(self._words) == 1):
            return ""
        if group.acts and not group.prep and not group.verb:
            someone = self._introduced() or known.base(core).endswith(_WHO_DO)
            return "person" if someone and not self._lifeless() else "thing"
        if group.prep in PLACE_PREPS - _UPON:
            return "" if not pointed else "thing" if core.endswith(_VESSELS) else "place"
        bare = not pointed and not known.is_plural(core)
        if group.verb == "be" or (bare and (group.prep or group.verb in _BECOMES)):
            return ""
        return "thing"

    def _owned(self) -> bool:
        """Tell whether somebody has what the group names."""
        group, before = self._group, self._before
        said = {token.lower for token in self._tokens[group.start : group.first]}
        return bool(before and before.owner and before.end == group.first) or bool(_OWNERS & said)

    def _beside_somebody(self) -> bool:
        """Tell whether "and" joins the group to somebody who acts."""
        group, before = self._group, self._before
        at = group.start - 1
        if before is None or before.end != at or self._tokens[at].lower != "and" or group.prep or group.verb:
            return False
        last = self._tokens[at - 1]
        return self._known.guess(last.lower) == "person" or (
            last.text[0].isupper() and (not last.starts or last.lower in self._known.names)
        )

    def _named_after(self) -> bool:
        """Tell whether a name follows directly."""
        token = self._tokens[self._group.end]
        return not token.breaks and token.text[0].isupper()

    def _lifeless(self) -> bool:
        """Tell whether the verb is one that things do; what opens an agency is somebody, what opens is a door."""
        following = self._next
        handles = following is not None and following.verb == self._group.acts and self._group.acts in _HANDLING
        return self._group.acts in _LIFELESS and not handles

    def _introduced(self) -> bool:
        """Tell whether the text begins with the group, and does not take it for known: "a plongeur", not "the fog"."""
        return self._before is None and self._tokens[self._group.start].lower not in {"the", "this", "that"}

    def _by_use(self, kind: Kind, head: str) -> Kind:
        """Take what wants or decides for somebody, and the moon for a thing unless a preposition leads to it."""
        group = self._group
        finite = (at for at in sorted(self._syntax.verbs) if at >= group.end and self._syntax.verbs[at] == group.acts)
        verb = next(finite, group.end)
        after = [token.lower for token in self._tokens[verb + 1 : verb + 3]]
        minds = group.acts in MINDFUL or (group.acts == "fall" and after == ["in", "love"])
        led = [token.lower for token in self._tokens[max(0, group.start - 2) : group.start]]
        beloved = led == ["love", "with"]
        if kind in {"thing", "place"} and ((minds and not group.prep) or beloved):
            return "being"
        both = head in self._known.both or self._words[-1] in self._known.both
        return "thing" if kind == "place" and both and group.prep not in PLACE_PREPS else kind

    def _part(self, kind: Kind) -> Kind:
        """Tell a chessman from a knight: "a set with a missing knight", "the lost king of a chess set"."""
        if kind != "person" or not _PARTED.intersection(self._words):
            return kind
        group, before, following = self._group, self._before, self._next
        of_thing = (
            following is not None
            and following.prep in {"of", "from"}
            and following.start == group.end + 1
            and self._known.guess(self._tokens[following.end - 1].lower) in {"thing", ""}
            and self._tokens[following.end - 1].text.islower()
        )
        part = before is not None and group.prep in {"with", "without"} and before.end == group.start - 1
        holder = self._known.guess(self._tokens[before.end - 1].lower) if before else ""
        return "thing" if of_thing or (part and holder in {"thing", ""}) else kind


def _name_case(word: str) -> str:
    """Write a name with capitals: "o'dell" is "O'Dell"."""
    return "".join(part.capitalize() if index % 2 == 0 else part for index, part in enumerate(_split_name(word)))


def _split_name(word: str) -> list[str]:
    parts: list[str] = []
    piece = ""
    for char in word:
        if char in "'-":
            parts.extend((piece, char))
            piece = ""
        else:
            piece += char
    return [*parts, piece]


def _modifier(word: str, known: Vocabulary) -> bool:
    """Tell whether a word before a noun is surely a word: misspelt ones are left out."""
    if word in known.third_forms and not known.kind(word):
        return False
    return known.known(word) or "-" in word or len(word) > 2

"""Turns passages into prose: fills slots, chooses among alternatives, keeps the references right."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from services.story.grammar.discourse import OBJECT, POSSESSIVE, REFLEXIVE, SUBJECT, Discourse
from services.story.grammar.english import after_they, possessive, tidy, with_article
from services.story.grammar.entries import Spot
from services.story.grammar.template import Choice, Node, Passage, Slot, Text
from services.story.grammar.world import Person, Thing, World


@dataclass(slots=True)
class Memory:
    """What a story has used up so far; copied for every trial."""

    sentences: set[str] = field(default_factory=set)
    passages: set[str] = field(default_factory=set)
    drawn: dict[str, set[str]] = field(default_factory=dict)
    introduced: set[str] = field(default_factory=set)
    moves: set[str] = field(default_factory=set)

    def fork(self) -> Memory:
        """Return a memory for one passage; what was told stays shared."""
        drawn = {deck: set(cards) for deck, cards in self.drawn.items()}
        return Memory(self.sentences, self.passages, drawn, set(self.introduced), self.moves)

    def copy(self) -> Memory:
        """Return a memory that can go another way."""
        drawn = {deck: set(cards) for deck, cards in self.drawn.items()}
        return Memory(set(self.sentences), set(self.passages), drawn, set(self.introduced), set(self.moves))


@dataclass(frozen=True, slots=True)
class Scene:
    """Who and what a passage may speak of beside the cast: an episode's helper, place and small thing."""

    persons: Mapping[str, Person] = field(default_factory=dict)
    spots: Mapping[str, Spot] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)


_HARSH = re.compile(
    r"\b(?:dead|dying|died|death|coffins?|gallows|blood|graves?|murder|bones?|skull|whisky|rum|wine|grog|beer|ale|port|cigars?|"
    r"plague|guns?|pistols?|cartridge|drugs?|damn\w*|swore|swear\w*|hell|corpse|curse[sd]?|brandy|shot)\b",
    re.IGNORECASE,
)


def gentle(text: str) -> bool:
    """Tell whether a text may stand in a story for children."""
    return _HARSH.search(text) is None


class SlotUnknown(ValueError):
    """A passage asks for a slot that neither the world nor a deck can fill."""


class Realiser:
    """Tells passages one after another, in one chapter."""

    def __init__(self, world: World, memory: Memory) -> None:
        self._world = world
        self._memory = memory
        self._discourse = Discourse()
        self._random = Random(0)
        self._scene = Scene()

    @property
    def memory(self) -> Memory:
        """What the story has used up, as this realiser knows it."""
        return self._memory

    def fork(self) -> Realiser:
        """Return a realiser in the same state that can be thrown away."""
        other = Realiser(self._world, self._memory.fork())
        other._discourse = self._discourse.copy()
        return other

    def tell(self, passage: Passage, scene: Scene, random: Random) -> str:
        """Return the passage as prose. The discourse goes on from what was told before."""
        self._random, self._scene = random, scene
        if not passage.goes_on:
            self._discourse.paragraph()
        text = tidy("".join(self._nodes(passage.nodes)))
        self._notice(text)
        return text

    def _notice(self, text: str) -> None:
        """Remember what a passage named without a slot."""
        if self._world.thing.head.lower() in text.lower():
            self._memory.introduced.add("thing")

    def _nodes(self, nodes: Iterable[Node]) -> list[str]:
        told: list[str] = []
        for node in nodes:
            match node:
                case Text(value):
                    words = after_they(value) if told and told[-1].lower() == "they" else value
                    told.append(words)
                    self._discourse.hear(words)
                case Choice(options):
                    told.extend(self._nodes(self._random.choice(options)))
                case Slot():
                    value = self._slot(node)
                    told.append(value)
                    self._discourse.hear(value)
        return told

    def _slot(self, slot: Slot) -> str:
        person = self._scene.persons.get(slot.role) or self._world.persons.get(slot.role)
        if person is not None:
            return self._person(person, slot)
        spot = self._spot(slot.role)
        if spot is not None:
            return self._place(spot, slot.form)
        if slot.role == "thing":
            return self._thing(self._world.thing, slot.form)
        return self._word(slot)

    # Persons

    def _person(self, person: Person, slot: Slot) -> str:
        form = slot.form
        own = person.key == "friend" and form == "full"  # the passage that introduces the friend
        if form in {"", "name", "full", "o"} and not own and self._must_introduce(person):
            return self._introduce(person, slot)
        match form:
            case "":
                return self._auto(person, SUBJECT, subject=True)
            case "o":
                return self._auto(person, OBJECT, subject=False)
            case "p":
                return self._genitive(person)
            case "said" | "asked":
                return self._tag(person, slot)
            case "he" | "him" | "his" | "himself":
                return self._forced(person, form)
            case _:
                return self._fixed(person, form)

    def _auto(self, person: Person, pronouns: Mapping[str, str], *, subject: bool) -> str:
        clear = self._discourse.clear_reference(person, subject=subject)
        same_sentence = self._discourse.named_in_sentence(person)
        if clear and (same_sentence or self._random.random() < 0.85):
            self._discourse.note(person, subject=subject, plural=person.pronoun == "they")
            return pronouns[person.pronoun]
        title = self._discourse.title(person, self._random)
        self._discourse.note(person, subject=subject)
        return title

    def _genitive(self, person: Person) -> str:
        if self._discourse.clear_reference(person, subject=False):
            self._discourse.note(person, subject=False)
            return POSSESSIVE[person.pronoun]
        title = self._discourse.title(person, self._random)
        self._discourse.note(person, subject=False)
        return possessive(title)

    def _forced(self, person: Person, form: str) -> str:
        tables = {"he": SUBJECT, "him": OBJECT, "his": POSSESSIVE, "himself": REFLEXIVE}
        if form == "he":
            self._discourse.note(person, subject=True, plural=person.pronoun == "they")
        return tables[form][person.pronoun]

    def _fixed(self, person: Person, form: str) -> str:
        if form in {"full", "a"}:
            self._memory.introduced.add(person.key)
        values = {
            "name": person.short,
            "full": person.name,
            "call": person.call,
            "the": f"the {person.noun}" if person.noun else person.short,
            "a": person.intro or person.short,
            "n": person.noun or person.call,
            "habit": person.habit,
            "new": self._newcomer(person) if form == "new" else "",
        }
        if form not in values:
            raise SlotUnknown(f"persons have no form '{form}'")
        if form in {"name", "full", "the", "a", "new"}:
            self._discourse.note(person, subject=True)
        return values[form]

    def _must_introduce(self, person: Person) -> bool:
        """Tell whether the reader meets rival, elder or friend here, without a passage that introduced them."""
        known = person.key not in {"rival", "elder", "friend"} or person.key in self._memory.introduced
        return not known and not self._discourse.quoting

    def _introduce(self, person: Person, slot: Slot) -> str:
        """Say at the first mention who somebody is: "a toll lord by the name of Hask", "Gaunt, the sexton,"."""
        self._discourse.note(person, subject=slot.form != "o")
        if person.key == "friend":
            self._memory.introduced.add(person.key)
            return f"{POSSESSIVE[self._world.persons['hero'].pronoun]} friend {person.short}"
        if person.key == "rival" or not person.named:
            return self._newcomer(person)
        self._memory.introduced.add(person.key)
        told = set(person.noun.split()) & set(person.name.lower().replace("-", " ").split())
        apposed = person.noun and not told and re.match(r" [a-z]", slot.tail)
        return f"{person.name}, the {person.noun}," if apposed else person.name

    def _newcomer(self, person: Person) -> str:
        """Name somebody whom the reader may not know yet."""
        if person.key in self._memory.introduced:
            return person.short
        self._memory.introduced.add(person.key)
        if not person.named:
            return person.intro
        intro = re.split(r" (?:who|that) ", person.intro)[0]
        return f"{intro} by the name of {person.name}" if intro else person.name

    def _tag(self, person: Person, slot: Slot) -> str:
        form = slot.form
        plain = form == "said" and re.match(r",? [a-z]+ly\b", slot.tail)
        verb = "said" if plain else self._verb(form)
        clear = self._discourse.clear_reference(person, subject=True)
        if clear and self._random.random() < 0.6:
            tag = f"{SUBJECT[person.pronoun]} {verb}"
        else:
            unknown = person.key == "friend" and self._must_introduce(person)
            title = self._introduce(person, slot) if unknown else self._discourse.title(person, self._random)
            inverted = self._random.random() < 0.5 and " " not in verb
            tag = f"{verb} {title}" if inverted else f"{title} {verb}"
        self._discourse.note(person, subject=True, plural=False)
        if form == "said" and slot.tail.startswith(".") and self._random.random() < 0.15:
            tag += f", {self._draw('manner')}"
        return tag

    def _verb(self, form: str) -> str:
        if form == "asked":
            return self._random.choice(("asked", "asked", "asked", "wanted to know"))
        return "said" if self._random.random() < 0.7 else self._draw("said")

    # Things and places

    def _thing(self, thing: Thing, form: str) -> str:
        many = thing.plural
        owner = POSSESSIVE[self._world.persons["hero"].pronoun] if thing.owned else ""
        values = {
            "a": f"{owner} {thing.phrase}" if owner else thing.phrase if many else with_article(thing.phrase),
            "the": f"{owner or 'the'} {thing.phrase}",
            "n": thing.head,
            "phrase": thing.phrase,
            "it": "they" if many else "it",
            "ito": "them" if many else "it",
            "its": "their" if many else "its",
            "was": "were" if many else "was",
            "that": f"{'those' if many else 'that'} {thing.head}",
            "this": f"{'these' if many else 'this'} {thing.head}",
            "is": "are" if many else "is",
            "has": "have" if many else "has",
            "does": "do" if many else "does",
            "s": "" if many else "s",
            "one": "ones" if many else "one",
            "whole": " ".join(part for part in (owner, thing.phrase, thing.detail) if part),
        }
        if form == "":
            return self._thing_by_news(thing)
        if form not in values:
            raise SlotUnknown(f"the thing has no form '{form}'")
        if form in {"a", "the", "whole"}:
            self._memory.introduced.add("thing")
        return values[form]

    def _thing_by_news(self, thing: Thing) -> str:
        """Name the thing: with "a" when the reader meets it, with "the" afterwards."""
        if "thing" not in self._memory.introduced:
            self._memory.introduced.add("thing")
            form = "whole" if thing.owned or thing.plural else "a"
            return " ".join(
                part for part in (self._thing(thing, form), "" if form == "whole" else thing.detail) if part
            )
        return self._thing(thing, "the") if self._random.random() < 0.35 else f"the {thing.head}"

    def _spot(self, role: str) -> Spot | None:
        match role:
            case "home":
                return self._world.home
            case "far":
                return self._world.far
            case _:
                return self._scene.spots.get(role)

    def _place(self, spot: Spot, form: str) -> str:
        definite = f"the {spot.noun}" if spot.noun else spot.phrase
        phrase = spot.phrase
        if form in {"", "in"} and spot is self._world.home and "home" in self._memory.introduced:
            phrase = definite if self._random.random() < 0.4 else phrase
        self._memory.introduced.add("home" if spot is self._world.home else spot.phrase)
        values = {
            "": phrase,
            "name": spot.phrase,
            "in": f"{spot.prep} {phrase}",
            "to": f"to {phrase}",
            "from": f"from {phrase}",
            "n": spot.noun or spot.phrase.removeprefix("the "),
            "the": definite,
        }
        if form not in values:
            raise SlotUnknown(f"places have no form '{form}'")
        return values[form]

    # Words

    def _word(self, slot: Slot) -> str:
        world = self._world
        if slot.role == "was":
            return "were" if self._discourse.plural_verb else "was"
        if slot.role == "want" and not world.want:
            return "".join(self._nodes(world.plot.want.nodes))
        fixed = {
            "want": world.want,
            "mark": world.thing.mark,
            "deed": world.deed,
            "together": world.together,
            **self._scene.words,
        }
        if slot.role in fixed:
            return fixed[slot.role]
        return self._draw(slot.role)

    def _draw(self, deck: str) -> str:
        """Draw a card that the story has not used; when all are used, begin again."""
        cards = self._world.tone.decks.get(deck, ()) + self._world.genre.decks.get(deck, ())
        if not cards:
            raise SlotUnknown(f"nothing fills '{deck}' in {self._world.genre.key}/{self._world.tone.key}")
        used = self._memory.drawn.setdefault(deck, set())
        if "children" in self._world.flags:
            cards = tuple(card for card in cards if gentle(card)) or cards
        left = [card for card in cards if card not in used]
        if not left:
            used.clear()
            left = list(cards)
        card = self._random.choice(left)
        used.add(card)
        return card

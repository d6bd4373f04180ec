"""The values a story is told with: who, what and where. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.story.grammar.entries import Genre, Plot, Spot, Thread, Tone
from services.story.grammar.retelling import Retold


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the story, human or not.

    Attributes:
        key: Role in the plot ("hero", "friend", "rival", "elder", "pet", "helper", "extra1").
        name: Name in full for the first mention; "the fox" for those who go by what they are.
        short: Name for every other mention.
        noun: What they are ("lighthouse keeper"); may be empty.
        pronoun: "she", "he", "they" or "it".
        intro: Indefinite phrase that introduces them ("a lighthouse keeper who was afraid of the dark"); may be empty.
        habit: What they are seen doing, as a past-tense verb phrase; may be empty.
        call: How others address them.
        kind: "person", "animal" or "being".
    """

    key: str
    name: str
    short: str
    noun: str
    pronoun: str
    intro: str
    habit: str
    call: str
    kind: str = "person"

    @property
    def named(self) -> bool:
        """Whether they have a proper name."""
        return not self.short.startswith("the ")


@dataclass(frozen=True, slots=True)
class Thing:
    """The object the plot turns on.

    Attributes:
        phrase: Noun phrase without article ("brass compass").
        head: Its last word ("compass").
        plural: Whether it stands in the plural.
        portable: Whether a person can carry it.
        mark: By what it is known, as a noun phrase.
        detail: A relative clause about it; may be empty.
        gathers: Whether it stands for several of what the premise names ("basket of pears").
        owned: Whether `phrase` begins with the hero's relation ("father's lantern").
    """

    phrase: str
    head: str
    plural: bool
    portable: bool
    mark: str
    detail: str = ""
    owned: bool = False
    gathers: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """Everything a story's sentences may speak of.

    Attributes:
        seed: What every random choice of the story is seeded with.
        persons: The cast by role key.
        extras: Role keys of those who only come along.
        stated_roles: Keys of the rival and the elder if the request names them.
        thing: The object the plot turns on.
        home: Where it begins.
        far: Where it leads.
        deed: The premise's deed in the past tense ("found a map"); may be empty.
        told: The premise's sentences as they can be told back, without the one that the deed tells.
        want: What the hero wants, as an infinitive without "to".
        cameos: Other things, places or groups of the premise that must occur, as definite phrases.
        together: How several people of one kind are spoken of ("two robots"); empty if the hero is one of a kind.
        flags: Conditions that passages may ask for.
        stated: Words of the premise that the story must contain.
        quirk: The hero's habit.
        saying: The elder's saying.
    """

    seed: str
    genre: Genre
    tone: Tone
    plot: Plot
    persons: Mapping[str, Person]
    extras: tuple[str, ...]
    stated_roles: tuple[str, ...]
    thing: Thing
    home: Spot
    far: Spot
    deed: str
    told: tuple[Retold, ...]
    want: str
    cameos: tuple[str, ...]
    together: str
    flags: frozenset[str]
    stated: tuple[str, ...]
    quirk: Thread
    saying: Thread

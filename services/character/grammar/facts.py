"""What a description states of somebody, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.character.grammar.ages import Age
from services.character.grammar.naming import Name


@dataclass(slots=True)
class Facts:
    """Everything that was read; what is not stated is empty or None.

    Attributes:
        name: The name.
        species: "red fox"; a noun nobody knows as it stands.
        gender: "f", "m", "nb" or "none".
        pronoun: The pronoun that the description itself uses: "she", "he", "they" or "it".
        age: The age in years.
        stage: A time of life: "child", "old" …
        passed: Years that it has spent at something, so that it is older than that.
        profession: What it does all day, with its qualifier: "retired train driver".
        rank: A word for what it also is: "mother", "widow", "girl".
        people: The key of the people it is of: "japanese".
        origin: The adjective for that as it was written: "Ghanaian".
        traits: What it is like, in the order written.
        looks: Adjectives of looks: "tall", "red-haired".
        features: Looks as things had: "a wooden leg", "long red hair", "a torn coat".
        belongings: Things had: "a lute with one string".
        home: Where it lives, as it stands after "lives".
        comes: Where it comes from, as it stands after "from".
        goal: What it wants, as "to find her brother".
        fears: What it is afraid of.
        told: Whatever else is said, as it stands after the name: "once stole the moon", "is good with a bow".
        whole: Sentences that are told as they stand.
        quoted: What cannot be told otherwise than as it is written.
        spoken: Whether it was said in the first or second person, so that "they" stands for whom it is about.
    """

    name: Name | None = None
    species: str = ""
    gender: str = ""
    pronoun: str = ""
    age: Age | None = None
    stage: str = ""
    passed: int = 0
    profession: str = ""
    rank: str = ""
    people: str = ""
    origin: str = ""
    traits: list[str] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    belongings: list[str] = field(default_factory=list)
    home: str = ""
    comes: str = ""
    goal: str = ""
    fears: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)
    quoted: list[str] = field(default_factory=list)
    spoken: bool = False

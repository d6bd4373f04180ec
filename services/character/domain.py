"""What a character is asked for and made of: plain values, no behaviour, no protobuf."""

from __future__ import annotations

from dataclasses import dataclass

MOST_YEARS = 100_000
"""The greatest age that there may be: dragons and stars grow old."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What a picture tells of a character.

    Attributes:
        physical_description: How who is seen looks, in sentences; what nobody could see is left out.
        visual_style: How the picture is made: light, colours, manner.
    """

    physical_description: str
    visual_style: str


@dataclass(frozen=True, slots=True)
class Wish:
    """Everything that is known of a character before it is made up. At least one of `description` and `looks` is there.

    Attributes:
        description: Who it is, in the user's words: "a brave knight of forty, afraid of geese".
        style: Hints for manner and mood in free words ("noir", "watercolour, for children"); may be empty.
        language: BCP 47 tag of the language in which it is to be written.
        seed: Makes all choices repeatable.
        looks: What a picture of it tells; None where there was no picture.
    """

    description: str = ""
    style: str = ""
    language: str = "en"
    seed: int = 0
    looks: Looks | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """Who a character is. What the wish says is taken up; the rest is made up to go with it.

    Attributes:
        first_name: The name it is called by; never empty.
        last_name: Family name or byname; empty for who has none.
        age: In years, 0 to `MOST_YEARS`.
        gender: In a word: "woman", "man", "girl", "boy", "nonbinary", "female", "male", "none".
        species: In a word or two: "human", "dragon", "red fox".
        profession: What it does all day: "lighthouse keeper", "pupil"; never empty.
        home: Where it lives, as it stands after "lives": "in a lighthouse at the edge of the map".
        physical_description: How it looks, in one to three sentences.
        visual_style: How it would be drawn, in a few words; what the style hints or the picture say goes first.
        personality: What it is like, in one to three sentences.
        traits: The same in two to six single words: "brave", "stubborn".
        strength: What it does better than others, as it stands after a colon; the same for all below.
        flaw: What gets it into trouble.
        goal: What it wants.
        fear: What it is afraid of.
        habit: What one knows it by.
        treasure: A thing that it would not give away.
    """

    first_name: str
    last_name: str
    age: int
    gender: str
    species: str
    profession: str
    home: str
    physical_description: str
    visual_style: str
    personality: str
    traits: tuple[str, ...]
    strength: str
    flaw: str
    goal: str
    fear: str
    habit: str
    treasure: str

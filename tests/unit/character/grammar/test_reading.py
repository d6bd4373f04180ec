from __future__ import annotations

import random
import string

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.character.domain import Wish
from services.character.grammar.ages import find_age, value
from services.character.grammar.history import tell
from services.character.grammar.naming import find_name
from services.character.grammar.reading import read
from services.character.grammar.sheet import make
from services.character.grammar.table import read_table
from tests.unit.character.grammar.measure import invalid

WORDS = [
    *read_table("words").words("function"),
    *'.,;:-()"\n@', "{they}", "[a|b]", "half-", "'s", "40", "99999999999", "Sir", "Mina", "years", "old", "named",
    "name:", "age:", "species:", "dragon", "hundred", "thousand", "retired", "afraid", "lives",
]  # fmt: skip


@pytest.mark.parametrize(
    ("description", "low", "high"),
    [
        ("a man of fifty-two", 52, 52),
        ("in her late twenties", 27, 29),
        ("a 300-year-old oak", 300, 300),
        ("aged three hundred", 300, 300),
        ("a 1,200 years old spirit", 1200, 1200),
        ("two centuries old", 200, 200),
        ("Ana (19) paints", 19, 19),
        ("Bo, nearly 40, sings", 39, 39),
        ("six months old", 0, 0),
        ("thirty-something", 31, 38),
        ("a girl of twelve raised by wolves", 12, 12),
        ("a man of some fifty years, proud", 50, 50),
        ("a robot, activated seven years ago", 7, 7),
    ],
)
def test_ages_are_read_in_figures_and_words(description: str, low: int, high: int) -> None:
    """However an age is written, it is a number of years or a span of them."""
    age = find_age(description)

    assert age is not None
    assert (low, high) == (age.low, age.high)


@pytest.mark.parametrize(
    "description",
    [
        "worked for 30 years at sea",
        "lost a leg at 30",
        "born in 1911",
        "a mother of three",
        "the one who left",
        "a hat",
    ],
)
def test_numbers_that_are_no_age_are_left_alone(description: str) -> None:
    """Years of service, of the calendar, and children are not years of life."""
    assert find_age(description) is None


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("a hundred and twenty", 120),
        ("two thousand", 2000),
        ("three score", 60),
        ("half a million", 100_000),
        ("12", 12),
    ],
)
def test_numbers_are_read(written: str, number: int) -> None:
    """Numbers end at the greatest age there is."""
    assert number == value(written)


@pytest.mark.parametrize(
    ("description", "first", "last"),
    [
        ("Sir Elwin of Harrow", "Elwin", "of Harrow"),
        ("a girl called Mina Okafor", "Mina", "Okafor"),
        ("an old robot named Rust", "Rust", ""),
        ("an elf named lira who sings", "Lira", ""),
        ("Ludwig van Dorn, 40, cooper", "Ludwig", "van Dorn"),
        ("He mends clocks. His name is Ivo Quist.", "Ivo", "Quist"),
        ('Rosalind "Roz" Carter is a pilot', "Rosalind", "Carter"),
        ("Mateo's little sister Lucia wants a dog", "Lucia", ""),
        ("a boxer called knuckles, real name Leroy Banks", "Leroy", "Banks"),
        ("a crow named Seven that can count", "Seven", ""),
        ("Hakim al-Rashid is an astronomer", "Hakim", "al-Rashid"),
        ("two brothers; the character is Pavel, a smuggler", "Pavel", ""),
        ("a golem. The rabbi who made it called it Yossel", "Yossel", ""),
    ],
)
def test_names_are_found(description: str, first: str, last: str) -> None:
    """Titles are no names, particles belong to them, and nicknames stand apart."""
    name = find_name(description)

    assert name is not None
    assert (first, last) == (name.first, name.last)


@pytest.mark.parametrize(
    "description",
    [
        "a shepherd with a dog named Bess",
        "Ancient golem",
        "a Japanese samurai from Kyoto",
        "a princess. Her dragon is called Smoke.",
    ],
)
def test_the_names_of_others_are_not_taken(description: str) -> None:
    """A dog's name, a city and a people are not the hero's name."""
    assert find_name(description) is None


@pytest.mark.parametrize(
    ("description", "species", "profession"),
    [
        ("a kelpie", "kelpie", ""),
        ("a snorgle", "snorgle", ""),
        ("a dragon hunter", "", "dragon hunter"),
        ("a fox detective", "fox", "detective"),
        ("a girl who loves dragons, cats and mice", "", ""),
        ("a vixen", "fox", ""),
        ("a spongemonger", "", "spongemonger"),
        ("a retired elven train driver", "elf", "retired train driver"),
        ("a shepherd with two dogs", "", "shepherd"),
    ],
)
def test_what_somebody_is_and_does_is_told_apart(description: str, species: str, profession: str) -> None:
    """Known and unknown nouns become species or profession, and what somebody loves or hunts does not."""
    facts = read(description)

    assert (species, profession) == (facts.species, facts.profession)


@pytest.mark.parametrize(
    ("description", "told"),
    [
        ("She's about three hundred but looks twenty", ["looks twenty"]),
        ("a thief: at night she robs banks", ["robs banks at night"]),
        ("a tortoise who has been the judge since spring", ["has been the judge since spring"]),
        ("a nurse, divorced", ["is divorced"]),
    ],
)
def test_what_is_left_of_a_sentence_still_is_one(description: str, told: list[str]) -> None:
    """Where an age, a time or a state is taken out, the rest is told in whole clauses."""
    assert told == read(description).told


def test_years_of_service_make_somebody_older_and_a_nickname_is_no_second_name() -> None:
    """Who drove a bus for forty years is no youth; what friends say stands beside the name."""
    driver = make(Wish(description="Kwame drove a bus for forty years"))
    facts = read("a minotaur, his name's Asterion but friends call him Terry")

    katya = read("Ekaterina 'Katya' Morozova, chess prodigy").name

    assert katya is not None
    assert ("Ekaterina", "Morozova", "Katya") == (katya.first, katya.last, katya.nick)
    assert driver.age >= 58
    assert "retired bus driver" == driver.profession
    assert facts.name is not None
    assert ("Asterion", "Terry", []) == (facts.name.first, facts.name.nick, facts.told)


def test_everything_said_of_somebody_is_taken_up() -> None:
    """Looks, belongings, home, fear and goal each find their place."""
    facts = read(
        "a brave but lazy halfling cook with a wooden leg and a copper pan, afraid of geese, who lives in "
        "a barge on the "
        "Marrow and wants to win the great pie contest"
    )

    assert ["brave", "lazy"] == facts.traits
    assert ["a wooden leg"] == facts.features
    assert ["a copper pan"] == facts.belongings
    assert ["geese"] == facts.fears
    assert "in a barge on the Marrow" == facts.home
    assert "to win the great pie contest" == facts.goal


@pytest.mark.parametrize(
    ("description", "gender"),
    [
        ("a waitress", "f"),
        ("a widower", "m"),
        ("non-binary dragon", "nb"),
        ("a genderless robot", "none"),
        ("a nurse. He sings.", "m"),
        ("sam, they/them, 22", "nb"),
        ("King Otto", "m"),
        ("a fox who lost her tail", "f"),
        ("34F, pilot", "f"),
        ("a thief", ""),
    ],
)
def test_gender_is_read_from_whatever_states_it(description: str, gender: str) -> None:
    """Words, titles, pronouns and kinship tell; where nothing does, nothing is guessed."""
    assert gender == read(description).gender


def _character(description: str, seed: int = 0) -> None:
    wish = Wish(description=description, seed=seed)
    details = make(wish)
    history = tell(wish, details)

    assert details.first_name.strip()
    assert 150 <= len(history.split()) <= 360
    assert 0 <= details.age <= 100_000


@given(st.text(min_size=1, max_size=2000).filter(lambda text: text.strip() != ""))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_text_makes_a_character(description: str) -> None:
    """Whatever is written, somebody comes of it."""
    _character(description)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_jumble_of_its_own_words_makes_a_character(words: list[str]) -> None:
    """The words that the reading goes by, in any order and number, confuse nothing."""
    _character((" ".join(words)[:2000]).strip() or "x")


@pytest.mark.parametrize(
    "unit",
    ["a ", "half-half ", "one hundred ", "Sir ", "and and ", "(((((", "named named ", "-", "x's ", "who who ", "of 3 "],
)
def test_a_long_repetition_does_not_hang(unit: str) -> None:
    """Two thousand characters of the same are read as fast as any."""
    _character((unit * 2000)[:2000])


def test_junk_of_printable_characters_makes_valid_sheets() -> None:
    """Brackets, slots and signs in a description never get into a sheet's single words."""
    chance = random.Random(5)
    for seed in range(40):
        text = "".join(chance.choice(string.printable) for _ in range(300)).strip() or "x"
        details = make(Wish(description=text, seed=seed))
        assert not {"gender", "age", "traits"} & set(invalid(details))

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.errors import ModelCrashed, ModelOutputInvalid
from services.character.bounds import LONGEST, LONGEST_TRAIT, MOST_TRAITS, NEVER_EMPTY
from services.character.domain import MOST_YEARS, Looks, Wish
from services.character.prompt_files import rendered
from services.character.prompted import MAY_BE_EMPTY, PROMPTS, TRIES, PromptedMaker, _conversation, _schema
from services.character.texts import says_something
from tests.unit.character.samples import DETAILS, LOOKS

MINIMAL = Wish("a knight")
FULL = Wish("a knight of forty, afraid of geese", "noir", "de", 7, Looks("A dented helmet.", "charcoal"))
PICTURE_ONLY = Wish(looks=replace(LOOKS, visual_style=""))


@dataclass
class Answers:
    """Gives the answers it was handed, one after the other; an error among them is raised. Implements `TextModel`."""

    answers: list[Any]
    name: str = "answers"
    continues: bool = True
    asked: list[tuple[Sequence[Message], Sampling, JsonSchema | None, str]] = field(default_factory=list)

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, schema: JsonSchema | None = None, prefix: str = ""
    ) -> AsyncGenerator[str, None]:
        """Answer."""
        self.asked.append((messages, sampling, schema, prefix))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        text = answer if isinstance(answer, str) else json.dumps(answer)
        for start in range(0, len(text), 5):
            yield text[start : start + 5]

    async def close(self) -> None:
        """Hold nothing."""


def answer(**fields: Any) -> dict[str, Any]:
    """Return details as a model gives them."""
    return {**json.loads(json.dumps(asdict(DETAILS))), **fields}


def prompt(name: str, wish: Wish = FULL, **values: Any) -> tuple[str, str]:
    """Return the two turns of a conversation."""
    system, user = _conversation(name, wish, **values)
    assert ("system", "user") == (system.role, user.role)
    return system.content, user.content


def history_prompt(wish: Wish = FULL, **values: Any) -> str:
    """Return what is asked for a history."""
    return prompt("history", wish, **{"details": DETAILS, "words": 180, **values})[1]


def test_every_prompt_is_loaded_and_compiled() -> None:
    """A fault in one shows before any work is done."""
    PromptedMaker(Answers([])).load()

    assert set(PROMPTS) == {"details", "history", "repair", "system"}


@pytest.mark.parametrize("wish", [MINIMAL, FULL, PICTURE_ONLY, Wish("a knight", looks=LOOKS)])
def test_every_prompt_renders(wish: Wish) -> None:
    """For the least and the most that can be asked for, with every value it names; no blank lines pile up."""
    texts = [*prompt("details", wish), history_prompt(wish), history_prompt(wish, details=replace(DETAILS, home=""))]

    for text in texts:
        assert text == text.strip()
        assert "{" not in text
        assert "None" not in text
        assert "\n\n\n" not in text


def test_a_value_that_a_prompt_lacks_is_an_error() -> None:
    """Nothing is silently left blank."""
    with pytest.raises(UndefinedError):
        prompt("history", MINIMAL)


def test_the_wish_is_told_in_full() -> None:
    """All that the user asked for, and what the picture tells, for both answers."""
    for system, user in (prompt("details"), (prompt("details")[0], history_prompt())):
        assert "tag de" in system
        assert "noir" in system
        for wanted in ("a knight of forty, afraid of geese", "A dented helmet.", "charcoal"):
            assert wanted in user


def test_what_was_not_asked_for_is_not_mentioned() -> None:
    """A minimal wish has no empty headings."""
    system, user = prompt("details", MINIMAL)
    _, of_picture = prompt("details", PICTURE_ONLY)

    assert "mood" not in system
    assert "picture" not in user
    assert "<wish>" not in of_picture
    assert "made like this" not in of_picture


def test_the_history_is_told_who_it_is() -> None:
    """Every detail, and how long it is to be; one that is empty is left out."""
    text = history_prompt()

    for name, value in asdict(DETAILS).items():
        if name not in {"traits", "visual_style"}:
            assert str(value) in text
    assert "about 180 words" in text
    assert "Lives" not in history_prompt(details=replace(DETAILS, home=""))


@given(
    st.sampled_from(["{{ 7 * 7 }}", "{% raw %}", "{{ wish.__class__ }}", "{# gone #}", "<b>&amp;</b>"]),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(says_something),
)
def test_what_users_write_is_text_and_never_a_template(code: str, text: str) -> None:
    """It reaches the model as it is, and nothing in it is carried out."""
    hostile = f"{text} {code}"
    wish = Wish(hostile, hostile, looks=Looks(hostile, hostile))
    system, user = prompt("details", wish)

    assert (1, 3) == (system.count(hostile), user.count(hostile))
    assert hostile in rendered("repair", problems=[hostile])


async def test_details_are_what_the_model_answers() -> None:
    """White space put right; the answer was held to a schema that it fits."""
    model = Answers([answer(first_name=" Mara\n", home=" in a\x07 house", traits=["calm", " "], age=41.0)])

    details = await PromptedMaker(model).details(FULL)

    assert replace(DETAILS, home="in a house", traits=("calm",)) == details
    schema: Any = model.asked[0][2]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(answer(), schema)
    assert list(asdict(DETAILS)) == list(schema["properties"]) == schema["required"]


def test_the_schema_lets_nothing_pass_that_is_beyond_the_bounds() -> None:
    """Else a model that keeps to it would be asked again and again."""
    properties: Any = _schema()["properties"]

    for name, longest in LONGEST.items():
        assert properties[name]["maxLength"] <= longest
        assert properties[name]["minLength"] == (name not in MAY_BE_EMPTY)
    assert MAY_BE_EMPTY.isdisjoint(NEVER_EMPTY)
    assert (0, MOST_YEARS) == (properties["age"]["minimum"], properties["age"]["maximum"])
    assert properties["traits"]["maxItems"] <= MOST_TRAITS
    assert properties["traits"]["items"]["maxLength"] <= LONGEST_TRAIT


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("no JSON", "not the JSON object"),
        ('{"first_name": ', "not the JSON object"),
        ([], "not the JSON object"),
        ({"first_name": "Ann"}, "not the JSON object"),
        (answer(age=True), "not the JSON object"),
        (answer(age=1.5), "not the JSON object"),
        (answer(gender=7), "not the JSON object"),
        (answer(first_name=" \n"), "first_name must not be empty"),
        (answer(first_name="\ud800"), "first_name must not be empty"),
        (answer(age=-1), "age must be from 0"),
        (answer(home="x" * (LONGEST["home"] + 1)), "home has 201 characters"),
        (answer(traits=["x" * 61]), "each trait must have"),
        (answer(traits=["x"] * 13), "13 traits"),
    ],
)
async def test_an_answer_that_cannot_be_used_is_mended(bad: Any, said: str) -> None:
    """The model is shown its answer, and told what is wrong with it."""
    model = Answers([bad, answer()])

    assert DETAILS == await PromptedMaker(model).details(MINIMAL)

    first, second = (messages for messages, *_ in model.asked)
    assert ["system", "user", "assistant", "user"] == [message.role for message in second]
    assert list(first) == list(second[:2])
    assert (bad if isinstance(bad, str) else json.dumps(bad)) == second[2].content
    assert said in second[3].content
    assert 2 == len({sampling.seed for _, sampling, *_ in model.asked})


async def test_an_answer_that_broke_off_is_asked_for_again() -> None:
    """There is nothing to mend in it: the question is the same, with another seed."""
    model = Answers([ModelOutputInvalid("it ended too early"), answer()])

    assert DETAILS == await PromptedMaker(model).details(MINIMAL)

    assert model.asked[0][0] == model.asked[1][0]
    assert 2 == len({sampling.seed for _, sampling, *_ in model.asked})


@pytest.mark.parametrize(
    ("bad", "said"), [("no JSON", "not the JSON object"), (ModelOutputInvalid("it ended too early"), "ended too early")]
)
async def test_repairs_are_bounded(bad: Any, said: str) -> None:
    """Then it is the stage's failure, and says why. No conversation grows beyond one repair."""
    model = Answers([bad] * TRIES)

    with pytest.raises(ModelOutputInvalid, match=said):
        await PromptedMaker(model).details(MINIMAL)

    assert [] == model.answers
    assert all(len(messages) <= 4 for messages, *_ in model.asked)


async def test_a_model_that_dies_is_not_asked_again() -> None:
    """Whether that may help, the stage decides."""
    model = Answers([ModelCrashed("it died"), answer()])

    with pytest.raises(ModelCrashed):
        await PromptedMaker(model).details(MINIMAL)
    assert 1 == len(model.asked)


async def test_a_history_is_streamed() -> None:
    """Piece by piece, going on from what is written."""
    model = Answers(["Mara rowed."])

    pieces = [piece async for piece in PromptedMaker(model).history(FULL, DETAILS, written="Once ")]

    assert ["Mara ", "rowed", "."] == pieces
    _, sampling, schema, prefix = model.asked[0]
    assert ("Once ", None, 600) == (prefix, schema, sampling.max_tokens)


async def test_every_answer_has_a_seed_of_its_own_and_each_time_the_same() -> None:
    """So a character can be repeated."""

    async def seeds(wish: Wish) -> list[int | None]:
        model = Answers([answer(), "Once."])
        await PromptedMaker(model).details(wish)
        assert [piece async for piece in PromptedMaker(model).history(wish, DETAILS)]
        return [sampling.seed for _, sampling, *_ in model.asked]

    first = await seeds(FULL)

    assert first == await seeds(FULL)
    assert 4 == len({*first, *await seeds(MINIMAL)})


def test_the_maker_is_named_by_its_model() -> None:
    """And continues if that can."""
    assert ("answers", True) == (PromptedMaker(Answers([])).name, PromptedMaker(Answers([])).continues)
    assert not PromptedMaker(Answers([], continues=False)).continues

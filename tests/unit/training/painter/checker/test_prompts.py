import random

from training.painter.captions import write_caption
from training.painter.checker.prompts import write_prompts
from training.painter.scene import SUBJECTS, draw_scene


def test_every_subject_is_asked_equally_often() -> None:
    """No subject is spared."""
    asked = [prompt.wanted["subject"] for prompt in write_prompts(90)]

    assert dict.fromkeys(SUBJECTS, 10) == {subject: asked.count(subject) for subject in SUBJECTS}


def test_prompts_want_all_that_they_say() -> None:
    """Portraits want folk and hair as well."""
    for prompt in write_prompts(200):
        extra = {"folk", "hair"} if prompt.wanted["subject"] == "portrait" else set()
        assert {"subject", "colour", "setting", "time"} | extra == set(prompt.wanted)


def test_wordings_are_not_those_of_the_training() -> None:
    """No caption of many is one of the prompts."""
    lot = random.Random(2)
    captions = {write_caption(draw_scene(lot), lot).text.lower().rstrip(".") for _ in range(5000)}

    assert not captions & {prompt.text.lower() for prompt in write_prompts(200)}


def test_same_seed_writes_the_same_prompts() -> None:
    """A measurement can be repeated."""
    assert write_prompts(20, seed=3) == write_prompts(20, seed=3)
    assert write_prompts(20, seed=3) != write_prompts(20, seed=4)

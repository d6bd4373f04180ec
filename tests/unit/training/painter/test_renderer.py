import itertools
import random
from dataclasses import replace

import numpy as np
import pytest

from training.painter.palette import COLOURS
from training.painter.renderer import render
from training.painter.scene import PORTRAIT, SETTINGS, SUBJECTS, TIMES, Person, Scene, draw_person, draw_scene

PERSON = Person(folk="elf", gender="woman", hair="silver", length="long", skin="light", eyes="green", beard=False)


def scene(
    subject: str = "castle", colour: str = "red", setting: str = "hill", time: str = "day", seed: int = 1
) -> Scene:
    """Return a scene that differs from a red castle on a hill by day in what is named."""
    return Scene(subject, colour, setting, time, PERSON if subject == PORTRAIT else None, seed)


def test_same_scene_gives_the_same_bytes() -> None:
    """A scene holds everything its picture depends on."""
    lot = random.Random(4)
    for drawn in (draw_scene(lot) for _ in range(20)):
        assert render(drawn).tobytes() == render(drawn).tobytes()


def test_seed_moves_things_a_little() -> None:
    """Two seeds give two pictures of the same scene, alike but not the same."""
    first, second = (np.asarray(render(scene(seed=seed))).astype(int) for seed in (1, 2))

    assert 0 < np.abs(first - second).mean() < 40


@pytest.mark.parametrize(("subject", "setting", "time"), list(itertools.product(SUBJECTS, SETTINGS, TIMES)))
def test_every_scene_can_be_drawn(subject: str, setting: str, time: str) -> None:
    """Every subject fits every setting at every time of day."""
    picture = render(scene(subject, setting=setting, time=time))

    assert ("RGB", (128, 128)) == (picture.mode, picture.size)


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(SETTINGS, 2)))
def test_settings_differ_in_large_areas(first: str, second: str, time: str) -> None:
    """Settings can be told apart at a glance, at night too."""
    pictures = [np.asarray(render(scene(setting=setting, time=time))).astype(int) for setting in (first, second)]
    differing = np.abs(pictures[0] - pictures[1]).sum(axis=2) > 40

    assert differing.mean() > 0.12


@pytest.mark.parametrize("subject", SUBJECTS)
@pytest.mark.parametrize("time", TIMES)
def test_colours_show_on_large_areas(subject: str, time: str) -> None:
    """A thing's colour, or that of a portrait's clothes, is seen on a good part of the picture."""
    pictures = [np.asarray(render(scene(subject, colour, time=time))).astype(int) for colour in COLOURS]
    differing = np.abs(pictures[0] - pictures[5]).sum(axis=2) > 60

    assert differing.mean() > 0.05


def test_people_hang_together() -> None:
    """Orcs are green, nobody else is, and elves have no beards."""
    lot = random.Random(8)
    people = [draw_person(lot) for _ in range(500)]

    assert all((person.folk == "orc") == (person.skin == "green") for person in people)
    assert not any(person.beard and (person.folk == "elf" or person.gender == "woman") for person in people)


def test_portraits_differ_by_person() -> None:
    """Folk and hair are seen in a portrait."""
    base = scene(PORTRAIT)
    others = [replace(PERSON, folk="orc", skin="green"), replace(PERSON, hair="black"), replace(PERSON, length="short")]
    ours = np.asarray(render(base)).astype(int)
    for person in others:
        theirs = np.asarray(render(replace(base, person=person))).astype(int)
        assert (np.abs(ours - theirs).sum(axis=2) > 40).mean() > 0.03

import random

from training.painter import words
from training.painter.captions import made_up_name, tidy, write_caption, write_nothing
from training.painter.scene import PORTRAIT, draw_scene


def captions(count: int = 2000) -> list[tuple[str, dict[str, str], str]]:
    """Return texts, what they tell, and their subjects."""
    lot = random.Random(6)
    drawn = (draw_scene(lot) for _ in range(count))
    return [(caption.text, caption.told, scene.subject) for scene in drawn for caption in [write_caption(scene, lot)]]


def test_captions_tell_what_the_scene_shows() -> None:
    """What a caption claims is what the scene holds."""
    lot = random.Random(3)
    for _ in range(500):
        scene = draw_scene(lot)
        told = write_caption(scene, lot).told
        shown = {"subject": scene.subject, "colour": scene.colour, "setting": scene.setting, "time": scene.time}
        if scene.person is not None:
            shown |= {"folk": scene.person.folk, "hair": scene.person.hair, "skin": scene.person.skin}
        assert {name: told[name] for name in told if name in shown} == {
            name: shown[name] for name in told if name in shown
        }


def test_told_attributes_stand_in_the_text() -> None:
    """A told place or time has one of its words in the caption."""
    for text, told, _ in captions():
        if "setting" in told:
            forms = words.PLACES[told["setting"]] + words.PLACE_NAMES[told["setting"]]
            assert any(form in text for form in forms), text
        if "time" in told:
            forms = words.MOMENTS[told["time"]] + words.MOMENT_NAMES[told["time"]]
            assert any(form in text for form in forms), text


def test_some_captions_leave_attributes_out() -> None:
    """Prompts that name no time, no place or no colour are met in training, too."""
    told = [told for _, told, subject in captions() if subject != PORTRAIT]

    assert all(
        0.03 < sum(name not in each for each in told) / len(told) < 0.4 for name in ("colour", "setting", "time")
    )


def test_captions_are_clean() -> None:
    """Empty phrases leave no doubled commas or spaces."""
    assert not [
        text for text, _, _ in captions() if "  " in text or ",," in text or ", ," in text or "{" in text or not text
    ]


def test_tidy_mends_what_empty_phrases_leave() -> None:
    """Spaces, commas, lost prepositions and the article before a vowel are mended."""
    assert tidy("a  orange   castle in , ,  at") == "an orange castle"


def test_words_without_meaning_tell_nothing() -> None:
    """Words of style and quality claim no attribute."""
    assert not write_nothing(random.Random(1)).told


def test_made_up_names_differ() -> None:
    """Names that no list knows are many."""
    lot = random.Random(1)

    assert len({made_up_name(lot) for _ in range(200)}) > 150

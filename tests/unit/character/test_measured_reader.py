from __future__ import annotations

import pytest
from PIL import Image, ImageDraw

from fabula.errors import InvalidRequest
from fabula.pictures import clean
from services.character.measured_reader import MeasuredReader
from services.character.reader import Analysis, PictureReader
from tests.unit.backends.pictures import encoded


def picture() -> bytes:
    """Draw a chestnut brown shape with a cream one on it before a pale blue ground, as an upload is cleaned."""
    image = Image.new("RGB", (600, 800), "#bedaf0")
    draw = ImageDraw.Draw(image)
    draw.ellipse((180, 200, 420, 680), fill="#8a4a2a")
    draw.ellipse((240, 420, 360, 640), fill="#fbf1d3")
    return clean(encoded(image)).data


async def test_an_analysis_says_what_was_measured_and_what_a_model_would_add() -> None:
    """Piece by piece, and as one text; the setting that names a model is named."""
    reader: PictureReader = MeasuredReader()
    analysis = await reader.analyse(picture())
    facts = dict(analysis.facts)

    assert ("looker/1", "looker/1") == (reader.name, analysis.reader)
    assert facts["colours"].startswith("It is mostly pale blue, with some chestnut brown")
    assert " ".join(facts.values()) == analysis.text
    assert "FABULA_VISION_MODEL" in analysis.lacks


async def test_a_description_speaks_of_the_main_area_alone() -> None:
    """Its colours and place; the ground's colour is not the character's."""
    reader = MeasuredReader()
    looks = await reader.extract(picture(), await reader.analyse(picture()))

    assert (
        "In the picture, what stands out in the middle is mostly chestnut brown, with about a quarter cream."
        == looks.physical_description
    )
    assert (
        "flat areas of few colours, muted cool colours (pale blue and chestnut brown), bright, strong contrast, "
        "sharp edges" == looks.visual_style
    )


async def test_what_cannot_be_read_is_refused() -> None:
    """By both."""
    reader = MeasuredReader()
    with pytest.raises(InvalidRequest, match="give another one"):
        await reader.analyse(b"no picture")
    with pytest.raises(InvalidRequest, match="give another one"):
        await reader.extract(b"no picture", Analysis("looker/1", "", ()))

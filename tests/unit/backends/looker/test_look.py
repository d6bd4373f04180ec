from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from fabula.backends.looker import LAYOUT, look
from fabula.backends.looker.names import _EXAMPLES
from fabula.errors import InvalidRequest
from tests.unit.backends.pictures import encoded, plain

NAVY, CREAM, SKY, GREEN, CHESTNUT = "#121c45", "#fbf1d3", "#6bb6ee", "#2f9a3e", "#8a4a2a"


def facts(image: Image.Image, kind: str = "PNG") -> dict[str, str]:
    """Return what is found in a picture."""
    return dict(look(encoded(image, kind)).facts)


def bands(*colours: str, side: int = 600) -> Image.Image:
    """Draw upright bands of the same width."""
    image = Image.new("RGB", (side, side))
    draw, width = ImageDraw.Draw(image), side / len(colours)
    for number, colour in enumerate(colours):
        draw.rectangle((round(number * width), 0, round((number + 1) * width), side), fill=colour)
    return image


def disc(across: float = 0.5, down: float = 0.5, width: int = 640, height: int = 640) -> Image.Image:
    """Draw a chestnut brown disc with a cream one on it, on a ground of sky blue."""
    image = Image.new("RGB", (width, height), SKY)
    draw, x, y = ImageDraw.Draw(image), across * width, down * height
    for radius, colour in ((0.18 * height, CHESTNUT), (0.07 * height, CREAM)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image


def shaded(grain: float = 0.0) -> Image.Image:
    """Return a picture of many tones: waves of three colours, and noise over them."""
    x, y = np.meshgrid(np.linspace(0, 9, 512), np.linspace(0, 7, 512))
    waves = np.stack([np.sin(x + y), np.sin(1.3 * y - x), np.cos(0.7 * x * y / 3)], axis=-1)
    noise = np.random.default_rng(1).normal(0, grain, waves.shape) if grain else 0
    return Image.fromarray(np.clip(128 + 90 * waves + noise, 0, 255).astype(np.uint8))


def test_every_named_colour_is_called_by_its_name() -> None:
    """A picture of one colour is all of that."""
    for name, code in _EXAMPLES.items():
        assert f"It is all {name}." == facts(Image.new("RGB", (9, 9), f"#{code:06x}"))["colours"]


@pytest.mark.parametrize(
    ("colours", "words"),
    [
        ((NAVY, CREAM), "It is about half cream and about half navy blue. Two colours cover nearly all of it."),
        ((NAVY, NAVY, CREAM), "It is mostly navy blue, with about a third cream. Two colours cover nearly all of it."),
        ((NAVY,) * 9 + (CREAM,), "It is mostly navy blue, with some cream. Two colours cover nearly all of it."),
        ((NAVY,) * 23 + (CREAM,), "It is mostly navy blue, with touches of cream."),
        (
            (SKY, GREEN, CHESTNUT, CREAM),
            (
                "It is about a quarter cream, about a quarter chestnut brown, about a quarter green and about a "
                "quarter sky blue. Four colours cover nearly all of it."
            ),
        ),
    ],
)
def test_parts_are_told_in_words(colours: tuple[str, ...], words: str) -> None:
    """As large as they are drawn."""
    assert words == facts(bands(*colours, side=768))["colours"]


def test_thirds_of_one_colour_are_bands() -> None:
    """Upright and lying ones; what is of one colour altogether has none."""
    upright, lying = bands(SKY, SKY, GREEN), bands(SKY, CREAM, GREEN).transpose(Image.Transpose.ROTATE_270)

    assert (
        "The left third is sky blue, the middle third is sky blue and the right third is green."
        == facts(upright)["bands"]
    )
    assert (
        "The upper third is sky blue, the middle third is cream and the lower third is green." == facts(lying)["bands"]
    )
    assert "bands" not in facts(bands(SKY))


@pytest.mark.parametrize(
    ("across", "down", "place"),
    [
        (0.5, 0.5, "in the middle"),
        (0.2, 0.2, "at the upper left"),
        (0.8, 0.2, "at the upper right"),
        (0.2, 0.8, "at the lower left"),
        (0.8, 0.8, "at the lower right"),
        (0.5, 0.2, "at the top"),
        (0.5, 0.8, "at the bottom"),
        (0.2, 0.5, "at the left"),
        (0.8, 0.5, "at the right"),
    ],
)
def test_what_stands_out_is_found_with_its_colours_and_its_ground(across: float, down: float, place: str) -> None:
    """The cream disc within the brown one belongs to it, and the ground is none of theirs."""
    found = look(encoded(disc(across, down)))

    assert (
        f"One area stands out {place}, about a tenth of the picture: it is mostly chestnut brown, with some cream, "
        "and it is darker and more varied than what is around it. The ground is nearly all sky blue."
        == dict(found.facts)["main area"]
    )
    assert f"In the picture, what stands out {place} is mostly chestnut brown, with some cream." == found.subject


def test_no_main_area_is_claimed_where_there_is_none() -> None:
    """Not in one colour, not in bands, not in noise; then the middle is described."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8))
    for image in (bands(SKY), bands(SKY, GREEN), bands(SKY, CREAM, GREEN), noise, shaded()):
        assert "No single area stands out against a ground." == facts(image)["main area"]

    assert "The middle of the picture shows cream." == look(encoded(bands(SKY, CREAM, GREEN))).subject


def test_brightness_contrast_and_key_are_told() -> None:
    """From lightness alone."""
    assert (
        "It is very bright, in high key: even its darkest parts are light; there is hardly any contrast."
        == (facts(bands("white", "#f0f0f0"))["light"])
    )
    assert (
        "It is very dark, in low key: even its lightest parts are dark; there is hardly any contrast."
        == (facts(bands("black", "#101010"))["light"])
    )
    assert "It is of middle brightness; the contrast is very strong." == facts(bands("black", "white"))["light"]


def test_where_the_light_lies_is_told_as_far_as_it_lies_anywhere() -> None:
    """One field or a whole side; nothing of a picture of one lightness."""
    corner = Image.new("RGB", (600, 600), "#333333")
    ImageDraw.Draw(corner).rectangle((0, 0, 200, 200), fill="white")

    assert "It is lightest at the upper left." == facts(corner)["fall of light"]
    assert (
        "It is lightest at the right and darkest at the left."
        == (facts(bands("black", "grey", "white"))["fall of light"])
    )
    assert "fall of light" not in facts(bands("grey"))


@pytest.mark.parametrize(
    ("colours", "words"),
    [
        (("#dd2222", "#f68b1f"), "Warm colours prevail; on the whole the colours are vivid."),
        (("#2148cf", "#147e7c"), "Cool colours prevail; on the whole the colours are vivid."),
        (("#dd2222", "#2148cf"), "Warm and cool colours hold the balance; on the whole the colours are vivid."),
        (("#b8a9a0", "#c0b4a8"), "Warm colours prevail; on the whole the colours are nearly grey."),
        (("#555555", "#dadada"), "It has no colour but shades of grey."),
        (("#3a2c1a", "#8a6f4a", "#e8d8b8"), "All its colours are shades of one brown, as in a sepia print."),
    ],
)
def test_warmth_and_strength_of_colours_are_told(colours: tuple[str, ...], words: str) -> None:
    """Greyscale and sepia are known for what they are."""
    assert words == facts(bands(*colours))["warmth"]


def test_sharp_edges_are_told_from_soft_ones() -> None:
    """The same picture, more and more blurred; and one that has no edges."""
    sharp = disc()

    assert facts(sharp)["texture"].startswith("Its edges are sharp.")
    assert facts(sharp.filter(ImageFilter.GaussianBlur(4)))["texture"].startswith("Its edges are rather soft.")
    assert facts(sharp.filter(ImageFilter.GaussianBlur(20)))["texture"].startswith("Its edges are soft.")
    assert "no edges" in facts(bands(SKY))["texture"]


def test_a_smooth_surface_is_told_from_a_busy_one() -> None:
    """By how much of it changes from point to point."""
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (256, 256, 3), dtype=np.uint8))

    assert "It is smooth" in facts(disc())["texture"]
    assert "It is busy" in facts(noise)["texture"]


def test_flat_drawings_are_told_from_graded_tones_and_a_blurred_drawing_is_neither() -> None:
    """Where the numbers support neither, nothing is said."""
    assert (
        "It consists of flat areas of few colours with hard edges, as drawings and prints do."
        == (facts(disc())["manner"])
    )
    assert "It has many tones and hardly any flat areas, as photographs and paintings do." == facts(shaded())["manner"]
    assert (
        "It has many tones, a fine grain and hardly any flat areas, as photographs and paintings do."
        == (facts(shaded(grain=25))["manner"])
    )
    assert "manner" not in facts(disc().filter(ImageFilter.GaussianBlur(20)))


def test_mirror_images_are_known() -> None:
    """Left and right, top and bottom; a picture of one colour mirrors nothing."""
    assert "Left and right mirror each other, and top and bottom mirror each other." == facts(disc())["symmetry"]
    assert "Left and right mirror each other." == facts(disc(down=0.2))["symmetry"]
    assert "symmetry" not in facts(disc(0.2, 0.3))
    assert "symmetry" not in facts(bands(SKY))


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((64, 64), "is square"),
        ((90, 60), "is in landscape format, about one and a half times as wide as high"),
        ((60, 120), "is in portrait format, about twice as high as wide"),
        ((70, 60), "is in landscape format, a little wider than high"),
        ((1, 900), "is a narrow strip, far higher than wide"),
    ],
)
def test_the_format_is_told(size: tuple[int, int], words: str) -> None:
    """Proportions, not pixels."""
    assert words in facts(Image.new("RGB", size))["format"]


@pytest.mark.parametrize("image", [disc(0.3, 0.4, 1024, 1024), bands(SKY, CREAM, GREEN, side=1024)])
@pytest.mark.parametrize("side", [256, 384, 512, 2048])
def test_another_size_gets_the_same_words(image: Image.Image, side: int) -> None:
    """Measures are taken at one size."""
    resized = image.resize((side, side), Image.Resampling.LANCZOS)

    assert look(encoded(image)) == look(encoded(resized))


@pytest.mark.parametrize(
    "turn", [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.FLIP_TOP_BOTTOM]
)
def test_turning_a_picture_changes_the_words_for_places_alone(turn: Image.Transpose) -> None:
    """Colours, light and surface are the same whichever way one looks."""
    image = disc(0.2, 0.3, 900, 600)
    before, after = look(encoded(image)), look(encoded(image.transpose(turn)))
    changed = {what for what, found in set(before.facts) ^ set(after.facts)}

    assert {"main area"} <= changed <= LAYOUT
    assert before.style == after.style


def test_another_format_of_file_gets_the_same_words() -> None:
    """JPEG is decoded at a smaller size, and has traces of its compression."""
    image = disc(0.3, 0.4, 1600, 1600)
    jpeg, png = facts(image, "JPEG"), facts(image)

    assert png == facts(image, "WEBP") | {"colours": png["colours"]}
    assert [png[what] for what in ("main area", "light", "warmth")] == [
        jpeg[what] for what in ("main area", "light", "warmth")
    ]


def test_pictures_of_every_kind_are_measured() -> None:
    """One pixel, strips, palettes, masks, sixteen bits."""
    for size in ((1, 1), (1, 5000), (5000, 1), (2, 2), (3, 7), (9, 300)):
        for mode in ("RGB", "L", "P", "1", "LA", "RGBA", "I;16"):
            assert look(encoded(Image.new(mode, size))).text

    sixteen = Image.fromarray(np.full((20, 20), 0x8200, np.uint16))
    assert "It is all grey." == facts(sixteen)["colours"]


def test_what_is_transparent_lies_on_white() -> None:
    """Whatever colour its pixels have."""
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    ImageDraw.Draw(image).rectangle((0, 0, 31, 63), fill="#6bb6ee")

    assert (
        "It is about half white and about half sky blue. Two colours cover nearly all of it."
        == (facts(image)["colours"])
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 255), st.integers(0, 2**32 - 1))
def test_any_pixels_get_sentences(width: int, height: int, colours: int, seed: int) -> None:
    """Every fact is a whole sentence; the same pixels get the same ones."""
    pixels = np.random.default_rng(seed).integers(0, colours + 1, (height, width, 3), dtype=np.uint8)
    picture = encoded(Image.fromarray(pixels))
    found = look(picture)

    assert all(fact[0].isupper() and fact.endswith(".") for _, fact in found.facts)
    assert "  " not in found.text
    assert found == look(picture)


@pytest.mark.parametrize("data", [b"", b"no picture", plain()[:60]])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    """The message says what to do."""
    with pytest.raises(InvalidRequest, match="give another one"):
        look(data)

"""From measures to sentences. Pure. What no number supports is not said.

The bounds are where words change. They are conventions, tried on drawn pictures and photographs; none of them claims to
say what people feel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fabula.backends.looker.colours import Colours
from fabula.backends.looker.layout import Layout
from fabula.backends.looker.light import Light
from fabula.backends.looker.main_area import MainArea
from fabula.backends.looker.places import place_in_thirds
from fabula.backends.looker.shares import colours as in_colours
from fabula.backends.looker.shares import fraction, listed, names
from fabula.backends.looker.surface import Surface

Ladder = Sequence[tuple[float, str]]

_LIGHTNESS: Ladder = ((0.82, "very bright"), (0.64, "bright"), (0.42, "of middle brightness"), (0.2, "dark"))
_CONTRAST: Ladder = ((0.7, "very strong"), (0.45, "strong"), (0.25, "moderate"), (0.1, "weak"))
_CHROMA: Ladder = ((0.14, "vivid"), (0.075, "of moderate strength"), (0.03, "muted"))
_HIGH_KEY, _LOW_KEY = 0.58, 0.38
_PREVAILS, _TAKES_PART = 0.65, 0.3
_STEEP, _GENTLE = 0.33, 0.2
_BUSY, _SMOOTH = 0.5, 0.12
_FLAT, _FEW_COLOURS, _FEW_GREYS = 0.65, 24, 8
_SHADED, _MANY_COLOURS, _MANY_GREYS = 0.35, 60, 14  # of greys there are fewer to be told apart
_GRAIN = 0.006
_SQUARE, _STRIP = 1.04, 6.0
_TIMES: Ladder = (
    (3.5, "many times"),
    (2.6, "about three times"),
    (1.75, "about twice"),
    (1.3, "about one and a half times"),
)
_LIKE, _NEARLY_LIKE = 0.97, 0.85
_CLEARLY_LIGHTER, _CLEARLY_MORE_COLOURFUL = 0.12, 0.05
_TALLER = 1.25


def _word(value: float, ladder: Ladder, last: str) -> str:
    return next((word for least, word in ladder if value >= least), last)


def form(layout: Layout) -> str:
    """Return the format: the picture's shape, not its size."""
    aspect = layout.aspect
    ratio = max(aspect, 1 / aspect)
    if ratio <= _SQUARE:
        return "The picture is square."
    longer, shorter, wider = ("wide", "high", "wider") if aspect > 1 else ("high", "wide", "higher")
    if ratio >= _STRIP:
        return f"The picture is a narrow strip, far {wider} than {shorter}."
    kind = "landscape" if aspect > 1 else "portrait"
    times = _word(ratio, _TIMES, "")
    by = f"{times} as {longer} as {shorter}" if times else f"a little {wider} than {shorter}"
    return f"The picture is in {kind} format, {by}."


def palette(measures: Colours) -> str:
    """Return which colours there are."""
    sentence = f"It is {in_colours(measures.shares)}."
    if measures.needed == 1:
        return sentence
    few = {2: "Two colours cover", 3: "Three colours cover", 4: "Four colours cover"}
    many = f"It takes {'more than ten' if measures.needed > 10 else 'five to ten'} names of colours to cover"
    return f"{sentence} {few.get(measures.needed, many)} nearly all of it."


def temperature(measures: Colours) -> str:
    """Return whether warm or cool colours prevail, and how strong they are."""
    if measures.tint == "greyscale":
        return "It has no colour but shades of grey."
    if measures.tint == "sepia":
        return "All its colours are shades of one brown, as in a sepia print."
    strength = _word(measures.chroma, _CHROMA, "nearly grey")
    if measures.warm >= _PREVAILS:
        return f"Warm colours prevail; on the whole the colours are {strength}."
    if measures.cool >= _PREVAILS:
        return f"Cool colours prevail; on the whole the colours are {strength}."
    if min(measures.warm, measures.cool) >= _TAKES_PART:
        return f"Warm and cool colours hold the balance; on the whole the colours are {strength}."
    return f"The colours are on the whole {strength}."


def brightness(light: Light) -> str:
    """Return how bright the picture is, and its contrast."""
    key = ""
    if light.dark >= _HIGH_KEY:
        key = ", in high key: even its darkest parts are light"
    elif light.bright <= _LOW_KEY:
        key = ", in low key: even its lightest parts are dark"
    contrast = _word(light.contrast, _CONTRAST, "hardly any")
    ending = "there is hardly any contrast" if light.contrast < _CONTRAST[-1][0] else f"the contrast is {contrast}"
    return f"It is {_word(light.mean, _LIGHTNESS, 'very dark')}{key}; {ending}."


def fall_of_light(light: Light) -> str:
    """Return where the picture is lightest."""
    where = [
        f"{word} {place}"
        for word, place in (("lightest", light.lightest_place), ("darkest", light.darkest_place))
        if place
    ]
    if where:
        return f"It is {listed(where)}."
    return "Light and dark are spread over it." if light.contrast >= _CONTRAST[-1][0] else ""


def texture(surface: Surface) -> str:
    """Return how sharp and how busy the picture is."""
    relief = "partly smooth, partly busy"
    if surface.relief >= _BUSY:
        relief = "busy: most of it changes from point to point"
    elif surface.relief <= _SMOOTH:
        relief = "smooth: little of it changes from point to point"
    if surface.steepness is None:
        return f"It is {relief}; it has no edges by which to judge its sharpness."
    edges = _word(surface.steepness, ((_STEEP, "sharp"), (_GENTLE, "rather soft")), "soft")
    return f"Its edges are {edges}. It is {relief}."


def manner(surface: Surface, colours: Colours) -> str:
    """Return how the picture seems to be made, as far as that can be measured; empty where it cannot."""
    if surface.palette == 1 and surface.flat == 1:
        return "It is a single flat area."
    if _is_flat(surface, colours):
        edges = " with hard edges" if surface.steepness is not None else ""
        return f"It consists of flat areas of few colours{edges}, as drawings and prints do."
    if _is_graded(surface, colours):
        grain = ", a fine grain" if surface.grain >= _GRAIN else ""
        return f"It has many tones{grain} and hardly any flat areas, as photographs and paintings do."
    return ""


def _is_flat(surface: Surface, colours: Colours) -> bool:
    few = _FEW_COLOURS if colours.tint == "coloured" else _FEW_GREYS
    has_soft_edges = surface.steepness is not None and surface.steepness < _STEEP
    return surface.flat >= _FLAT and surface.palette <= few and not has_soft_edges


def _is_graded(surface: Surface, colours: Colours) -> bool:
    return surface.flat <= _SHADED and surface.palette >= (_MANY_COLOURS if colours.tint == "coloured" else _MANY_GREYS)


def standing_out(layout: Layout) -> str:
    """Return whether there is a main area, and how it differs from its ground."""
    main = layout.main
    if main is None:
        return "No single area stands out against a ground."
    place = place_in_thirds(main.down, main.across)
    differs = "".join(f", and {difference}" for difference in _differences(main))
    return (
        f"One area stands out {place}, {fraction(main.share)} of the picture: it is {in_colours(main.shares)}"
        f"{differs}. The ground is {in_colours(main.ground)}."
    )


def _differences(main: MainArea) -> Iterator[str]:
    """Yield how the main area differs from its ground, and its proportions."""
    compared = []
    if abs(main.lightness) >= _CLEARLY_LIGHTER:
        compared.append("lighter" if main.lightness > 0 else "darker")
    if abs(main.chroma) >= _CLEARLY_MORE_COLOURFUL:
        compared.append("more colourful" if main.chroma > 0 else "less colourful")
    if main.is_busier:
        compared.append("more varied")
    if compared:
        yield f"it is {listed(compared)} than what is around it"
    if main.aspect >= _TALLER:
        yield "it is wider than high"
    elif main.aspect <= 1 / _TALLER:
        yield "it is higher than wide"


def bands(layout: Layout) -> str:
    """Return which thirds are of one colour; empty where none differ."""
    if not layout.bands:
        return ""
    sentence = listed(f"the {place} is {name}" for place, name in layout.bands)
    return f"{sentence[0].upper()}{sentence[1:]}."


def symmetry(layout: Layout) -> str:
    """Return of what the picture is a mirror image; empty where it is of nothing."""
    pairs = (("left and right", layout.sides), ("top and bottom", layout.ends))
    like = [names for names, likeness in pairs if likeness is not None and likeness >= _LIKE]
    nearly = [names for names, likeness in pairs if likeness is not None and _NEARLY_LIKE <= likeness < _LIKE]
    said = [*(f"{pair} mirror each other" for pair in like), *(f"{pair} nearly mirror each other" for pair in nearly)]
    sentence = ", and ".join(said)
    return f"{sentence[0].upper()}{sentence[1:]}." if said else ""


def subject(layout: Layout) -> str:
    """Return what is measured of who or what the picture shows: its main area, or else its middle."""
    main = layout.main
    if main is None:
        return f"The middle of the picture shows {names(layout.middle)}."
    return f"In the picture, what stands out {place_in_thirds(main.down, main.across)} is {in_colours(main.shares)}."


def style(colours: Colours, light: Light, surface: Surface) -> str:
    """Return how the picture is made, in a few words: "flat areas of few colours, vivid warm colours, dark, …"."""
    return ", ".join(_traits(colours, light, surface))


def _traits(colours: Colours, light: Light, surface: Surface) -> Iterator[str]:
    if _is_flat(surface, colours):
        yield "flat areas of few colours"
    elif _is_graded(surface, colours):
        yield "many tones with a fine grain" if surface.grain >= _GRAIN else "many tones without flat areas"
    if colours.tint != "coloured":
        yield {"greyscale": "shades of grey", "sepia": "shades of sepia"}[colours.tint]
    else:
        warmth = "warm " if colours.warm >= _PREVAILS else "cool " if colours.cool >= _PREVAILS else ""
        strength = _word(colours.chroma, ((0.14, "vivid"), (0.075, "clear"), (0.03, "muted")), "nearly grey")
        yield f"{strength} {warmth}colours ({names(colours.shares)})"
    yield _word(light.mean, _LIGHTNESS, "very dark")
    if light.contrast >= _CONTRAST[-1][0]:
        yield f"{_word(light.contrast, _CONTRAST, '')} contrast"
    if surface.steepness is not None:
        yield _word(surface.steepness, ((_STEEP, "sharp edges"), (_GENTLE, "rather soft edges")), "soft edges")

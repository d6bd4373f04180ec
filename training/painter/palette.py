"""Colours of the storybook: what each colour word looks like, and what the light of the day does to it."""

from dataclasses import dataclass

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "red": (212, 44, 46),
    "orange": (243, 136, 36),
    "gold": (250, 208, 62),
    "green": (66, 168, 76),
    "teal": (36, 184, 178),
    "blue": (54, 98, 226),
    "purple": (140, 66, 190),
    "pink": (250, 152, 194),
    "brown": (138, 86, 52),
    "gray": (150, 155, 166),
    "black": (52, 50, 62),
    "white": (246, 244, 241),
}

HAIR: dict[str, Rgb] = {
    "black": (44, 38, 46),
    "brown": (112, 66, 38),
    "blond": (246, 206, 96),
    "red": (206, 76, 34),
    "silver": (212, 216, 226),
    "blue": (66, 112, 222),
    "purple": (136, 74, 184),
    "pink": (246, 140, 184),
}

SKIN: dict[str, Rgb] = {
    "light": (250, 214, 188),
    "tan": (226, 172, 126),
    "dark": (134, 86, 58),
    "green": (122, 176, 88),
}

EYES: dict[str, Rgb] = {
    "brown": (104, 62, 34),
    "blue": (50, 112, 214),
    "green": (52, 146, 78),
}

WHITE: Rgb = (255, 255, 255)
INK: Rgb = (46, 36, 48)
WOOD: Rgb = (126, 80, 48)
STEEL: Rgb = (188, 196, 208)
CREAM: Rgb = (252, 232, 190)
LAMP: Rgb = (255, 222, 110)


def mix(first: Rgb, second: Rgb, share: float) -> Rgb:
    """Blend two colours; `share` 0 is the first, 1 the second."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def darker(colour: Rgb, share: float = 0.25) -> Rgb:
    """Shade a colour towards a warm ink."""
    return mix(colour, INK, share)


def lighter(colour: Rgb, share: float = 0.25) -> Rgb:
    """Light a colour towards white."""
    return mix(colour, WHITE, share)


@dataclass(frozen=True, slots=True)
class Light:
    """What a time of day does to the colour of things.

    Attributes:
        factors: multiplies red, green and blue.
        tone: the colour that is blended in, by `tone_share`.
    """

    factors: tuple[float, float, float]
    tone: Rgb
    tone_share: float

    def on(self, colour: Rgb) -> Rgb:
        """Return the colour of a lit thing."""
        red, green, blue = (min(255, round(part * factor)) for part, factor in zip(colour, self.factors, strict=True))
        return mix((red, green, blue), self.tone, self.tone_share)


LIGHTS: dict[str, Light] = {
    "day": Light((1.0, 1.0, 1.0), (255, 255, 255), 0.0),
    "sunset": Light((1.0, 0.92, 0.88), (255, 140, 90), 0.08),
    "night": Light((0.84, 0.85, 0.95), (40, 56, 140), 0.07),
}

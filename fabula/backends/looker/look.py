"""Looking at a picture: measures it, and says what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.backends.looker import colours, layout, light, surface, wording
from fabula.backends.looker.names import places_of_names
from fabula.backends.looker.pixels import read

NAME = "looker/1"
"""What results call the looker; the number grows when the same picture gets other words."""

LACKS = (
    "This was measured, not understood: a vision model would also say who and what is to be seen; "
    "set FABULA_VISION_MODEL to have one look."
)
"""What the looker cannot do, and how to have it done."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was measured in a picture, in words.

    Attributes:
        facts: What was looked for ("colours", "light"), and what was found, a sentence or two; what cannot be told is
            left out. Those of `LAYOUT` change when the picture is turned, the others do not.
        subject: What is measured of who or what it shows, as a sentence.
        style: How it is made, in a few words.
    """

    facts: tuple[tuple[str, str], ...]
    subject: str
    style: str

    @property
    def text(self) -> str:
        """All facts in one paragraph."""
        return " ".join(sentence for _, sentence in self.facts)


LAYOUT = frozenset({"format", "fall of light", "main area", "bands", "symmetry"})
"""Facts that tell where something is."""


def look(picture: bytes) -> Look:
    """Measure a picture.

    The same picture always gets the same words, and as a rule it does so at any size, as long as its longer side has at
    least `pixels.SIDE`. It takes some tens of milliseconds, so call it in a thread.

    Args:
        picture: An encoded picture of any kind that Pillow reads, upright, of a size that was found to be harmless.

    Raises:
        InvalidRequest: it cannot be read.
    """
    pixels = read(picture)
    names = places_of_names(pixels.lab)
    of_colours = colours.measure(pixels.lab, names)
    of_light = light.measure(pixels.lab)
    of_surface = surface.measure(pixels.rgb, pixels.lab)
    of_layout = layout.measure(pixels, names)
    facts = (
        ("format", wording.form(of_layout)),
        ("colours", wording.palette(of_colours)),
        ("warmth", wording.temperature(of_colours)),
        ("light", wording.brightness(of_light)),
        ("fall of light", wording.fall_of_light(of_light)),
        ("texture", wording.texture(of_surface)),
        ("manner", wording.manner(of_surface, of_colours)),
        ("main area", wording.standing_out(of_layout)),
        ("bands", wording.bands(of_layout)),
        ("symmetry", wording.symmetry(of_layout)),
    )
    return Look(
        facts=tuple((what, found) for what, found in facts if found),
        subject=wording.subject(of_layout),
        style=wording.style(of_colours, of_light, of_surface),
    )

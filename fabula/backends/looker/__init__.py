"""The bundled looker: it measures what can honestly be measured in a picture, and names nothing else.

No model is involved: colours, light, sharpness and layout are computed from the pixels and put into plain sentences,
each of which says only what a number supports. Who or what is to be seen it cannot tell, and does not guess.

    pixels     the picture at one size, in a perceptual colour space (`oklab`)
    colours    shares of named colours (`names`), warmth, saturation
    light      brightness, contrast, where the light lies
    surface    sharpness, texture, manner
    layout     bands, symmetry; `main_area`: what stands out against the ground
    wording    measures in, sentences out

Every picture is measured at the same size, so the words do not depend on how many pixels it has, as long as its longer
side has at least `pixels.SIDE`. It takes tens of milliseconds, so call it in a thread.
"""

from fabula.backends.looker.look import LACKS, LAYOUT, NAME, Look, look

__all__ = ["LACKS", "LAYOUT", "NAME", "Look", "look"]

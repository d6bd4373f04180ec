"""Draws a scene; the same scene gives the same picture, to the byte, everywhere."""

import random

from PIL import Image

from training.painter.backgrounds import paint_background, ship_water
from training.painter.canvas import Canvas
from training.painter.palette import COLOURS, LIGHTS, Rgb, darker, mix
from training.painter.portraits import paint_portrait
from training.painter.scene import Scene
from training.painter.things import Paint, paint_thing


def render(scene: Scene) -> Image.Image:
    """Return the picture of a scene: RGB, 128 × 128."""
    lot = random.Random(scene.seed)
    light = LIGHTS[scene.time]
    canvas = paint_background(scene.setting, scene.time, lot)
    main = light.on(COLOURS[scene.colour])
    if scene.person is not None:
        canvas.place(lot.uniform(0.96, 1.04), lot.uniform(-2.5, 2.5), lot.uniform(-1, 1.5))
        paint_portrait(canvas, scene.person, main, light)
    else:
        _stand(canvas, scene, lot)
        paint_thing(canvas, scene.subject, Paint(main, light, lit=scene.time != "day"), lot)
        if scene.subject == "ship":
            _foam(canvas, scene)
    return canvas.finish()


def _stand(canvas: Canvas, scene: Scene, lot: random.Random) -> None:
    """Choose the place and put something under the thing: a shadow, an island, a lake."""
    scale, dx, dy = lot.uniform(0.93, 1.03), lot.uniform(-4, 4), lot.uniform(-2, 2)
    light = LIGHTS[scene.time]
    canvas.place(scale, dx, dy)
    if scene.subject == "ship":
        if scene.setting != "sea":
            water, _ = ship_water(scene.setting, scene.time)
            canvas.ellipse((64, 116), 66, 18, water)
    elif scene.setting == "sea":
        rock, grass = light.on((158, 136, 112)), light.on((122, 180, 88))
        canvas.ellipse((64, 109), 58, 11, rock)
        canvas.ellipse((64, 105), 54, 8, grass)
    else:
        canvas.ellipse((64, 107), 48, 5, _shadow(scene))


def _shadow(scene: Scene) -> Rgb:
    grounds: dict[str, Rgb] = {
        "hill": (98, 166, 66), "forest": (58, 112, 56), "desert": (214, 166, 96), "snow": (196, 214, 236),
    }  # fmt: skip
    return darker(
        mix(LIGHTS[scene.time].on(grounds[scene.setting]), (20, 24, 60), 0.35 if scene.time == "night" else 0), 0.08
    )


def _foam(canvas: Canvas, scene: Scene) -> None:
    water, wave = ship_water(scene.setting, scene.time)
    canvas.ellipse((64, 117), 56, 9, water)
    for x, y in ((24, 108), (52, 110), (84, 108)):
        canvas.line([(x, y), (x + 16, y)], 1.8, mix(water, wave, 0.7))

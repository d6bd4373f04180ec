"""Head and shoulders of the people of the storybook, with large friendly faces."""

from training.painter.canvas import Canvas
from training.painter.palette import EYES, HAIR, INK, SKIN, Light, Rgb, darker, lighter, mix
from training.painter.scene import Person


def paint_portrait(canvas: Canvas, person: Person, clothes: Rgb, light: Light) -> None:
    """Draw a person where the canvas is placed.

    Args:
        canvas: holds the background.
        person: who is drawn.
        clothes: their colour, as it looks in the light.
        light: turns the colours of hair and skin into what they look like.
    """
    # Faces keep most of their own colour at night, or they would look ill.
    hair, skin = light.on(HAIR[person.hair]), mix(light.on(SKIN[person.skin]), SKIN[person.skin], 0.65)
    _hair_behind(canvas, person, hair)
    _shoulders(canvas, clothes, skin)
    _ears(canvas, person, skin)
    broad = 27 if person.folk in {"orc", "dwarf"} else 25
    canvas.ellipse((64, 59), broad, 27, skin)
    canvas.ellipse((64, 66), broad - 2, 21, skin)
    _cheeks(canvas, skin)
    if person.beard:
        _beard(canvas, person, hair)
    _mouth(canvas, person, skin)
    _eyes(canvas, person, hair, light)
    canvas.ellipse((64, 70), 2.6, 1.8, darker(skin, 0.2))
    _hair_in_front(canvas, person, hair)


def _hair_behind(canvas: Canvas, person: Person, hair: Rgb) -> None:
    shade = darker(hair, 0.22)
    if person.length == "long":
        canvas.ellipse((64, 56), 36, 38, shade)
        canvas.polygon([(28, 56), (100, 56), (104, 112), (24, 112)], shade)
    else:
        canvas.ellipse((64, 52), 30, 31, shade)


def _shoulders(canvas: Canvas, clothes: Rgb, skin: Rgb) -> None:
    shade = darker(clothes, 0.25)
    canvas.ellipse((64, 128), 46, 34, clothes)
    canvas.polygon([(18, 128), (110, 128), (112, 150), (16, 150)], clothes)
    canvas.polygon([(80, 96), (96, 103), (106, 114), (110, 128), (112, 150), (88, 150)], shade)
    canvas.rectangle(55, 82, 73, 100, darker(skin, 0.16))
    canvas.polygon([(54, 95), (74, 95), (64, 110)], darker(skin, 0.16))
    canvas.polygon([(46, 94), (55, 90), (66, 110), (60, 116)], lighter(clothes, 0.25))
    canvas.polygon([(82, 94), (73, 90), (62, 110), (68, 116)], lighter(clothes, 0.12))
    canvas.ellipse((64, 112), 4, 4, (244, 200, 84))


def _ears(canvas: Canvas, person: Person, skin: Rgb) -> None:
    inner = darker(skin, 0.15)
    for side in (-1, 1):
        if person.folk == "elf":
            canvas.polygon([(64 + side * 22, 54), (64 + side * 48, 38), (64 + side * 23, 74)], skin)
            canvas.polygon([(64 + side * 24, 58), (64 + side * 40, 46), (64 + side * 24, 69)], inner)
        elif person.folk == "orc":
            canvas.polygon([(64 + side * 23, 56), (64 + side * 42, 52), (64 + side * 24, 76)], skin)
            canvas.polygon([(64 + side * 25, 60), (64 + side * 36, 57), (64 + side * 25, 70)], inner)
        else:
            canvas.ellipse((64 + side * 26, 64), 5, 7, skin)
            canvas.ellipse((64 + side * 27, 64), 2.5, 4, inner)


def _cheeks(canvas: Canvas, skin: Rgb) -> None:
    blush = mix(skin, (238, 110, 110), 0.22)
    for x in (47, 81):
        canvas.ellipse((x, 72), 5.5, 3.6, blush)


def _beard(canvas: Canvas, person: Person, hair: Rgb) -> None:
    if person.folk == "dwarf":
        canvas.polygon([(37, 68), (91, 68), (88, 94), (64, 120), (40, 94)], hair)
        canvas.polygon([(64, 84), (91, 68), (88, 94), (64, 120)], darker(hair, 0.15))
        canvas.ellipse((53, 76), 13, 5.5, lighter(hair, 0.15))
        canvas.ellipse((75, 76), 13, 5.5, lighter(hair, 0.15))
    else:
        canvas.polygon([(39, 68), (89, 68), (83, 86), (64, 95), (45, 86)], hair)
        canvas.ellipse((64, 76), 12, 5, darker(hair, 0.12))


def _mouth(canvas: Canvas, person: Person, skin: Rgb) -> None:
    red = (196, 74, 78) if person.gender == "woman" else darker(skin, 0.5)
    y = 79 if person.beard else 76
    canvas.arc((64, y), (8, 5), (15, 165), stroke=2.2, fill=red)
    if person.folk == "orc":
        for side in (-1, 1):
            x = 64 + side * 9
            canvas.polygon([(x - 3, y + 5), (x + 3, y + 5), (x + side, y - 6)], (250, 246, 226))


def _eyes(canvas: Canvas, person: Person, hair: Rgb, light: Light) -> None:
    iris = light.on(EYES[person.eyes])
    for side in (-1, 1):
        x = 64 + side * 11.5
        canvas.ellipse((x, 61), 6.4, 7, (252, 252, 252))
        canvas.ellipse((x - side * 0.6, 61.6), 4.6, 5.6, iris)
        canvas.ellipse((x - side * 0.6, 62), 2.6, 3.4, INK)
        canvas.ellipse((x - 1.6, 59.4), 1.7, 1.7, (255, 255, 255))
        if person.gender == "woman":
            canvas.arc((x, 61), (7.2, 7.6), (190, 350), stroke=2.2, fill=INK)
        lift = -2 if person.folk == "orc" else 1.5
        brow = darker(hair, 0.35)
        canvas.line([(x - side * 7, 50.5 - lift * 0.5 + 1), (x + side * 7, 50.5 + lift * 0.5)], 2.6, brow)


def _hair_in_front(canvas: Canvas, person: Person, hair: Rgb) -> None:
    glow = lighter(hair, 0.18)
    canvas.half_ellipse((64, 52), 29, 31, hair)
    canvas.polygon([(35, 51), (93, 51), (90, 60), (84, 48), (66, 43), (46, 49), (38, 60)], hair)
    if person.length == "long":
        for side in (-1, 1):
            outer, inner = 64 + side * 35, 64 + side * 24
            canvas.polygon(
                [(64 + side * 29, 48), (inner, 56), (64 + side * 25, 96), (outer - side * 2, 108), (outer, 70)], hair
            )
    canvas.arc((64, 52), (22, 23), (200, 275), stroke=3.4, fill=glow)

"""Characters for tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fabula.engine.ports import Address, BlobInfo, GenerationId
from services.character.domain import Details, Looks, Wish
from services.character.reader import Analysis
from services.character.sheet import Avatar, AvatarState, Character, Order, PictureRef, Timing

OWNER = "ida"
MADE_AT = datetime(2026, 3, 1, 12, 30, 15, 250_000, UTC)

DETAILS = Details(
    first_name="Mara",
    last_name="Okonkwo",
    age=41,
    gender="woman",
    species="human",
    profession="lighthouse keeper",
    home="in a lighthouse at the edge of the map",
    physical_description="Tall, with a grey plait and a scar on her chin.",
    visual_style="ink and wash",
    personality="She counts what others lose.",
    traits=("patient", "stubborn"),
    strength="hearing weather before it comes",
    flaw="never asking for help",
    goal="a night without a wreck",
    fear="fog that answers",
    habit="winding clocks that stand still",
    treasure="a brass whistle",
)
LOOKS = Looks("A grey plait.", "ink and wash")
ANALYSIS = Analysis("looker/1", "It is mostly grey.", (("colours", "grey"), ("light", "dim")), "It saw no meaning.")
PICTURE = PictureRef("face.png", BlobInfo("character/x/picture-ab", 9, "image/png", "ab"), 48, 32)
ORDER = Order(Wish("a keeper", "noir", "de", 7), PICTURE, generate_avatar=False)


def address(number: int = 1, owner: str = OWNER) -> Address:
    """Return where a character's generation lies."""
    return Address("character", owner, GenerationId(f"character-00000000-0000-4000-8000-{number:012}"))


def character(number: int = 1, **fields: Any) -> Character:
    """Return a character as a worker puts it into the library, each a minute after the one before."""
    made_at = MADE_AT + timedelta(minutes=number)
    whole = Character(
        id=address(number).id,
        details=DETAILS,
        history="Once.\n\nThen.",
        avatar=Avatar(AvatarState.PENDING, "image-1", "image-0", "why not"),
        create_time=made_at,
        update_time=made_at,
        expire_time=made_at + timedelta(days=7),
        maker="grammar/1",
        seed=7,
        timings=(Timing("generate_details", 0.5), Timing("generate_history", 12.25)),
    )
    return replace(whole, **fields)

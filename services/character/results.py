"""Puts a character together from what the stages have put out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from fabula.engine.history import Snapshot
from fabula.engine.ids import address_of
from fabula.engine.pipeline import Outputs
from services.character.domain import Details
from services.character.sheet import Character, History, Order, Timing

UPLOAD, ANALYSE, EXTRACT = "upload_image", "analyse_image", "extract_description"
DETAILS, HISTORY, CREATE, AVATAR = "generate_details", "generate_history", "create_character", "queue_avatar"
"""Names of the stages, as logs have them."""


def character_of(id_: str, order: Order, outputs: Outputs, timings: Mapping[str, float]) -> Character:
    """Return the character as far as the outputs have it; nothing that the library adds.

    Args:
        id_: Of its generation.
        order: What was asked for.
        outputs: Of the finished stages, by name.
        timings: Their working times in seconds, by name, in order.
    """
    details, history = outputs.get(DETAILS), outputs.get(HISTORY)
    return Character(
        id=id_,
        details=details if isinstance(details, Details) else None,
        history=history.text if isinstance(history, History) else "",
        seed=order.wish.seed,
        timings=tuple(Timing(stage, seconds) for stage, seconds in timings.items()),
    )


def character_so_far(snapshot: Snapshot) -> Character:
    """Return the character as it was made, or what a log has of it so far: a history perhaps in mid-sentence."""
    made = [one for one in (*snapshot.outputs.values(), snapshot.result) if isinstance(one, Character)]
    if made:
        return made[-1]
    id_ = address_of(snapshot.kind, snapshot.owner, snapshot.request_id).id if snapshot.request_id else ""
    if not isinstance(snapshot.request, Order):
        return Character(id_)
    outputs = snapshot.outputs
    if (writing := snapshot.stages.get(HISTORY)) is not None and not writing.finished:
        outputs[HISTORY] = History(writing.text)
    timings = {view.name: view.elapsed for view in snapshot.stages.values() if view.finished}
    return character_of(id_, snapshot.request, outputs, timings)

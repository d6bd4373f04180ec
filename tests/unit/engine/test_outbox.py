"""Group commit: what is gathered while an append is under way."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.events import Advanced, Body, LogLine, Progress, StageFinished, TextDelta
from fabula.engine.outbox import OVERHEAD, Draft, Outbox
from tests.log_rules import BEGINNING

ROOMY = 1_000_000


def test_deltas_join() -> None:
    """Text of one stage becomes one delta, at the first one's offset and with the last one's progress."""
    box = _filled(TextDelta("write", 5, "Once"), TextDelta("write", 9, " upon"), TextDelta("write", 14, " a time"))

    (draft,) = box.take(ROOMY)

    assert (TextDelta("write", 5, "Once upon a time"), 3) == (draft.body, draft.progress.step)


def test_progress_replaces_progress() -> None:
    """Of several advances only the newest is kept."""
    box = _filled(Advanced("write", 1), Advanced("write", 2), Advanced("write", 3))

    assert [Advanced("write", 3)] == _bodies(box.take(ROOMY))


def test_progress_that_is_told_step_by_step_is_not_replaced() -> None:
    """Neither by newer progress nor by text: every step that a stage has told so becomes an event."""
    bodies = (
        Advanced("paint", 1, each=True),
        Advanced("paint", 2, each=True),
        Advanced("paint", 3),
        TextDelta("paint", 0, "a"),
        Advanced("paint", 4, each=True),
        TextDelta("paint", 1, "b"),
    )

    assert list(bodies) == _bodies(_filled(*bodies).take(ROOMY))


def test_lifecycle_keeps_its_place() -> None:
    """Nothing joins across an event that is neither text nor progress."""
    bodies = (
        TextDelta("write", 0, "a"),
        Advanced("write", 1),
        LogLine("!"),
        TextDelta("write", 1, "b"),
        Advanced("write"),
    )

    assert list(bodies) == _bodies(_filled(*bodies).take(ROOMY))


def test_text_of_two_stages_does_not_join() -> None:
    """A delta belongs to one stage."""
    bodies = (TextDelta("write-1", 0, "a"), TextDelta("write-2", 0, "b"))

    assert list(bodies) == _bodies(_filled(*bodies).take(ROOMY))


def test_joined_text_drops_progress_that_would_stand_behind_newer() -> None:
    """Text that joins a delta brings newer progress than the advance behind it, which then says nothing any more."""
    box = _filled(TextDelta("write", 0, "a"), Advanced("write", 2), TextDelta("write", 1, "b"))

    (draft,) = box.take(ROOMY)

    assert (TextDelta("write", 0, "ab"), 3) == (draft.body, draft.progress.step)


def test_progress_that_equals_another_is_not_mistaken_for_it() -> None:
    """Two equal advances, a line between them: the newer is replaced, the older stays before the line."""
    box, progress = Outbox(), Progress()
    for body in (Advanced("write", 1), LogLine("!"), Advanced("write", 1), Advanced("write", 2)):
        box.put(body, progress, BEGINNING)

    assert [Advanced("write", 1), LogLine("!"), Advanced("write", 2)] == _bodies(box.take(ROOMY))


def test_what_was_taken_is_not_joined_any_more() -> None:
    """Text that comes during an append makes a new delta."""
    box = _filled(TextDelta("write", 0, "a"))
    taken = box.take(ROOMY)

    box.put(TextDelta("write", 1, "b"), Progress(), BEGINNING)

    assert [TextDelta("write", 0, "a"), TextDelta("write", 1, "b")] == _bodies((*taken, *box.take(ROOMY)))


def test_large_text_is_split() -> None:
    """No record is larger than it may be; the offsets of the pieces go on."""
    box = _filled(TextDelta("write", 7, "x" * 2500))

    pieces = [box.take(OVERHEAD + 1000) for _ in range(3)]

    assert [(7, 1000), (1007, 1000), (2007, 500)] == [_span(piece) for (piece,) in pieces]
    assert (0, 0) == (len(box), box.size)


def test_text_fills_up_what_room_is_left() -> None:
    """Text behind other text takes the room that is left, not a record's worth."""
    box = _filled(TextDelta("a", 0, "x" * 700), TextDelta("b", 0, "y" * 900))

    taken = box.take(2 * OVERHEAD + 1000)

    assert [(0, 700), (0, 300)] == [_span(draft) for draft in taken]


def test_checkpoint_is_taken_alone() -> None:
    """A stage's output may be as large as all its text, so the two never share a record."""
    bodies = (TextDelta("write", 0, "a"), StageFinished("write", "a"), LogLine("!"), LogLine("?"))
    box = _filled(*bodies)

    assert [[bodies[0]], [bodies[1]], [*bodies[2:]]] == [_bodies(box.take(ROOMY)) for _ in range(3)]


def test_many_small_events_do_not_make_a_large_record() -> None:
    """What an event takes beside its text is counted as well."""
    box = _filled(*(LogLine(str(number)) for number in range(1000)))

    assert len(box.take(100 * OVERHEAD)) < 100


def test_event_that_is_larger_than_a_record_is_taken_alone() -> None:
    """What cannot be split is left for the store to judge."""
    box = _filled(LogLine("x" * 10_000), LogLine("y"))

    assert [LogLine("x" * 10_000)] == _bodies(box.take(1000))


@st.composite
def _emissions(draw: st.DrawFn) -> list[Body]:
    """Draw what a stage might emit: text with offsets that go on, progress, lines, checkpoints."""
    length, bodies = 0, list[Body]()
    for what in draw(st.lists(st.sampled_from(["text", "text", "advance", "line", "finish"]), max_size=40)):
        if what == "text":
            text = draw(st.text(min_size=1, max_size=60))
            bodies.append(TextDelta("write", length, text))
            length += len(text)
        elif what == "advance":
            bodies.append(Advanced("write", len(bodies)))
        elif what == "line":
            bodies.append(LogLine(str(len(bodies))))
        else:
            bodies.append(StageFinished(f"stage-{len(bodies)}"))
    return bodies


@given(_emissions(), st.data())
def test_nothing_is_lost_or_reordered(bodies: list[Body], data: st.DataObject) -> None:
    """Whenever records are taken: all text, in order; lifecycle in order; progress never goes back; sizes hold."""
    box, taken, most = Outbox(), list[Draft](), data.draw(st.integers(OVERHEAD + 1, 4 * OVERHEAD))
    for index, body in enumerate(bodies):
        box.put(body, Progress(step=index), BEGINNING + timedelta(seconds=index))
        if data.draw(st.booleans()):
            taken += _record(box, most)
    while box:
        taken += _record(box, most)

    assert box.size == 0
    assert _text(bodies) == _text(_bodies(tuple(taken)))
    assert _lifecycle(bodies) == _lifecycle(_bodies(tuple(taken)))
    steps = [draft.progress.step or 0 for draft in taken]
    assert sorted(steps) == steps
    if bodies:
        assert len(bodies) - 1 == steps[-1], "the newest progress is never dropped"


def _record(box: Outbox, most: int) -> tuple[Draft, ...]:
    taken = box.take(most)
    assert len(taken) <= 1 or sum(draft.size for draft in taken) <= most
    return taken


def _filled(*bodies: Body) -> Outbox:
    """Return an outbox with these events; the progress of each counts them, from 1."""
    box = Outbox()
    for index, body in enumerate(bodies):
        box.put(body, Progress(step=index + 1), BEGINNING)
    return box


def _bodies(drafts: tuple[Draft, ...]) -> list[Body]:
    return [draft.body for draft in drafts]


def _span(draft: Draft) -> tuple[int, int]:
    assert isinstance(draft.body, TextDelta)
    return draft.body.offset, len(draft.body.text)


def _text(bodies: list[Body]) -> str:
    """Join all deltas, checking that each begins where the one before ended."""
    text = ""
    for body in bodies:
        if isinstance(body, TextDelta):
            assert len(text) == body.offset
            text += body.text
    return text


def _lifecycle(bodies: list[Body]) -> list[Body]:
    return [body for body in bodies if not isinstance(body, TextDelta | Advanced)]

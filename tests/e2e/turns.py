"""Who has worked at a story, as its watchers saw it."""

from __future__ import annotations

from tests.e2e.observer import Observer, bodies, check_equal, check_story
from tests.e2e.stories import Api


def claims(observer: Observer) -> list[int]:
    """Return where in what was seen a worker has taken the story."""
    return [number for number, body in enumerate(bodies(observer)) if body == "claimed"]


def holder(observer: Observer) -> int:
    """Return the process id of the worker that took the story last."""
    worker = observer.events[claims(observer)[-1]].claimed.worker
    return int(worker.rsplit("-", 2)[-2])


async def check_watched(api: Api, observers: list[Observer]) -> None:
    """Check that all watchers of a story have seen the same whole story, and that it reads the same."""
    for observer in observers:
        check_story(observer)
    check_equal(observers)
    assert observers[0].responses[-1].story.text == (await api.read(observers[0].generation_id))["story"]["text"]

"""What the page is told of deaths."""

from __future__ import annotations

from collections.abc import Sequence

from tests.e2e.deaths import Toll
from tests.e2e.story_deaths import PHASES_IN_ORDER
from tests.proof import record, spread

SLOWEST_COMEBACK_SECONDS = 40.0
"""Generous: the machine may be busy, and a model takes seconds to load on an idle one."""

OUTCOME = "SUCCEEDED; finished stages kept; 1…N once at every door"
BY_DOOR = "From the kill to the next event, by door"


def tell_stories(victim: str, toll: Toll, kills: int) -> None:
    """Keep what the kills of one victim have shown, where stories were interrupted."""
    tell(f"`kill -9` of {victim}", toll, kills, OUTCOME, PHASES_IN_ORDER)
    for door, waits in sorted(toll.waits.items()):
        record(what=f"{victim}, {door}", runs=kills, outcome="1…N once", seconds=waits, section=BY_DOOR)


def tell(
    what: str,
    toll: Toll,
    kills: int,
    outcome: str,
    phases: Sequence[str],
    *,
    things: str = "stories",
    section: str = "",
) -> None:
    """Keep what the kills of one victim have shown.

    Args:
        what: What was done.
        toll: What came of it.
        kills: How often it was done.
        outcome: What was checked each time.
        phases: All that a kill may fall into, in order.
        things: What was interrupted.
        section: The table on the page.
    """
    pause = spread(toll.pauses)
    figures: dict[str, str | float] = {
        "work goes on": f"p50 {pause['p50']:.2f} s, p99 {pause['p99']:.2f} s",
        f"{things} hit": toll.hit,
        "kills while": ", ".join(f"{phase} {toll.phases[phase]}" for phase in phases),
        "too late, repeated": toll.missed,
    }
    record(what=what, runs=kills, outcome=outcome, seconds=toll.all_waits, figures=figures, section=section)
    assert max(toll.all_waits) < SLOWEST_COMEBACK_SECONDS

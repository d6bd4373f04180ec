"""Words titles, summaries and the logline of a story. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from services.story.domain import Brief
from services.story.grammar.english import words
from services.story.grammar.entries import Beat
from services.story.grammar.lexicon import lexicon
from services.story.grammar.plan import Part, fitting
from services.story.grammar.realise import Memory, Realiser, Scene
from services.story.grammar.template import Passage
from services.story.grammar.world import World


class Headings:
    """Words titles, summaries and the logline."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._data = lexicon()
        self._used: set[str] = set()

    def _tell(self, passages: Sequence[Passage], key: str, scene: Scene | None = None) -> str:
        world = self._world
        open_to = fitting(passages, world)
        for attempt in range(12):
            random = Random(f"{world.seed}/heading/{key}/{attempt}")
            memory = Memory(introduced={"thing", "rival", "elder", "friend"})
            text = Realiser(world, memory).tell(random.choice(open_to), scene or Scene(), random)
            if text not in self._used or key in {"title", "logline"}:
                break
        self._used.add(text)
        return text

    def story(self, brief: Brief) -> str:
        """Return the user's title, or one of the plot's and genre's."""
        asked = " ".join(brief.title.split())
        return asked or headline(self._tell((*self._world.plot.titles, *self._world.genre.titles), "title"))

    def logline(self) -> str:
        """Return the story in one sentence."""
        world = self._world
        bank = self._data.banks["logline"] if "deed" in world.flags else world.plot.logline
        return self._tell(bank, "logline")

    def chapter(self, part: Part, brief: Brief, *, single: bool) -> str:
        """Return a chapter's title; a story of one chapter has one title."""
        beat, scene = self._beat(part)
        if single:
            return self.story(brief)
        return headline(self._tell(beat.titles, f"chapter{part.number}", scene))

    def summary(self, part: Part, *, single: bool) -> str:
        """Return what happens in a chapter."""
        if single:
            return self.logline()
        beat, scene = self._beat(part)
        return self._tell(beat.summary, f"summary{part.number}", scene)

    def _beat(self, part: Part) -> tuple[Beat, Scene]:
        """Return the beat that gives a chapter its name: the plot's own before an episode."""
        own = {beat.name: beat for beat in self._world.plot.beats}
        episodes = {beat.name: beat for beat in self._data.episodes}
        for name, scene in zip(part.beats, part.scenes, strict=True):
            if name in own:
                return own[name], scene
        return episodes[part.beats[0]], part.scenes[0]


_SMALL = words("a an the of in on at to and or for from with by as but")


def headline(text: str) -> str:
    """Set a title in capitals as titles are."""
    words = re.sub(r"\bthe the\b", "the", text.rstrip("."), flags=re.IGNORECASE).split()  # "The the Desert Expedition"
    return " ".join(
        word if index and word.lower() in _SMALL else word[:1].upper() + word[1:] for index, word in enumerate(words)
    )

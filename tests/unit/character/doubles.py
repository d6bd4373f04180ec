"""Makers and readers that wait and fail where a test wants them to; all else is done by the bundled ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from services.character.domain import Details, Looks, Wish
from services.character.grammar.maker import GrammarMaker
from services.character.measured_reader import MeasuredReader
from services.character.reader import Analysis


@dataclass(slots=True)
class HeldMaker:
    """Implements `CharacterMaker`.

    Attributes:
        hold_before: The piece of the history before which it waits for `go`; None: it never waits.
        deciding: Raised one after another when details are to be decided.
        telling: Raised one after another, each before the piece of this number.
        mute: Whether its histories are empty.
        held: Set when it waits.
        go: Lets it go on.
        wishes: What details were asked for.
        begun: What was written before each time that a history was begun.
    """

    continues: bool = True
    name: str = "held/1"
    hold_before: int | None = None
    deciding: list[Exception] = field(default_factory=list)
    telling: list[tuple[int, Exception]] = field(default_factory=list)
    mute: bool = False
    held: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    wishes: list[Wish] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    real: GrammarMaker = field(default_factory=lambda: GrammarMaker(0))

    def load(self) -> None:
        """Load the lexicons."""
        self.real.load()

    async def details(self, wish: Wish) -> Details:
        """Decide, or fail."""
        self.wishes.append(wish)
        if self.deciding:
            raise self.deciding.pop(0)
        return await self.real.details(wish)

    async def history(self, wish: Wish, details: Details, *, written: str = "") -> AsyncGenerator[str, None]:
        """Tell piece by piece."""
        self.begun.append(written)
        if self.mute:
            return
        told, number = "", 0
        async for piece in self.real.history(wish, details):
            await self._wait(number)
            told, number = told + piece, number + 1
            if len(told) > len(written):
                yield piece[-min(len(piece), len(told) - len(written)) :]
                await asyncio.sleep(0)

    async def _wait(self, number: int) -> None:
        if number == self.hold_before:
            self.held.set()
            await self.go.wait()
        if self.telling and self.telling[0][0] == number:
            raise self.telling.pop(0)[1]

    async def whole(self, wish: Wish) -> str:
        """Return the history that this wish gets."""
        return "".join([piece async for piece in self.real.history(wish, await self.real.details(wish))])


@dataclass(slots=True)
class FailingReader:
    """Implements `PictureReader`: the looker, once it has failed as often as it is told.

    Attributes:
        failing: Raised one after another when a picture is to be looked at.
        seen: The pictures that were looked at.
    """

    name: str = "failing/1"
    failing: list[Exception] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    real: MeasuredReader = field(default_factory=MeasuredReader)

    async def analyse(self, picture: bytes) -> Analysis:
        """Look, or fail."""
        self.seen.append(picture)
        if self.failing:
            raise self.failing.pop(0)
        return await self.real.analyse(picture)

    async def extract(self, picture: bytes, analysis: Analysis) -> Looks:
        """Put it into words."""
        return await self.real.extract(picture, analysis)

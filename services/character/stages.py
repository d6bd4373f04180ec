"""What the stages of a character do."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from fabula.engine.events import LogLevel
from fabula.engine.pipeline import Outputs, StageContext
from fabula.engine.ports import Records
from fabula.errors import Conflict, ModelOutputInvalid
from services.character import avatars
from services.character.bounds import LONGEST_HISTORY, fitted
from services.character.domain import Details, Looks, Wish
from services.character.maker import CharacterMaker
from services.character.reader import Analysis, PictureReader
from services.character.results import ANALYSE, CREATE, DETAILS, EXTRACT, character_of
from services.character.sheet import Avatar, AvatarState, Character, History, Order, PictureRef
from services.character.shelf import Shelf
from services.character.texts import plain

T = TypeVar("T")


def _nobody_waits() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What all orders are worked at with.

    Attributes:
        maker: Makes characters up.
        reader: Looks at pictures.
        records: Where characters are kept.
        keep: How long an unsaved character is kept.
        queued: Called when something is to be done for an avatar, so that nobody need look for it.
    """

    maker: CharacterMaker
    reader: PictureReader
    records: Records
    keep: timedelta
    queued: Callable[[], None] = _nobody_waits


@dataclass(frozen=True, slots=True)
class Work:
    """The stages' functions for one order."""

    tools: Tools
    order: Order

    async def upload(self, context: StageContext, _outputs: Outputs) -> None:
        """Read the picture once, so that a missing or damaged one shows here."""
        picture = self._picture()
        await context.blobs.get(picture.blob.name)
        context.log(f"the picture is kept with {picture.width} x {picture.height} pixels")

    async def analyse(self, context: StageContext, _outputs: Outputs) -> Analysis:
        """Have the reader look at the picture."""
        analysis = await self.tools.reader.analyse(await self._pixels(context))
        if analysis.lacks:
            context.log(analysis.lacks, LogLevel.INFO)
        return analysis

    async def extract(self, context: StageContext, outputs: Outputs) -> Looks:
        """Have the reader put what it found into words for a character."""
        analysis = _output(outputs, ANALYSE, Analysis)
        return await self.tools.reader.extract(await self._pixels(context), analysis)

    async def details(self, _context: StageContext, outputs: Outputs) -> Details:
        """Have the maker decide who it is."""
        self.tools.maker.load()
        return fitted(await self.tools.maker.details(self._wish(outputs)))

    async def history(self, context: StageContext, outputs: Outputs) -> History:
        """Have the maker tell where the character comes from, going on from what is written."""
        begin = partial(self.tools.maker.history, self._wish(outputs), _output(outputs, DETAILS, Details))
        text = plain(await _stream(context, begin))
        if not text:
            raise ModelOutputInvalid("the character was given no history")
        if len(text) > LONGEST_HISTORY:
            raise ModelOutputInvalid(f"the history has {len(text)} characters: at most {LONGEST_HISTORY} are kept")
        return History(text)

    async def create(self, context: StageContext, outputs: Outputs) -> Character:
        """Put the character into its owner's library.

        Done again, it replaces what it has put there itself; what its owner has changed since stands.
        """
        now = datetime.now(UTC)
        made = replace(
            character_of(context.address.id, self.order, outputs, context.timings),
            maker=self.tools.maker.name,
            create_time=now,
            update_time=now,
            expire_time=now + self.tools.keep,
        )

        def put(before: Character | None) -> Character:
            if before is None:
                return made
            if before.update_time != before.create_time:  # its owner has changed or saved it
                return before
            made_at = before.create_time
            return replace(made, avatar=before.avatar, etag=before.etag, create_time=made_at, update_time=made_at)

        shelf = Shelf(self.tools.records)
        await shelf.note_owner(context.address.owner)
        kept = await shelf.change(context.address, put)
        if (kept.details, kept.history) != (made.details, made.history):
            context.log("the character has been changed since it was first made: it stays as it is", LogLevel.WARNING)
        return kept

    async def queue_avatar(self, context: StageContext, outputs: Outputs) -> Character:
        """Note durably that an avatar is to be painted, and link its generation in the character."""
        _output(outputs, CREATE, Character)
        task = avatars.painting(context.address)

        def link(before: Character | None) -> Character:
            if before is None:
                raise Conflict("the character is in the library no more: retry from stage create_character")
            if before.avatar.generation_id:  # linked before an interruption, and perhaps painted by now
                return before
            return replace(before, avatar=Avatar(AvatarState.PENDING, task.generation_id))

        shelf = Shelf(self.tools.records)
        kept = await shelf.change(context.address, link)
        if kept.avatar == Avatar(AvatarState.PENDING, task.generation_id):
            wanted = partial(shelf.waits_for, context.address, task.generation_id)
            await avatars.queue(self.tools.records, task, wanted)
            self.tools.queued()
        return kept

    def _wish(self, outputs: Outputs) -> Wish:
        """Return all that is known before the character is made up."""
        looks = outputs.get(EXTRACT)
        return replace(self.order.wish, looks=looks if isinstance(looks, Looks) else None)

    def _picture(self) -> PictureRef:
        if self.order.picture is None:
            raise TypeError("only an order with a picture has stages for it")
        return self.order.picture

    async def _pixels(self, context: StageContext) -> bytes:
        return await context.blobs.get(self._picture().blob.name)


async def _stream(context: StageContext, begin: Callable[..., AsyncGenerator[str, None]]) -> str:
    """Write what a maker yields, behind what the stage has written; return the stage's whole text."""
    if before := context.written:
        try:
            return await _append(context, begin(written=before))
        except ModelOutputInvalid as error:
            context.restart(error.message)
    return await _append(context, begin())


async def _append(context: StageContext, pieces: AsyncGenerator[str, None]) -> str:
    """Write pieces as they come; return the stage's whole text. Words are counted by the spaces between them."""
    text = context.written
    async with aclosing(pieces) as stream:
        async for piece in stream:
            text += piece
            context.text(piece, step=len(text.split()))
    return text


def _output(outputs: Outputs, stage: str, cls: type[T]) -> T:
    value = outputs[stage]
    if not isinstance(value, cls):
        raise TypeError(f"stage {stage} should have put out a {cls.__name__}")
    return value

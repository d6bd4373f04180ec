"""Who paints: the model that is configured, or the bundled painter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog

from fabula.backends.image import ImageCard, ImageModel
from fabula.backends.image_settings import parse_image_model
from fabula.backends.open_image_model import open_image_model
from fabula.errors import FabulaError, Unavailable
from fabula.settings.parts import ImageModelSettings

_log = structlog.get_logger(__name__)

Publish = Callable[[ImageCard], Awaitable[None]]


class Painter:
    """A model, and who is at work with it in this worker.

    Args:
        model: Paints.
        publish: Tells servers what it can do.

    Attributes:
        model: The same.
        known: What the model can do, once it was loaded.
        at_work: Requests that are being denoised, or wait for it.
    """

    def __init__(self, model: ImageModel, publish: Publish) -> None:
        self.model = model
        self.known: ImageCard | None = None
        self.at_work = 0
        self._publish = publish
        self._published: ImageCard | None = None
        self._loading = asyncio.Lock()

    @property
    def name(self) -> str:
        """What results call the model."""
        return self.model.name

    async def card(self) -> ImageCard:
        """Load the model, if it is not loaded, and return what it can do. Raises as `ImageModel.card`."""
        async with self._loading:
            self.known = await self.model.card()
            if self.known != self._published:
                await self._tell(self.known)
        return self.known

    async def warm(self) -> None:
        """Load the model for nobody: nobody should wait for it who need not."""
        try:
            await self.card()
        except FabulaError as error:  # the next request tries again, and its log will tell
            _log.error("painter_not_loaded", model=self.name, reason=error.message)
        except Exception:  # noqa: BLE001 - the worker lives on
            _log.exception("painter_not_loaded", model=self.name)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count a request as at work while the block lasts."""
        self.at_work += 1
        try:
            yield
        finally:
            self.at_work -= 1

    async def _tell(self, card: ImageCard) -> None:
        try:
            await self._publish(card)
        except Unavailable as error:
            _log.warning("model_card_not_published", reason=error.message)
        else:
            self._published = card
            _log.info("painter_loaded", model=card.name, refiner=card.refiner, device=card.device, dtype=card.dtype)


@asynccontextmanager
async def open_painter(settings: ImageModelSettings, publish: Publish) -> AsyncIterator[Painter]:
    """Open the painter that the settings ask for, and begin to load it; it is released when the block is left.

    Raises:
        InvalidRequest: a model is named in a form that is not known.
    """
    painter = Painter(open_image_model(parse_image_model(settings)), publish)
    try:
        async with asyncio.TaskGroup() as tasks:
            warming = tasks.create_task(painter.warm())
            yield painter
            warming.cancel()
    finally:
        await painter.model.close()

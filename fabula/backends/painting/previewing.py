"""Makes previews beside the work: steps go on to the reader at once, previews when they are ready, in order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fabula.backends.image import PreviewMade, Step
from fabula.backends.painting.inbox import Inbox
from fabula.backends.painting.previews import Projection, make_previews

Steps = AsyncGenerator[tuple[Step, bytes], None]


class Previewing:
    """Previews of one request.

    Args:
        projection: How latents become colours; None where a decoder makes the previews, or nobody does.
        longest_side: Of the finished pictures, in pixels.
    """

    def __init__(self, projection: Projection | None, longest_side: int) -> None:
        self._projection = projection
        self._longest_side = longest_side

    async def merge(self, steps: Steps) -> AsyncGenerator[Step | PreviewMade, None]:
        """Yield the steps, and between them the previews; the last of these before the generator ends.

        Args:
            steps: Each step, with what a preview of it is made from. Closed with the generator.
        """
        events: Inbox[Step | PreviewMade] = Inbox()
        due: Inbox[tuple[int, bytes]] = Inbox()
        tasks = [
            asyncio.create_task(self._pass_on(steps, events, due), name="steps"),
            asyncio.create_task(self._make(due, events), name="previews"),
        ]
        try:
            async with aclosing(events.read()) as merged:
                async for event in merged:
                    yield event
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(tasks)

    async def _pass_on(self, steps: Steps, events: Inbox[Step | PreviewMade], due: Inbox[tuple[int, bytes]]) -> None:
        try:
            async with aclosing(steps):
                async for step, preview in steps:
                    await events.put(step)
                    if preview:
                        await due.put((step.done, preview))
        except Exception as error:  # noqa: BLE001 - whatever it is, the reader raises it
            await events.end(error)
        else:
            await due.end()

    async def _make(self, due: Inbox[tuple[int, bytes]], events: Inbox[Step | PreviewMade]) -> None:
        try:
            async with aclosing(due.read()) as previews:
                async for done, preview in previews:
                    images = await asyncio.to_thread(make_previews, preview, self._projection, self._longest_side)
                    for index, image in enumerate(images):
                        await events.put(PreviewMade(done, index, image))
        except Exception as error:  # noqa: BLE001 - the same
            await events.end(error)
        else:
            await events.end()

from __future__ import annotations

import asyncio
from contextlib import aclosing

from fabula.journal import Journal
from tests.nats import new_address


async def test_a_cancel_at_any_moment_ends_what_is_cancelled(journal: Journal, kind: str) -> None:
    """Even in the moment in which an answer comes: nobody works on who was told to stop."""

    async def follow() -> None:
        async with aclosing(journal.previews.follow(new_address(kind))) as previews:
            async for _ in previews:
                pass

    for number in range(400):
        following = asyncio.ensure_future(follow())
        await asyncio.sleep(number % 40 * 0.00003)
        following.cancel()
        await asyncio.wait({following}, timeout=5)
        assert following.cancelled(), f"the {number}th follower works on"

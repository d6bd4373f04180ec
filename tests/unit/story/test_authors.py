"""Who writes, by the settings."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from fabula.settings import TextModelSettings, load
from services.story.authors import open_author
from services.story.grammar.english import _engine


async def warmed() -> None:
    """Open the bundled author, and leave it when its slow part has been loaded without any story."""
    async with asyncio.timeout(50), open_author(load(TextModelSettings)) as author:
        assert "grammar/1" == author.name
        while not _engine.cache_info().currsize:  # noqa: ASYNC110 - an import has no event
            await asyncio.sleep(0.01)


def test_the_bundled_author_is_warm_before_its_first_story() -> None:
    """A worker loads all of it in the background as it starts: the first story need not wait for it."""
    code = f"import asyncio, {__name__} as t; asyncio.run(t.warmed())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=55, check=False)
    assert (0, "") == (done.returncode, done.stderr)

"""The page in a real Chromium, before the whole system."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.e2e.browser import CHROMIUM, Reader, reading
from tests.e2e.stories import PREMISE, Api, api_of
from tests.system import System

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install one, or name it in CHROMIUM"),
    pytest.mark.timeout(120),
]


def paragraphs(found: Any) -> list[str]:
    """Return the paragraphs of a story as the API tells it."""
    return [
        paragraph.strip()
        for chapter in found["story"]["chapters"]
        for paragraph in chapter["text"].split("\n\n")
        if paragraph.strip()
    ]


async def check_end(reader: Reader, api: Api, story: str) -> None:
    """Check that the page has come to the end, with the text that the API tells, and showed it without a fault."""
    await reader.until_state("Done")
    await reader.keep_diary()
    reader.check_only_grew()
    assert paragraphs(await api.read(story)) == await reader.shown()
    assert [""] == sorted(set(reader.notices)), "something was said to have gone wrong"


async def test_a_story_from_the_page_with_a_reload_in_the_middle(house: System, tmp_path: Path) -> None:
    """Asked for in the form and watched as it is written; after a reload it goes on, and nothing is there twice."""
    async with api_of(house) as api, reading(house.url) as reader:
        await reader.page.screenshot(path=tmp_path / "form.png")
        story = await reader.ask_for(PREMISE, words=240, chapters=2)
        await reader.until_shown(60)
        await reader.page.screenshot(path=tmp_path / "writing.png")
        await reader.reload()
        await reader.until_shown(150)
        await check_end(reader, api, story)
        await reader.page.screenshot(path=tmp_path / "done.png", full_page=True)

        result = (await api.read(story))["story"]
        await expect(reader.page.locator("#title-shown")).to_have_text(result["title"])
        await expect(reader.page.locator("#wish")).to_have_text(PREMISE)
        await expect(reader.page.locator("#shelf a").first).to_have_attribute("href", f"#{story}")
        await expect(reader.page.locator("#colophon")).to_contain_text("bundled author (grammar/1")


async def test_the_page_outlives_the_gateway_and_the_story_server(house: System, tmp_path: Path) -> None:
    """Both are killed while it watches: it says that it connects again, and shows every word once."""
    async with api_of(house) as api, reading(house.url) as reader:
        story = await reader.ask_for(PREMISE, words=400, chapters=2)
        await reader.until_shown(30)
        server = await asyncio.to_thread(house.kill, "story-server")
        await asyncio.to_thread(house.until_replaced, "story-server", server)
        await reader.until_shown(80)
        gateway = await asyncio.to_thread(house.kill, "gateway")
        await expect(reader.page.locator("#connection")).to_contain_text("again")
        await reader.page.screenshot(path=tmp_path / "reconnecting.png")
        await asyncio.to_thread(house.until_replaced, "gateway", gateway)
        await expect(reader.page.locator("#connection")).to_have_text("Live", timeout=20_000)
        await check_end(reader, api, story)


async def test_pause_go_on_and_cancel_on_the_page(house: System, tmp_path: Path) -> None:
    """The buttons do to the story what they say, and a reload shows it as it stands."""
    async with api_of(house) as api, reading(house.url) as reader:
        story = await reader.ask_for(PREMISE, words=400)
        await reader.until_shown(30)
        await reader.press("Pause")
        await reader.until_state("Paused")
        assert "PAUSED" == await api.state(story)
        await reader.page.screenshot(path=tmp_path / "paused.png")
        standing = await reader.shown()
        await reader.reload()
        await reader.until_state("Paused")
        assert standing == await reader.shown()

        await reader.press("Go on")
        await reader.until_shown(len(" ".join(standing).split()) + 20)
        await reader.press("Cancel")
        await reader.until_state("Cancelled")
        await reader.page.screenshot(path=tmp_path / "cancelled.png")
        await reader.keep_diary()
        reader.check_only_grew()
        found = await api.read(story)
        assert "STATE_CANCELLED" == found["generation"]["state"]
        assert paragraphs(found) == await reader.shown()

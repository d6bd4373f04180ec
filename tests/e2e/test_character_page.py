"""A character on the page in a real Chromium, before the whole system, its avatar painted by the bundled painter."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.e2e.browser import CHROMIUM, PATIENCE_MILLISECONDS, reading
from tests.e2e.stories import api_of
from tests.system import System

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install one, or name it in CHROMIUM"),
    pytest.mark.timeout(240),  # torch is imported, twice perhaps, on a busy machine
]

PACE = 25.0
"""Words per second: slow enough to be interrupted in the middle."""
PAINTED_MILLISECONDS = 150_000


@pytest.fixture(name="system", scope="module")
def _system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system without stories: it starts sooner."""
    with System(tmp_path_factory.mktemp("up") / "data", PACE, generators="character,image") as system:
        yield system


async def test_a_character_outlives_a_reload_the_gateway_and_its_worker(system: System, tmp_path: Path) -> None:
    """Its history only grows, is what the API tells in the end, and then there is its avatar."""
    async with api_of(system) as api, reading(f"{system.url}/#character") as reader:
        page = reader.page
        await page.get_by_label("Who should it be?").fill("A brave knight of forty, afraid of geese.")
        await page.get_by_role("button", name="Make the character").click()
        await page.wait_for_url("**/#character-*")
        id_ = page.url.partition("#")[2]
        await reader.until_shown(25)
        await reader.reload()
        await reader.until_shown(50)
        worker = await asyncio.to_thread(system.kill, "character-worker")
        gateway = await asyncio.to_thread(system.kill, "gateway")
        await expect(page.locator("#connection")).to_contain_text("again")
        await asyncio.to_thread(system.until_replaced, "gateway", gateway)
        await asyncio.to_thread(system.until_replaced, "character-worker", worker)
        await reader.until_state("Done")
        await page.screenshot(path=tmp_path / "told.png", full_page=True)
        repaint = page.get_by_role("button", name="Paint another")
        await expect(repaint).to_be_visible(timeout=PAINTED_MILLISECONDS)
        await page.wait_for_function(
            "() => document.getElementById('avatar-image').naturalWidth > 0", timeout=PATIENCE_MILLISECONDS
        )
        await page.screenshot(path=tmp_path / "painted.png", full_page=True)
        await reader.keep_diary()
        reader.check_only_grew()
        kept = (await api.http.get(f"/v1/characters/{id_}")).json()

        assert kept["history"].split("\n\n") == await reader.shown()
        assert "AVATAR_STATE_READY" == kept["avatar"]["state"]
        assert [""] == sorted(set(reader.notices)), "something was said to have gone wrong"
        await expect(page.locator("#details")).to_contain_text(kept["details"]["physicalDescription"])

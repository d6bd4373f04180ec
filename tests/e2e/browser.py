"""A real Chromium on the page of a system, with a diary of everything that the page has shown."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

from playwright.async_api import Page, async_playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), "")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MILLISECONDS = 40_000

_DIARY = """
window.diary = {texts: [], connections: [], notices: []};
const note = (list, text) => { if (list.at(-1) !== text) list.push(text); };
const shown = (id) => { const it = document.getElementById(id); return it && !it.hidden ? it.textContent : ""; };
new MutationObserver(() => {
  const paragraphs = [...document.querySelectorAll("#text p")].map((each) => each.textContent);
  note(diary.texts, paragraphs.join("\\n\\n"));
  note(diary.connections, shown("connection"));
  note(diary.notices, shown("notice") || shown("failure") || shown("form-problem"));
}).observe(document, {subtree: true, childList: true, characterData: true, attributes: true});
"""


@dataclass
class Reader:
    """Somebody who looks at the page.

    Attributes:
        page: The page.
        errors: Errors of the page's scripts, and what its console calls an error.
        texts: Every text of the story that was shown, in order; over reloads, too.
        connections: What the page said of its connection.
        notices: What it said had gone wrong.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    connections: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    async def ask_for(self, premise: str, **wishes: int) -> str:
        """Fill in the form and send it; return the story's id."""
        await self.page.get_by_label("What should the story be about?").fill(premise)
        await self.page.get_by_text("More wishes").click()
        for name, value in wishes.items():
            await self.page.locator(f"#{name}").fill(str(value))
        await self.page.get_by_role("button", name="Write it").click()
        await self.page.wait_for_url("**/#story-*")
        return self.page.url.partition("#")[2]

    async def until_shown(self, words: int) -> None:
        """Wait until so many words of the story can be read."""
        await self.page.wait_for_function(
            "count => document.getElementById('text').innerText.split(/\\s+/).length > count",
            arg=words,
            timeout=PATIENCE_MILLISECONDS,
        )

    async def until_state(self, word: str) -> None:
        """Wait until the page says that the story is in this state."""
        await expect(self.page.locator("#state")).to_have_text(word, timeout=PATIENCE_MILLISECONDS)

    async def press(self, name: str) -> None:
        """Press a button."""
        await self.page.get_by_role("button", name=name).click()

    async def reload(self) -> None:
        """Reload the page, and keep the diary."""
        await self.keep_diary()
        await self.page.reload()

    async def keep_diary(self) -> None:
        """Copy what the page's diary says; it is lost with the page."""
        diary = await self.page.evaluate("window.diary")
        self.texts += diary["texts"]
        self.connections += diary["connections"]
        self.notices += diary["notices"]

    async def shown(self) -> list[str]:
        """Return the paragraphs that stand there now."""
        return await self.page.locator("#text p").all_text_contents()

    def check_only_grew(self) -> None:
        """Check that each text that was shown went on from the one before: nothing lost, repeated or changed."""
        texts = [text for text in self.texts if text]
        for before, after in pairwise(texts):
            assert after.startswith(before), f"{before[-200:]!r} became {after[-200:]!r}"
        assert len(texts) > 5


@asynccontextmanager
async def reading(url: str) -> AsyncIterator[Reader]:
    """Open the page, and check in the end that no script of it has failed."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        page = await browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="light")
        reader = Reader(page)
        page.on("pageerror", lambda error: reader.errors.append(str(error)))
        await page.add_init_script(_DIARY)
        await page.goto(url)
        yield reader
        await browser.close()
        assert [] == reader.errors

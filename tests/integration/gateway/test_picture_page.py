"""Pictures on the page, in a real Chromium, before a service that serves scripted logs."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Page, expect

from fabula.api.image.v1 import image_pb2
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import CHROMIUM, OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedImages, ScriptedLog, ScriptedServer, ScriptedStories, until

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install one, or name it in CHROMIUM")

SHOWN = "() => [...document.querySelectorAll('#canvas img')].map(each => each.hidden ? 0 : each.naturalWidth)"


def png(side: int, colour: str = "teal") -> bytes:
    """Return a picture; by its side a test knows it again."""
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def url(gateway: Gateway, place: str = "") -> str:
    """The page, or a place on it."""
    return f"http://{gateway.host}/{f'#{place}' if place else ''}"


def show(log: ScriptedLog, side: int, step: int, index: int = 0) -> None:
    """Show a preview."""
    log.show(preview={"image": png(side), "media_type": "image/png", "step": step, "index": index})


async def until_shown(page: Page, *sides: int) -> None:
    """Wait until pictures of these sides stand there; 0 is none."""
    shown: list[int] = []
    async with asyncio.timeout(15):
        while (shown := await page.evaluate(SHOWN)) != list(sides):  # noqa: ASYNC110 - the page is asked
            await asyncio.sleep(0.02)
    assert list(sides) == shown


async def test_a_picture_from_the_form_to_its_end_with_a_reload_in_the_middle(
    page: Page, gateway: Gateway, images: ScriptedImages, tmp_path: Path
) -> None:
    """It forms as its previews come; a reload shows the newest; finished, it is the file itself."""
    await page.goto(url(gateway))
    await page.get_by_role("link", name="A picture").click()
    await page.get_by_label("What should the picture show?").fill("A castle by the sea.")
    await page.get_by_text("How it is painted").click()
    await page.get_by_label("Shape").select_option("landscape")
    await page.get_by_role("button", name="Paint it").click()
    await expect(page.locator("#state")).to_have_text("Painting")
    (log,) = images.logs.values()
    asked = log.responses[0].request
    assert ("A castle by the sea.", 312, 208) == (asked.prompt, asked.width, asked.height)
    assert page.url.endswith(f"#{log.id}")

    await until(lambda: bool(images.open_watches))
    show(log, 32, 5)
    await until_shown(page, 32)
    show(log, 48, 10)
    await until_shown(page, 48)
    await page.reload()
    await until_shown(page, 48)
    await expect(page.get_by_role("heading", name="A castle by the sea.")).to_be_visible()

    images.paint(log, png(64))
    await expect(page.locator("#state")).to_have_text("Done")
    await until_shown(page, 64)
    await expect(page.locator("#colophon")).to_contain_text("painted by the bundled painter (painter/1")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download").click()
    saved = await download.value
    await saved.save_as(tmp_path / "castle.png")
    assert "a-castle-by-the-sea.png" == saved.suggested_filename
    assert png(64) == (tmp_path / "castle.png").read_bytes()
    await page.reload()
    await until_shown(page, 64)


async def test_several_pictures_form_side_by_side(page: Page, gateway: Gateway, images: ScriptedImages) -> None:
    """Each in its own frame, from its own previews."""
    log = images.new()
    log.responses[0].request.CopyFrom(image_pb2.ImageRequest(prompt="Owls", count=2, width=64, height=64))
    await page.goto(url(gateway, log.id))
    await until_shown(page, 0, 0)
    await until(lambda: bool(images.open_watches))
    show(log, 32, 5, index=1)
    await until_shown(page, 0, 32)
    show(log, 48, 5, index=0)
    await until_shown(page, 48, 32)
    images.paint(log, png(64), png(65))
    await until_shown(page, 64, 65)


async def test_a_picture_is_paused_resumed_and_cancelled(page: Page, gateway: Gateway, images: ScriptedImages) -> None:
    """What was seen of it stays, in a reload as well."""
    log = images.new()
    await page.goto(url(gateway, log.id))
    await until(lambda: bool(images.open_watches))
    show(log, 32, 5)
    await until_shown(page, 32)
    for button, word in (("Pause", "Paused"), ("Go on", "Painting"), ("Cancel", "Cancelled")):
        await page.get_by_role("button", name=button).click()
        await expect(page.locator("#state")).to_have_text(word)
        await page.reload()
        await expect(page.locator("#state")).to_have_text(word)
        await until_shown(page, 32)
    assert ["PauseGeneration", "ResumeGeneration", "CancelGeneration"] == [rpc for rpc, _ in images.commands]


async def test_a_wish_that_is_refused_is_shown_at_its_field(
    page: Page, gateway: Gateway, images: ScriptedImages
) -> None:
    """The field is opened and focused; nothing is started."""
    await page.goto(url(gateway, "picture"))
    await page.get_by_label("What should the picture show?").fill("A castle.")
    await page.get_by_text("How it is painted").click()
    await page.get_by_label("Steps", exact=True).fill("5000")
    await page.get_by_text("How it is painted").click()
    await page.get_by_role("button", name="Paint it").click()

    await expect(page.locator("#picture-form .problem")).to_contain_text("steps")
    await expect(page.get_by_label("Steps", exact=True)).to_be_focused()
    assert {} == images.logs


async def test_stories_and_pictures_stand_on_one_shelf(
    page: Page, gateway: Gateway, images: ScriptedImages, stories: ScriptedStories
) -> None:
    """Newest first; from one to the other and back, each shows its own."""
    told = stories.new()
    told.append(stage_started={"stage": "write-1"})
    told.write("The lamp burned.")
    await asyncio.sleep(0.01)
    painted = images.new()
    images.paint(painted, png(64))
    await page.goto(url(gateway))

    await expect(page.locator("#shelf small")).to_contain_text(["Picture · Done", "Writing"])
    links = page.locator("#shelf a")
    await links.nth(0).click()
    await until_shown(page, 64)
    await expect(page.locator("#text")).to_be_empty()
    await links.nth(1).click()
    await expect(page.locator("#text")).to_contain_text("The lamp burned.")
    await expect(page.locator("#canvas")).to_be_hidden()


async def test_without_a_painter_there_are_only_stories(
    page: Page, open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Nothing on the page speaks of pictures that nobody could paint."""
    async with open_gateway(server.address, generators=("story",)) as gateway:
        async with page.expect_response("**/v1/images/model"):
            await page.goto(url(gateway))
        await expect(page.locator("#shelf-title")).to_have_text("My stories")
        await expect(page.locator("#switch")).to_be_hidden()


async def test_a_painter_that_gets_ready_is_waited_for(page: Page, gateway: Gateway, images: ScriptedImages) -> None:
    """The form says so until it is there."""
    ready, images.model = images.model, None
    await page.goto(url(gateway, "picture"))
    await expect(page.locator("#painter-hint")).to_be_visible()
    images.model = ready
    await expect(page.locator("#painter-hint")).to_be_hidden()


async def test_pictures_of_somebody_with_a_token(page: Page, open_gateway: OpenGateway) -> None:
    """The bytes are fetched with it: an image element could not."""
    images = ScriptedImages(SECRET)
    guarded = ScriptedServer(ScriptedStories(SECRET), images)
    await guarded.start()
    log = images.new(1, "ada")
    images.paint(log, png(64))
    async with open_gateway(guarded.address, jwt_secret=SECRET) as gateway:
        await page.goto(url(gateway, log.id))
        await page.get_by_label("Token").fill(token("ada"))
        await page.get_by_role("button", name="Continue").click()
        await until_shown(page, 64)
        await page.goto("about:blank")
        await until(lambda: not gateway.house.connections)
    await guarded.stop()

"""The plain page in a real Chromium, before a service that serves scripted logs."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import CHROMIUM, OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedLog, ScriptedServer, ScriptedStories

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install one, or name it in CHROMIUM")


def url(gateway: Gateway, log: ScriptedLog | None = None) -> str:
    """The page, or a story on it."""
    return f"http://{gateway.host}/" + (f"#{log.id}" if log else "")


def begin_writing(log: ScriptedLog) -> None:
    """Append what comes before the first word."""
    log.append(stage_started={"stage": "outline", "agents": ["Planner"]})
    chapters = [{"number": 1, "title": "The Lamp", "summary": "It goes out."}, {"number": 2, "title": "The Sea"}]
    log.finish("outline", outline={"title": "The Keeper", "chapters": chapters})
    log.append(stage_started={"stage": "write-1", "agents": ["Writer"]})


async def test_a_story_from_the_form_to_its_end_with_a_reload_in_the_middle(
    page: Page, gateway: Gateway, stories: ScriptedStories, tmp_path: Path
) -> None:
    """The premise is all that is needed; the text grows as it is written, and a reload loses nothing."""
    await page.goto(url(gateway))
    await page.get_by_label("What should the story be about?").fill("A keeper and her lamp.")
    await page.get_by_role("button", name="Write it").click()
    await expect(page.locator("#state")).to_have_text("Writing")
    (log,) = stories.logs.values()
    assert "A keeper and her lamp." == log.responses[0].request.premise
    assert page.url.endswith(f"#{log.id}")

    begin_writing(log)
    log.write("The lamp burned. ")
    await expect(page.locator("#text")).to_contain_text("The lamp burned.")
    await expect(page.get_by_role("heading", name="The Keeper")).to_be_visible()
    await expect(page.get_by_role("heading", name="The Lamp")).to_be_visible()

    await page.reload()
    await expect(page.locator("#text")).to_contain_text("The lamp burned.")
    log.write("Then it did not.\n\nShe went down.")
    await expect(page.locator("#text p")).to_have_text(["The lamp burned. Then it did not.", "She went down."])

    log.finish("write-1", chapter={"number": 1, "title": "The Lamp", "text": "The lamp burned."})
    log.finish("review-1", review={"accepted": False, "findings": [{"check": "length", "reason": "too short"}]})
    story = {
        "title": "The Keeper",
        "text": "# The Keeper\n\nAll of it.",
        "word_count": 3,
        "model": "grammar/1",
        "seed": 7,
    }
    log.succeed(story={**story, "chapters": [{"number": 1, "title": "The Lamp", "text": "All of it."}]})
    await expect(page.locator("#state")).to_have_text("Done")
    await expect(page.locator("#text p")).to_have_text("All of it.")
    await expect(page.locator("#colophon")).to_contain_text("3 words, written by the bundled author (grammar/1")
    await expect(page.locator("#reviews")).to_contain_text("length: too short")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Download").click()
    saved = await download.value
    await saved.save_as(tmp_path / "story.md")
    assert "the-keeper.md" == saved.suggested_filename
    assert "# The Keeper\n\nAll of it." == (tmp_path / "story.md").read_text()


async def test_the_page_goes_on_by_itself_when_its_connection_is_lost(
    page: Page, gateway: Gateway, stories: ScriptedStories, open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """It says so, tries again, and shows every word once."""
    log = stories.new()
    begin_writing(log)
    port = {"http_port": gateway.house.settings.http_port}
    log.write("one ")
    await page.goto(url(gateway, log))
    await expect(page.locator("#text p")).to_have_text("one")
    await expect(page.locator("#connection")).to_have_text("Live")
    await gateway.end()
    await expect(page.locator("#connection")).to_contain_text("again")
    log.write("two ")
    async with open_gateway(server.address, **port):
        await expect(page.locator("#text p")).to_have_text("one two", timeout=15_000)
        await expect(page.locator("#connection")).to_have_text("Live")
        log.write("three")
        await expect(page.locator("#text p")).to_have_text("one two three")


async def test_pause_go_on_cancel(page: Page, gateway: Gateway, stories: ScriptedStories) -> None:
    """The buttons are those that the state allows, and each does what it says."""
    log = stories.new()
    begin_writing(log)
    await page.goto(url(gateway, log))
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#state")).to_have_text("Paused")
    await expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    await page.get_by_role("button", name="Go on").click()
    await expect(page.locator("#state")).to_have_text("Writing")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#state")).to_have_text("Cancelled")

    assert ["PauseGeneration", "ResumeGeneration", "CancelGeneration"] == [rpc for rpc, _ in stories.commands]


async def test_a_failure_says_why_and_can_be_tried_again(
    page: Page, gateway: Gateway, stories: ScriptedStories
) -> None:
    """After a retry the new run is watched from where the old one ended; what it does again replaces what was."""
    log = stories.new()
    begin_writing(log)
    log.write("A bad beginning")
    log.append(
        failed={"stage": "write-1", "failure": {"code": "MODEL_CRASHED", "message": "The model's process died."}}
    )
    await page.goto(url(gateway, log))
    await expect(page.locator("#failure")).to_have_text("The model's process died.")
    await page.get_by_role("button", name="Try again").click()
    await expect(page.locator("#state")).to_have_text("Writing")
    await expect(page.locator("#failure")).to_be_hidden()
    log.append(stage_started={"stage": "write-1", "agents": ["Writer"]})
    log.write("A good one")

    await expect(page.locator("#text p")).to_have_text("A good one")


async def test_a_restarted_stage_and_a_revised_draft_replace_the_text(
    page: Page, gateway: Gateway, stories: ScriptedStories
) -> None:
    """Void text goes away, and a draft takes the place of what was written live."""
    log = stories.new()
    begin_writing(log)
    log.write("void")
    await page.goto(url(gateway, log))
    await expect(page.locator("#text p")).to_have_text("void")
    log.append(stage_restarted={"stage": "write-1", "reason": "the worker died"})
    log.write("good")
    await expect(page.locator("#text p")).to_have_text("good")
    log.finish("edit-1", draft={"chapters": [{"number": 1, "title": "The Lamp", "text": "Edited."}]})

    await expect(page.locator("#text p")).to_have_text("Edited.")


async def test_a_reset_starts_the_page_over(page: Page, gateway: Gateway, stories: ScriptedStories) -> None:
    """What the snapshot says is all that counts."""
    log = stories.new()
    begin_writing(log)
    log.write("one ")
    await page.goto(url(gateway, log))
    await expect(page.locator("#text p")).to_have_text("one")
    stories.faults.reset_next = 1
    log.cut()
    log.write("two")

    await expect(page.locator("#text p")).to_have_text("one two")


async def test_content_is_never_taken_for_markup(page: Page, gateway: Gateway, stories: ScriptedStories) -> None:
    """Tags in a story are letters."""
    log = stories.new()
    begin_writing(log)
    log.write("<img src=x onerror=alert(1)><b>bold</b>")
    await page.goto(url(gateway, log))

    await expect(page.locator("#text p")).to_have_text("<img src=x onerror=alert(1)><b>bold</b>")
    assert 0 == await page.locator("#text img, #text b").count()


async def test_an_unknown_story_is_said_to_be_unknown(page: Page, gateway: Gateway) -> None:
    """No empty story, no endless waiting."""
    await page.goto(f"{url(gateway)}#story-00000000-0000-4000-8000-999999999999")

    await expect(page.locator("#notice")).to_have_text("There is no such story here.")
    await expect(page.locator("#generation")).to_be_hidden()


async def test_a_wish_that_is_refused_is_shown_at_its_field(page: Page, gateway: Gateway) -> None:
    """The reason is shown, and the field is where the cursor stands."""
    await page.goto(url(gateway))
    await page.get_by_label("What should the story be about?").fill("An owl.")
    await page.get_by_text("More wishes").click()
    await page.get_by_label("Words").fill("10")
    await page.get_by_role("button", name="Write it").click()

    await expect(page.locator("#form-problem")).to_contain_text("words")
    await expect(page.get_by_label("Words")).to_be_focused()


async def test_where_a_token_is_needed_the_page_asks_for_it(page: Page, open_gateway: OpenGateway) -> None:
    """Once given, the owner's stories are there, and can be watched."""
    guarded = ScriptedServer(ScriptedStories(SECRET))
    await guarded.start()
    log = guarded.stories.new(1, "ada")
    begin_writing(log)
    log.write("hers")
    async with open_gateway(guarded.address, jwt_secret=SECRET) as gateway:
        await page.goto(url(gateway, log))
        await page.get_by_label("Token").fill(token("ada"))
        await page.get_by_role("button", name="Continue").click()

        await expect(page.locator("#text p")).to_have_text("hers")
        await expect(page.locator("#shelf a")).to_have_count(1)
        await page.goto("about:blank")
    await guarded.stop()

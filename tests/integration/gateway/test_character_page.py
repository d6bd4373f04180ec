"""Characters on the page, in a real Chromium, before real services of characters and pictures."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright, expect

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import InvalidRequest
from fabula.journal.embedded import EmbeddedServer
from tests.integration.character.house import Customer, picture_file
from tests.integration.character.studio import Studio, open_studio, until_avatar
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import CHROMIUM, FLAGS, running_gateway
from tests.integration.story.house import SECRET, token
from tests.scripted_service import ScriptedServer, ScriptedStories
from tests.unit.image.sketches import Sketcher

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install one, or name it in CHROMIUM"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(120),
]

ALL = ("story", "character", "image")
PATIENCE_MILLISECONDS = 20_000
WHO = "Who should it be?"


@dataclass
class Place:
    """Where somebody looks at the page.

    Attributes:
        studio: The services of characters and pictures.
        stories: The service of stories.
        gateway: Before them.
        browser: What opens the page.
        failures: What failed in the page's scripts.
    """

    studio: Studio
    stories: ScriptedStories
    gateway: Gateway
    browser: Browser
    failures: list[str] = field(default_factory=list)

    def settings(self, **more: Any) -> dict[str, Any]:
        """Return how a gateway finds the services."""
        characters, images = self.studio.house.port, self.studio.images.port
        places = {"character_address": f"127.0.0.1:{characters}", "image_address": f"127.0.0.1:{images}"}
        return {**places, "generators": ALL, "jwt_secret": SECRET, **more}

    async def open(self, ida: Customer, at: str = "", gateway: Gateway | None = None) -> Page:
        """Open the page as somebody who has given their token."""
        page = await self.browser.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.on("pageerror", lambda error: self.failures.append(str(error)))
        page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
        await page.add_init_script(f"sessionStorage.setItem('token', '{ida.caller.token}')")
        await page.goto(f"http://{(gateway or self.gateway).host}/#{at}")
        return page


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """All services, a gateway and a browser."""
    stories = ScriptedServer(ScriptedStories(SECRET))
    await stories.start()
    async with (
        EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats,
        open_studio(nats.url) as studio,
        async_playwright() as playwright,
    ):
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        place = Place(studio, stories.stories, None, browser)  # type: ignore[arg-type]  # it is opened with its settings
        async with running_gateway(stories.address, **place.settings()) as place.gateway:
            yield place
            await browser.close()
    await stories.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def place(opened: Place) -> AsyncIterator[Place]:
    """The same, with doubles as new; no script may have failed."""
    yield opened
    for context in opened.browser.contexts:
        await context.close()
    opened.studio.model.go.set()
    opened.studio.house.renew()
    fresh = Sketcher()
    for name in fresh.__slots__:
        setattr(opened.studio.model, name, getattr(fresh, name))
    failures, opened.failures = opened.failures, []
    assert [] == failures


@pytest.fixture
def ida(opened: Place) -> Customer:
    """Somebody with a library of their own."""
    return opened.studio.house.customer()


@asynccontextmanager
async def gateway_with(place: Place, **settings: Any) -> AsyncIterator[Gateway]:
    """Run one more gateway, with settings of the test's own."""
    async with running_gateway(
        f"127.0.0.1:{place.gateway.house.settings.story_address.rpartition(':')[2]}", **place.settings(**settings)
    ) as gateway:
        yield gateway


async def ask(page: Page, description: str) -> str:
    """Ask for a character in the form; return its id."""
    await page.get_by_label(WHO).fill(description)
    await page.get_by_role("button", name="Make the character").click()
    await page.wait_for_url("**/#character-*")
    return page.url.partition("#")[2]


async def until_state(page: Page, word: str) -> None:
    """Wait until the page says that it stands so."""
    await expect(page.locator("#state")).to_have_text(word, timeout=PATIENCE_MILLISECONDS)


async def until_source(page: Page, scheme: str) -> None:
    """Wait until the avatar is a preview ("data") or the finished picture ("blob")."""
    await page.wait_for_function(f"() => document.getElementById('avatar-image').src.startsWith('{scheme}:')")


async def history_of(page: Page) -> str:
    """Return the history that is shown."""
    return "\n\n".join(await page.locator("#text p").all_text_contents())


async def test_a_character_from_the_form_to_its_avatar_with_reloads_in_between(place: Place, ida: Customer) -> None:
    """The sheet is there before the history, the history before the avatar; a reload loses and repeats nothing."""
    maker, painter = place.studio.house.maker, place.studio.model
    maker.hold_before, painter.hold_at = 3, 2
    page = await place.open(ida, "character")
    id_ = await ask(page, "a brave knight of forty")
    await until_state(page, "Making")
    await asyncio.wait_for(maker.held.wait(), 20)
    await expect(page.locator("#details")).to_contain_text("knight")
    await expect(page.locator("#text p").first).not_to_be_empty()
    await expect(page.locator("#stages")).not_to_contain_text("image")
    before = await history_of(page)
    await page.reload()
    await expect(page.locator("#avatar-state")).to_have_text("Its avatar is painted when its history is told.")
    assert before == await history_of(page)

    maker.go.set()
    await until_state(page, "Done")
    await expect(page.locator("#avatar-state")).to_contain_text("Painting, step 1 of")
    painter.hold_at = 8  # behind the first preview
    painter.go.set()
    painter.go.clear()
    await until_source(page, "data")
    await page.reload()
    await until_source(page, "data")
    await expect(page.locator("#avatar-state")).to_contain_text("Painting, step")
    painter.go.set()
    await until_source(page, "blob")
    kept = await ida.kept(id_)
    name = f"{kept.details.first_name} {kept.details.last_name}".strip()
    await expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    await expect(page.get_by_alt_text(f"Avatar of {name}")).to_be_visible()
    assert kept.history == await history_of(page)
    # It is one thing on the shelf: the picture that was painted for it is no other.
    await expect(page.locator("#shelf small")).to_have_count(1)


async def test_a_character_from_a_picture(place: Place, ida: Customer, tmp_path: Path) -> None:
    """Its stages are shown where there is one, and what was seen."""
    (tmp_path / "face.png").write_bytes(picture_file())
    page = await place.open(ida, "character")
    await page.get_by_label("Or as in a picture of yours").set_input_files(tmp_path / "face.png")
    await expect(page.get_by_alt_text("The picture that was chosen")).to_be_visible()
    await page.get_by_label("Paint an avatar").uncheck()
    await page.get_by_role("button", name="Make the character").click()
    await until_state(page, "Done")
    await page.reload()
    await page.get_by_text("What was seen in the picture").click()

    await expect(page.locator("#seen")).to_contain_text("teal")
    await expect(page.locator("#wish")).to_have_text("From the picture face.png")
    await expect(page.get_by_role("button", name="Paint an avatar")).to_be_visible()
    assert "Analyse image" in await page.locator("#stages").evaluate("list => list.textContent")


async def test_a_picture_that_cannot_be_taken_is_told_before_it_is_sent(
    place: Place, ida: Customer, tmp_path: Path
) -> None:
    """Too large, or none at all; nothing is started."""
    (tmp_path / "large.png").write_bytes(bytes(10 * 1024 * 1024 + 1))
    (tmp_path / "text.png").write_bytes(b"no picture")
    page = await place.open(ida, "character")
    chosen, problem = page.get_by_label("Or as in a picture of yours"), page.locator("#character-picture-problem")
    await chosen.set_input_files(tmp_path / "large.png")
    await expect(problem).to_contain_text("10 MiB at most")
    await chosen.set_input_files(tmp_path / "text.png")
    await expect(problem).to_contain_text("cannot be read as a picture")
    await page.get_by_role("button", name="Make the character").click()
    await expect(chosen).to_be_focused()
    await expect(page.locator("#character-form > .problem")).to_have_text("Choose another picture, or none.")
    await chosen.set_input_files([])
    await page.get_by_role("button", name="Make the character").click()

    await expect(page.locator("#character-form > .problem")).to_contain_text("Say in a few words who it is")
    assert [] == list((await ida.call("ListGenerations")).generations)


async def test_pause_go_on_cancel_discard(place: Place, ida: Customer) -> None:
    """The buttons do what they say; what was cancelled early is in no library, and can be discarded all the same."""
    maker = place.studio.house.maker
    maker.hold_before = 2
    page = await place.open(ida, "character")
    id_ = await ask(page, "a shy dragon")
    await asyncio.wait_for(maker.held.wait(), 20)
    await page.get_by_role("button", name="Pause").click()
    await until_state(page, "Paused")
    before = await history_of(page)
    await page.reload()
    await until_state(page, "Paused")
    assert before == await history_of(page)
    maker.hold_before = 4
    maker.held.clear()
    await page.get_by_role("button", name="Go on").click()
    await asyncio.wait_for(maker.held.wait(), 20)
    await page.get_by_role("button", name="Cancel").click()
    await until_state(page, "Cancelled")
    assert (await history_of(page)).startswith(before)
    await page.get_by_role("button", name="Discard").click()
    await page.wait_for_url("**/#character")

    assert id_ not in [one.id for one in (await ida.call("ListGenerations")).generations]


async def test_a_failure_says_why_and_can_be_tried_again(place: Place, ida: Customer) -> None:
    """And what was there before it stays."""
    place.studio.house.maker.telling = [(2, InvalidRequest("the maker has lost the thread"))]
    page = await place.open(ida, "character")
    await ask(page, "an old fox")
    await expect(page.locator("#failure")).to_contain_text("lost the thread")
    name = await page.locator("#title-shown").text_content()
    await page.get_by_role("button", name="Try again").click()
    await until_state(page, "Done")

    await expect(page.locator("#failure")).to_be_hidden()
    await expect(page.locator("#title-shown")).to_have_text(name or "")


async def test_an_avatar_that_has_failed_says_why_and_is_painted_again(place: Place, ida: Customer) -> None:
    """The one that stands stays until there is another."""
    place.studio.model.hold_at = 1
    character = await ida.made()
    page = await place.open(ida, character.id)
    await expect(page.locator("#avatar-state")).to_contain_text(re.compile("Painting|Being painted"))
    await place.studio.viewer(ida).call("CancelGeneration", generation_id=character.avatar.generation_id)
    await expect(page.locator("#avatar-state")).to_contain_text("could not be painted: it was cancelled")
    place.studio.model.hold_at = 0
    place.studio.model.go.set()
    await page.get_by_role("button", name="Paint again").click()
    await until_source(page, "blob")
    await page.get_by_role("button", name="Paint another").click()
    await expect(page.get_by_role("button", name="Paint another")).to_be_hidden()
    await expect(page.get_by_role("button", name="Paint another")).to_be_visible()


async def test_an_avatar_waits_for_an_image_service_that_does_not_answer(place: Place, ida: Customer) -> None:
    """The page says so, and does not take it for a lost connection."""
    place.studio.model.hold_at = 1
    character = await ida.made()
    async with gateway_with(place, image_address="127.0.0.1:1") as gateway:
        page = await place.open(ida, character.id, gateway)
        await expect(page.locator("#avatar-state")).to_have_text("The avatar waits for the image service.")
        await expect(page.locator("#connection")).to_have_text("Live")
        place.studio.model.go.set()
        await expect(page.get_by_role("button", name="Paint another")).to_be_visible()
        await page.close()


async def test_the_library_is_searched_kept_and_discarded(place: Place, ida: Customer) -> None:
    """Newest first, with portraits; more where there are more."""
    faceless = [await ida.start(f"a fox, number {number}", generate_avatar=False) for number in range(20)]
    for id_ in faceless:
        await ida.result(id_)
    knight = await ida.made("a brave knight of forty")
    await until_avatar(ida, knight.id, pb.AVATAR_STATE_READY)
    page = await place.open(ida, "characters")
    cards = page.locator("#library-list a")
    await expect(cards).to_have_count(20)
    await expect(cards.first).to_have_attribute("href", f"#{knight.id}")
    await page.wait_for_function("() => document.querySelector('#library-list img')?.naturalWidth > 0")
    await page.get_by_role("button", name="More").click()
    await expect(cards).to_have_count(21)
    await expect(page.get_by_role("button", name="More")).to_be_hidden()
    await page.get_by_label("Find characters").fill("KNIGHT")
    await expect(cards).to_have_count(1)
    await page.get_by_label("Which ones").select_option("Kept")
    await expect(page.locator("#library-said")).to_have_text("Nobody here is like that.")
    await page.get_by_label("Which ones").select_option("Not kept")
    await cards.click()
    await page.get_by_role("button", name="Keep").click()
    await expect(page.locator("#message")).to_have_text("kept in your library")
    assert (await ida.kept(knight.id)).saved
    await page.get_by_role("button", name="Discard").click()
    await page.wait_for_url("**/#characters")
    await expect(page.locator("#library-said")).to_have_text("Nobody here is like that.")
    assert knight.id not in await ida.listed()


async def test_a_character_outlives_its_generation(place: Place, ida: Customer) -> None:
    """The library has it still; one that it has not is said to be unknown."""
    character = await ida.made(generate_avatar=False)
    await ida.call("DeleteGeneration", generation_id=character.id)
    page = await place.open(ida, character.id)
    await expect(page.locator("#details")).to_contain_text("knight")
    await expect(page.locator("#notice")).to_be_hidden()
    page = await place.open(ida, "character-00000000-0000-4000-8000-999999999999")

    await expect(page.locator("#notice")).to_have_text("There is no such character here.")


async def test_changes_that_meet_are_told_and_lose_nothing(place: Place, ida: Customer) -> None:
    """What was typed stays, over a reload too; what somebody else wrote is shown beside it, or taken up."""
    character = await ida.made(generate_avatar=False)
    page = await place.open(ida, character.id)
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("First name").fill("<b>Ada</b>")
    await page.get_by_label("Afraid of").fill("ducks")
    theirs = pb.Details()
    theirs.CopyFrom((await ida.kept(character.id)).details)
    theirs.fear, theirs.goal = "swans", "a boat"
    await ida.call("UpdateCharacter", character_id=character.id, etag=character.etag, details=theirs)
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.locator("#edit-form .problem")).to_contain_text(
        "changed elsewhere while you wrote (wants, afraid of)"
    )
    await page.reload()
    await expect(page.get_by_label("First name")).to_have_value("<b>Ada</b>")
    await expect(page.get_by_label("Afraid of")).to_have_value("ducks")
    await expect(page.get_by_label("Wants")).to_have_value("a boat")
    await ida.call("SaveCharacter", character_id=character.id)  # which changes the etag, and nothing that is written
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.locator("#edit-form")).to_be_hidden()

    kept = await ida.kept(character.id)
    told = (kept.details.first_name, kept.details.fear, kept.details.goal, kept.history)
    assert ("<b>Ada</b>", "ducks", "a boat", character.history) == told
    await expect(page.locator("#title-shown")).to_have_text(f"<b>Ada</b> {kept.details.last_name}".strip())
    assert 0 == await page.locator("main b").count()


async def test_a_change_that_is_refused_is_told_at_its_field(place: Place, ida: Customer) -> None:
    """And leaving puts nothing into the library."""
    character = await ida.made(generate_avatar=False)
    page = await place.open(ida, character.id)
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Gender").fill(" ")
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.locator("#edit-form .problem")).to_have_text("Gender: must not be empty")
    await expect(page.get_by_label("Gender")).to_be_focused()
    await page.get_by_role("button", name="Leave as it was").click()
    await page.reload()

    await expect(page.get_by_role("button", name="Edit")).to_be_visible()
    assert character.etag == (await ida.kept(character.id)).etag


async def test_characters_are_cast_in_a_story(place: Place, ida: Customer) -> None:
    """Chosen by name, they go by their ids; the story shows them, and the way to them."""
    fox, knight = await ida.made("an old fox", generate_avatar=False), await ida.made("a knight", generate_avatar=False)
    page = await place.open(ida, fox.id)
    await page.get_by_role("button", name="Cast in a story").click()
    await page.get_by_label("What should the story be about?").fill("A key is lost.")
    await page.get_by_label("Find a character").fill("knight")
    await expect(page.locator("#cast-choice li")).to_have_count(2)  # the one that is chosen already stays
    await page.get_by_label(knight.details.first_name).check()
    await expect(page.locator("#cast-count")).to_have_text("2 chosen")
    await page.get_by_label("Characters, one a line").fill("Otto: a miller")
    await page.get_by_role("button", name="Write it").click()
    await page.wait_for_url("**/#story-*")
    names = [" ".join(filter(None, (one.details.first_name, one.details.last_name))) for one in (fox, knight)]
    for name in names:
        await expect(page.locator("#cast-shown").get_by_role("link", name=name)).to_be_visible()
    await expect(page.locator("#cast-shown")).to_contain_text("Otto")
    asked = place.stories.logs[page.url.partition("#")[2]].responses[0].request.characters
    await page.locator("#cast-shown").get_by_role("link", name=names[1]).click()

    await expect(page.locator("#title-shown")).to_have_text(names[1])
    assert [fox.id, knight.id, ""] == [one.id for one in asked]
    assert ["", "", "Otto"] == [one.name for one in asked]


async def test_without_a_painter_no_avatar_is_offered_or_asked_for(place: Place, ida: Customer) -> None:
    """Nothing on the page speaks of what nobody could do."""
    async with gateway_with(place, generators=("story", "character")) as gateway:
        page = await place.open(ida, "character", gateway)
        await expect(page.locator("#shelf-title")).to_have_text("My stories and characters")
        await expect(page.get_by_label("Paint an avatar")).to_be_hidden()
        id_ = await ask(page, "a knight")
        await until_state(page, "Done")
        await expect(page.get_by_role("button", name="Edit")).to_be_visible()
        await expect(page.get_by_role("button", name="Paint an avatar")).to_be_hidden()
        await page.close()
    assert pb.AVATAR_STATE_UNSPECIFIED == (await ida.kept(id_)).avatar.state


@pytest.mark.parametrize(("kind", "heading"), [("story", "What should the story be about?"), ("character", WHO)])
async def test_a_single_generator_is_all_that_is_offered(place: Place, ida: Customer, kind: str, heading: str) -> None:
    """Whatever the address asks for."""
    async with gateway_with(place, generators=(kind,)) as gateway:
        page = await place.open(ida, "picture", gateway)
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        await expect(page.get_by_role("link", name="A picture")).to_be_hidden()
        await expect(page.locator("#cast-field")).to_be_hidden()
        await page.close()


async def test_somebody_without_a_token_is_asked_for_it(place: Place) -> None:
    """Then the library is theirs, portraits included."""
    ida = place.studio.house.customer()
    character = await ida.made()
    assert pb.AVATAR_STATE_READY == (await until_avatar(ida, character.id, pb.AVATAR_STATE_READY)).state
    page = await place.browser.new_page()
    await page.goto(f"http://{place.gateway.host}/#characters")
    await page.get_by_label("Token").fill(token(ida.owner))
    await page.get_by_role("button", name="Continue").click()

    await expect(page.locator("#library-list a")).to_have_count(1)
    await page.wait_for_function("() => document.querySelector('#library-list img')?.naturalWidth > 0")
    assert gen.STATE_SUCCEEDED == (await ida.get(character.id)).generation.state

"""The front ends of all families in a real Chromium, by the browser's own clients and the official one of Socket.IO.

Their scripts (tests/e2e/frontends) know what their contracts say and nothing of the gateway but its host and port.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright

from tests.e2e.browser import CHROMIUM, FLAGS
from tests.e2e.conftest import until_painting
from tests.e2e.wire import Wire, wired
from tests.integration.gateway.tokens import SECRET, token
from tests.system import System
from tests.tiny_pipelines import build_tiny_sdxl

HERE = Path(__file__).parent
PAGES = HERE / "frontends"
OFFICIAL = HERE.parent / "clients/node_modules/socket.io-client/dist/socket.io.min.js"
SCRIPTS = ("diary", "native", "workshop", "stories", "characters", "pipeline", "pictures")
WORDS_PER_SECOND = 300.0
STEPS = 8
"""Of a picture."""
PREMISE = "A lighthouse keeper finds a letter in a bottle."
PATIENCE_MILLISECONDS = 30_000

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="no Chromium here: install one, or name it in CHROMIUM"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(150),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Have each test done without authentication, by a page of another site, and with it, by pages of both."""
    if "visit" in metafunc.fixturenames:
        visits = [("open", "abroad"), ("guarded", "own"), ("guarded", "abroad")]
        metafunc.parametrize(("place", "where"), visits, indirect=["place"], scope="module")


class Handler(SimpleHTTPRequestHandler):
    """Serves the front ends, and the official client beside them."""

    def translate_path(self, path: str) -> str:
        """Return the file at an address."""
        return str(OFFICIAL) if path == f"/{OFFICIAL.name}" else super().translate_path(path)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """Serve the front ends on loopback, away from the gateway; yield the port."""
    assert OFFICIAL.is_file(), "the official client is not installed: run `make clients`"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(PAGES))) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


@dataclass(frozen=True, slots=True)
class Place:
    """A system, and where pages come from.

    Attributes:
        system: Which.
        site: Port of the pages that are another origin's.
        guarded: Whether authentication is on.
    """

    system: System
    site: int
    guarded: bool


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pipeline of random weights."""
    return build_tiny_sdxl(tmp_path_factory.mktemp("painter") / "tiny")


@pytest.fixture(scope="module")
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, site: int, painter: Path
) -> Iterator[Place]:
    """Run a whole system with all generators, without authentication and with it."""
    guarded = request.param == "guarded"
    environment = {
        "FABULA_ALLOWED_ORIGINS": f"http://localhost:{site},http://127.0.0.1:{site}",
        "FABULA_IMAGE_MODEL": f"diffusers:{painter}",
        "FABULA_IMAGE_DEFAULT_STEPS": str(STEPS),
        "FABULA_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",
        **({"FABULA_JWT_SECRET": SECRET} if guarded else {}),
    }
    folder = tmp_path_factory.mktemp("browsers") / "data"
    generators = "story,character,image"
    with System(folder, words_per_second=WORDS_PER_SECOND, environment=environment, generators=generators) as system:
        if not guarded:
            until_painting(system)
        yield Place(system, site, guarded)


@dataclass(slots=True)
class Visit:
    """Somebody's page.

    Attributes:
        page: In Chromium.
        host: The gateway's, as the page knows it.
        wire: What lies between, to be cut.
        token: What its scripts show of who one is; empty where the browser has a cookie, or nobody asks.
        bearer: A token of the same person.
    """

    page: Page
    host: str
    wire: Wire
    token: str
    bearer: str

    async def run(self, function: str, *arguments: Any, **options: Any) -> Any:
        """Call a function of the front ends with the host, arguments and options; return what it gives."""
        shown = {"token": self.token, **options} if self.token else options
        return await self.page.evaluate(f"(given) => {function}(...given)", [self.host, *arguments, shown])

    async def begin(self, function: str, *arguments: Any, **options: Any) -> None:
        """The same, and do not wait for what it gives; see `finished`."""
        shown = {"token": self.token, **options} if self.token else options
        given = [self.host, *arguments, shown]
        await self.page.evaluate(f"(given) => {{ window.finished = {function}(...given) }}", given)

    async def finished(self) -> Any:
        """Return what it gives, when it is there."""
        return await asyncio.wait_for(self.page.evaluate("window.finished"), PATIENCE_MILLISECONDS / 1000)

    async def until(self, condition: str) -> None:
        """Wait until something holds in the page."""
        await self.page.wait_for_function(condition, timeout=PATIENCE_MILLISECONDS)

    async def seen(self) -> list[Any]:
        """Return what the page has noted."""
        noted: list[Any] = await self.page.evaluate("seen")
        return noted

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the gateway for something beside the page, as the same person; return the answer."""
        headers = {"authorization": f"Bearer {self.bearer}"}
        async with httpx.AsyncClient(base_url=self.host, headers=headers, trust_env=False) as http:
            answer = await http.request(method, path, json=body)
            assert answer.is_success, answer.text
            return answer.json() if answer.content else None

    async def start_story(self, words: int = 60) -> str:
        """Start a story beside the page; return its id."""
        return str((await self.ask("POST", "/v1/stories", {"premise": PREMISE, "words": words}))["id"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        await running.close()


@asynccontextmanager
async def visiting(chromium: Browser, place: Place, where: str) -> AsyncIterator[Visit]:
    """Open a page while the block lasts, and check that no script of it has failed.

    Args:
        chromium: The browser.
        place: What is visited.
        where: "own": the page is of the gateway's own origin, and its reader signed in by the cookie. "abroad": of
            another site; its scripts have the token. "neighbour": of another origin of the same host, by cookie.
    """
    bearer = token(f"reader-{uuid4()}")
    async with wired(place.system) as wire:
        page = await chromium.new_page(viewport={"width": 900, "height": 700})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        if where == "own":
            # What it shows does not matter. A page that the test made up would not count as this machine's.
            await page.goto(f"{wire.url}/healthz")
            for script in (OFFICIAL, *(PAGES / f"{name}.js" for name in SCRIPTS)):
                await page.add_script_tag(content=script.read_text())
        else:
            await page.goto(f"http://{'localhost' if where == 'abroad' else '127.0.0.1'}:{place.site}/")
        visit = Visit(page, wire.url, wire, bearer if place.guarded and where == "abroad" else "", bearer)
        if place.guarded and where != "abroad":
            await page.evaluate("(given) => call('POST', ...given)", [f"{wire.url}/v1/session", {"token": bearer}])
        yield visit
        await page.close()
        assert [] == errors


@pytest_asyncio.fixture(loop_scope="module")
async def visit(chromium: Browser, place: Place, where: str) -> AsyncIterator[Visit]:
    """A page of the gateway's own origin, or of another site."""
    async with visiting(chromium, place, where) as opened:
        yield opened


def whole(noted: list[Any]) -> bool:
    """Say whether the sequences that were noted are 1…N, each once; those that are not in the log aside."""
    sequences = [each["sequence"] for each in noted if each["sequence"]]
    return len(sequences) > 5 and list(range(1, len(sequences) + 1)) == sequences


async def test_a_browsers_own_websocket(visit: Visit) -> None:
    """With the native subprotocol, over a connection that is cut."""
    story = await visit.start_story(450)
    await visit.begin("watchBySocket", story)
    await visit.until("seen.length > 8")
    assert visit.wire.cut(by_reset=True)
    connections = await visit.finished()
    noted = await visit.seen()

    assert 2 == connections
    assert {"fabula.v1.json"} == {each["protocol"] for each in noted}
    assert whole(noted)


async def test_a_browsers_own_event_source(visit: Visit, place: Place) -> None:
    """It comes back by itself where it was, and is stopped by the 204; with a ticket where cookies do not go."""
    story = await visit.start_story(450)
    options = {"ticket": await visit.run("ticketFor", story, visit.token)} if visit.token else {}
    await visit.page.evaluate(
        "given => { window.finished = watchByEventSource(...given) }", [visit.host, story, options]
    )
    await visit.until("seen.length > 8")
    if not visit.token:
        assert visit.wire.cut(by_reset=False)
    told = await visit.finished()

    # A ticket is good for one connection: there the end is the second one's refusal.
    assert {"connections": 1 if visit.token else 2, "ended": True} == told
    noted = await visit.seen()
    assert whole(noted)
    assert all(str(each["sequence"]) == each["lastEventId"] for each in noted if each["sequence"])


async def test_workshop(visit: Visit) -> None:
    """A plain WebSocket; the REST fallback says what the newest update has said, while it stands and in the end."""
    started = await visit.run("startWorkshop", {"title": "The lamp", "prompt": PREMISE, "length": 450})
    story = started["generation_id"]
    await visit.begin("followWorkshop", story)
    await visit.until("seen.length > 3")
    await visit.ask("POST", f"/v1/generations/{story}:pause")
    await visit.until("seen.at(-1).stage === 'paused'")
    paused, told = await visit.run("workshopStatus", story), (await visit.seen())[-1]
    assert visit.wire.cut(by_reset=True)
    await visit.ask("POST", f"/v1/generations/{story}:resume")
    last = await visit.finished()
    status = await visit.run("workshopStatus", story)
    noted = await visit.seen()

    assert {**told, "status": "paused"} == paused
    assert last == {name: status[name] for name in last}
    assert ("completed", 100) == (status["status"], last["progress"])
    assert status["story"]["content"]
    assert [1006, 1000] == [each["closed"] for each in noted if "closed" in each]
    progress = [each["progress"] for each in noted if "progress" in each]
    assert sorted(progress) == progress


async def test_workshop_polls_where_no_socket_opens(visit: Visit) -> None:
    """After its last attempt; a story that there is not never opens one, and is told so by the fallback."""
    started = await visit.run("startWorkshop", {"premise": PREMISE, "length": 60})
    story = started["generation_id"]
    await visit.page.evaluate(
        "() => { window.WebSocket = class { constructor() { setTimeout(() => this.onclose({}), 9) } } }"
    )
    await visit.begin("followWorkshop", story, retries=1)
    last = await visit.finished()
    noted = await visit.seen()

    assert "completed" == last["status"]
    assert [False, False] == [each["opened"] for each in noted if "closed" in each]
    assert "polled" in noted[-1]


@pytest.mark.parametrize("transport", ["", "websocket", "polling"])
async def test_stories_over_socket_io(visit: Visit, transport: str) -> None:
    """The official client, by each transport and with the upgrade, over a connection that is cut."""
    chosen = {"transport": transport} if transport else {}
    assert "connected" == await visit.run("connectStories", **chosen)
    if not transport:
        await visit.until("seen.some((each) => each.upgraded)")
    uploaded = await visit.run("uploadStory", PREMISE * 3)
    story = uploaded["storyId"]
    mine = f"each.content?.storyId === '{story}'"
    await visit.until(f"seen.some((each) => {mine} && each.content.step === 'ai_processing')")
    assert visit.wire.cut(by_reset=True)
    await visit.until(f"seen.some((each) => {mine} && each.event === 'story:processing:complete')")
    read = await visit.run("readStory", story)
    noted = await visit.seen()

    assert [transport or "polling"] * 2 == [each["connected"] for each in noted if "connected" in each], noted
    # Without authentication everybody is the same owner, and hears of the other tests' stories as well.
    events = [each for each in noted if "event" in each and each["content"]["storyId"] == story]
    steps = list(dict.fromkeys((each["event"].rpartition(":")[2], each["content"].get("progress")) for each in events))
    assert [("start", None), ("progress", 25), ("progress", 50), ("progress", 75), ("complete", None)] == steps
    assert events[-1]["content"]["generatedContent"] == read["generatedContent"]


@pytest.mark.parametrize("transport", ["", "polling"])
async def test_characters_over_socket_io(visit: Visit, tmp_path: Path, transport: str) -> None:
    """Joined, made, painted, and the avatar is shown by an `<img>`; over a connection that is cut."""
    await visit.begin(
        "makeCharacter", "A tall keeper of lighthouses.", **({"transport": transport} if transport else {})
    )
    await visit.until("seen.some((each) => each.progress >= 40)")
    assert visit.wire.cut(by_reset=True)
    address = await visit.finished()
    size = await visit.page.evaluate("address => show(address)", address)
    stranger = await visit.page.evaluate("joinCharacter(crypto.randomUUID?.() ?? 'nobody')")
    noted = await visit.seen()
    await visit.page.screenshot(path=tmp_path / "character.png")

    joined = [each["joined"] for each in noted if "joined" in each]
    assert [{"success": True}] * len(joined) == joined
    # A poll that is cut on a connection used before may be asked again by the browser itself, and nobody notices.
    assert len(joined) == 2 or (transport == "polling" and len(joined) == 1), noted
    assert not stranger["success"]
    order = [
        (each["step"], each["progress"]) for each in noted if "step" in each and each["step"] != "generating_avatar"
    ]
    assert [
        ("generating_details", 40), ("generating_details", 55), ("generating_history", 70), ("creating_character", 80),
        ("queuing_avatar", 90), ("completed", 100),
    ] == list(dict.fromkeys(order))  # fmt: skip
    assert min(size) > 0


async def test_content_pipeline(visit: Visit) -> None:
    """A stream that is the answer to a POST, taken up again where the page hung up, and where it was lost."""
    request = {"prompt": PREMISE, "length": 450, "request_id": str(uuid4())}
    assert "hung up" == await visit.run("runPipeline", request, stopAfter=2)
    behind = (await visit.seen())[-1]["id"]
    await visit.begin("runPipeline", request, lastEventId=behind)
    await visit.until("seen.length > 2")
    visit.wire.cut(by_reset=True)
    await visit.finished()
    behind = (await visit.seen())[-1]["id"]
    await visit.begin("runPipeline", request, lastEventId=behind)
    await visit.finished()
    result = await visit.run("runAndWait", request)
    noted = await visit.seen()
    end = noted[-1]

    assert len({each["id"] for each in noted}) == len(noted)
    stages = [(each["event"], each["data"].get("stage"), each["data"].get("progress")) for each in noted]
    assert [("progress", "load_prompts", 10), ("progress", "generator", 30), ("draft", "generator", 50)] == stages[:3]
    assert ("progress", "done", 100) == stages[-2]
    assert ("complete", result) == (end["event"], end["data"])
    assert "nothing more" == await visit.run("runPipeline", request, lastEventId=end["id"])


async def test_pictures(visit: Visit, tmp_path: Path) -> None:
    """The socket is opened before the job is started; every step comes, and the picture is shown by an `<img>`."""
    done = await visit.run("paint", "A red fox in the snow.")
    noted = await visit.seen()
    await visit.page.screenshot(path=tmp_path / "picture.png")

    assert 1000 == done["code"]
    assert min(done["size"]) > 0
    assert {done["taskId"]} == {each["task_id"] for each in noted}
    assert "completed" == noted[-1]["status"]
    steps = [each["current_step"] for each in noted if each["status"] == "generating" and each["total_steps"]]
    assert list(range(1, STEPS + 1)) == list(dict.fromkeys(step for step in steps if step))


@pytest.mark.parametrize("place", ["guarded"], indirect=True, scope="module")
async def test_a_neighbours_page_comes_by_cookie(chromium: Browser, place: Place) -> None:
    """Another origin of the same site: its cookie goes to sockets and streams, and an EventSource comes back by it."""
    async with visiting(chromium, place, "neighbour") as visit:
        story = await visit.start_story(450)
        await visit.begin("watchByEventSource", story)
        await visit.until("seen.length > 8")
        visit.wire.cut(by_reset=False)
        told = await visit.finished()
        streamed = await visit.seen()
        await visit.page.evaluate("seen.length = 0")
        await visit.begin("watchBySocket", story)
        await visit.finished()

        assert {"connections": 2, "ended": True} == told
        assert whole(streamed)
        assert [each["sequence"] for each in streamed if each["sequence"]] == [
            each["sequence"] for each in await visit.seen() if each["sequence"]
        ]

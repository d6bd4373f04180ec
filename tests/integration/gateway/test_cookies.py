"""The session cookie at every door: who may use it, and from which page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.gateway.clients import JSON, Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.test_expiry import end_of
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedImages, ScriptedLog, ScriptedServer, ScriptedStories

FRIEND = "https://app.stories.example"
OWN_PAGE = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def guarded() -> AsyncIterator[ScriptedServer]:
    """Services that ask for tokens."""
    running = ScriptedServer(ScriptedStories(SECRET), ScriptedImages(SECRET))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def gateway(open_gateway: OpenGateway, guarded: ScriptedServer) -> AsyncIterator[Gateway]:
    """A gateway that asks for tokens, and knows one other site."""
    async with open_gateway(guarded.address, jwt_secret=SECRET, allowed_origins=(FRIEND,)) as running:
        yield running


@pytest.fixture
def mine(guarded: ScriptedServer) -> ScriptedLog:
    """A finished story of Ada's."""
    log = guarded.stories.new(1, "ada")
    log.succeed()
    return log


async def session(gateway: Gateway, subject: str = "ada") -> dict[str, str]:
    """Begin a session; return the header with which a browser sends its cookie."""
    begun = await gateway.http.post("/v1/session", headers={"authorization": f"Bearer {token(subject)}"})
    assert (204, "no-store") == (begun.status_code, begun.headers["cache-control"])
    gateway.http.cookies.clear()  # what is sent is up to each test
    (morsel,) = SimpleCookie(begun.headers["set-cookie"]).values()
    assert (True, "Strict", "/") == (morsel["httponly"], morsel["samesite"], morsel["path"])
    return {"cookie": f"{morsel.key}={morsel.value}"}


async def test_a_session_opens_every_door(gateway: Gateway, guarded: ScriptedServer, mine: ScriptedLog) -> None:
    """REST, pictures, event streams and WebSockets."""
    assert guarded.images is not None
    picture = guarded.images.new(2, "ada")
    guarded.images.paint(picture, b"the bytes of a picture")
    cookie = {**await session(gateway), **OWN_PAGE}

    listed = await gateway.http.get("/v1/stories", headers=cookie)
    painted = await gateway.http.get(f"/v1/images/{picture.id}", headers=cookie)
    started = await gateway.http.post("/v1/stories", json={"premise": "An owl."}, headers=cookie)
    async with gateway.events(mine.id, **cookie) as (response, events):
        assert "ended" in [event.name async for event in events]
    origin = f"http://{gateway.host}"
    async with gateway.socket(JSON, additional_headers=cookie, origin=origin) as socket:
        assert "done" in await socket.subscribe(mine.id)
    codes = (listed.status_code, painted.status_code, started.status_code, response.status_code)

    assert (200, 200, 202, 200) == codes
    assert [mine.id] == [each["id"] for each in listed.json()["generations"]]


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ({}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        (OWN_PAGE, 204),
        ({"sec-fetch-site": "same-site", "origin": FRIEND}, 204),
    ],
)
async def test_another_sites_page_changes_nothing_by_cookie(
    gateway: Gateway, mine: ScriptedLog, guarded: ScriptedServer, page: dict[str, str], code: int
) -> None:
    """Though the browser sends it along; nor who does not say which page it is."""
    refused = await gateway.http.delete(f"/v1/generations/{mine.id}", headers={**await session(gateway), **page})

    assert code == refused.status_code
    assert (mine.id in guarded.stories.logs) is (code == 403)


@pytest.mark.parametrize("page", [{}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
async def test_another_sites_page_opens_no_socket_by_cookie(gateway: Gateway, page: dict[str, str]) -> None:
    """Cross-site WebSocket hijacking: refused with 403, or told and closed with 4403."""
    headers = {**await session(gateway), **page}
    origin = headers.pop("origin", None)
    if origin is not None:
        with pytest.raises(InvalidStatus) as refusal:
            async with gateway.socket(JSON, additional_headers=headers, origin=origin):
                pass
        assert 403 == refusal.value.response.status_code
        return
    async with gateway.socket(JSON, additional_headers=headers) as socket:
        error, code = await end_of(socket)
    assert ("PERMISSION_DENIED", 4403) == (error["code"], code)


async def test_an_allowed_page_may_send_the_cookie_and_read_the_answer(gateway: Gateway) -> None:
    """CORS with credentials for origins that are listed, by name and never for all."""
    cookie = await session(gateway)
    asked = {"origin": FRIEND, "access-control-request-method": "POST"}
    preflight = await gateway.http.options("/v1/stories", headers=asked)
    read = await gateway.http.get("/v1/stories", headers={**cookie, "origin": FRIEND, "sec-fetch-site": "same-site"})

    for answer in (preflight, read):
        assert 200 == answer.status_code
        assert (FRIEND, "true") == (
            answer.headers["access-control-allow-origin"],
            answer.headers["access-control-allow-credentials"],
        )


async def test_a_session_ends(gateway: Gateway) -> None:
    """The cookie is emptied; no other site's page can do that."""
    cookie = await session(gateway)
    refused = await gateway.http.delete("/v1/session", headers={**cookie, "sec-fetch-site": "cross-site"})
    ended = await gateway.http.delete("/v1/session", headers={**cookie, **OWN_PAGE})
    (morsel,) = SimpleCookie(ended.headers["set-cookie"]).values()

    assert (403, 204) == (refused.status_code, ended.status_code)
    assert ("", "0") == (morsel.value, morsel["max-age"])


async def test_a_session_begins_with_a_token_that_holds(gateway: Gateway) -> None:
    """Not with a cookie, and not with none."""
    cookie = {**await session(gateway), **OWN_PAGE}
    refused = [
        await gateway.http.post("/v1/session", headers=headers)
        for headers in ({}, cookie, {"authorization": "Bearer junk"}, {"authorization": f"Bearer {token('a', -600)}"})
    ]

    assert [401] * 4 == [answer.status_code for answer in refused]
    assert not [answer for answer in refused if "set-cookie" in answer.headers]


async def test_the_cookie_has_the_name_of_the_settings(open_gateway: OpenGateway, guarded: ScriptedServer) -> None:
    """Another one is no session; without authentication there is none at all."""
    name = "__Host-fabula"
    async with open_gateway(guarded.address, jwt_secret=SECRET, session_cookie=name) as gateway:
        assert (await session(gateway))["cookie"].startswith(f"{name}=")
        other = {"cookie": f"fabula_session={token('ada')}", **OWN_PAGE}
        assert 401 == (await gateway.http.get("/v1/stories", headers=other)).status_code
    async with open_gateway("127.0.0.1:1") as gateway:
        begun = await gateway.http.post("/v1/session")
        assert (204, False) == (begun.status_code, "set-cookie" in begun.headers)

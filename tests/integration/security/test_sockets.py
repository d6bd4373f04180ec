"""Every socket and every message that clients may send there, as /v1/asyncapi.json lists them.

Who may come in, from which page, and what they hear of somebody else's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fabula.api.gateway.v1.gateway_pb2 import ClientFrame
from tests.integration.gateway.clients import JSON
from tests.integration.gateway.socket_io_clients import QUERY, packets
from tests.integration.security.asking import plain, unknown
from tests.integration.security.estate import NOWHERE, Estate, Owner
from tests.integration.security.test_tokens import tried

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

PLAIN_SOCKETS = {"/api/v1/stories/progress/{generation_id}": "story", "/ws/image-generation/{task_id}": "task"}
"""What the addresses of plain sockets name; a task is whatever its client calls it."""
EVENTS = {
    "story:join": ("storyId", "story"),
    "story:leave": ("storyId", "story"),
    "join_character_generation": ("sessionId", "session"),
    "leave_character_generation": ("sessionId", "session"),
}
"""What events of Socket.IO name, and in which field."""
LEAVING = {"story:leave", "leave_character_generation", "unsubscribe"}
"""Who leaves what was never joined is told that it is left: by everybody alike, of everything."""
FRAMES = {
    "subscribe": {"generationId": "{id}"},
    "unsubscribe": {"generationId": "{id}"},
    "cancel": {"generationId": "{id}"},
    "pause": {"generationId": "{id}"},
    "resume": {"generationId": "{id}"},
    "authenticate": {"token": "{token}"},
    "subscribeMany": {"subscriptions": [{"generationId": "{id}"}, {"generationId": f"image-{NOWHERE[::-1]}"}]},
    "watchGenerations": {},
    "unwatchGenerations": {},
}
"""What clients may say on the native socket."""


async def channels(estate: Estate) -> dict[str, dict[str, Any]]:
    """Return the channels of the document."""
    found: dict[str, dict[str, Any]] = (await estate.gateway.http.get("/v1/asyncapi.json")).json()["channels"]
    return found


async def socket_io_doors(estate: Estate) -> set[tuple[str, str]]:
    """Return path and namespace of each door of Socket.IO."""
    every = [each["x-socket.io"] for each in (await channels(estate)).values() if "x-socket.io" in each]
    return {(f"{each['path']}/", each["namespace"]) for each in every}


async def test_the_sweep_knows_every_socket_and_every_message(estate: Estate) -> None:
    """Who adds one has to say here what it names."""
    every = await channels(estate)
    sockets = {each["address"] for each in every.values() if each["servers"] == [{"$ref": "#/servers/sockets"}]}
    assert {"/v1/ws", *PLAIN_SOCKETS} == sockets
    document = (await estate.gateway.http.get("/v1/asyncapi.json")).json()
    heard = {
        every[operation["channel"]["$ref"].rpartition("/")[2]]["address"]
        for operation in document["operations"].values()
        if operation["action"] == "receive"
    }
    assert set(EVENTS) == {each for each in heard if not each.startswith("/")}
    assert set(FRAMES) == {field.json_name for field in ClientFrame.DESCRIPTOR.oneofs[0].fields}


# --- who may come in ----------------------------------------------------------------------------------------------


async def refused(estate: Estate, path: str, **options: Any) -> int:
    """Return the status with which a handshake is refused, or the code by which the socket is closed."""
    try:
        async with websockets.connect(f"ws://{estate.gateway.host}{path}", compression=None, **options) as socket:
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    while True:
                        await socket.recv()
            return 0
    except InvalidStatus as error:
        return error.response.status_code
    except ConnectionClosed as error:
        return error.rcvd.code if error.rcvd else 0


@pytest.mark.parametrize("estate", ["secret", "jwks"], indirect=True)
async def test_no_socket_opens_without_a_good_token(estate: Estate) -> None:
    """By header or subprotocol: 4401 on the native socket, 401 at the others, a refused CONNECT with Socket.IO."""
    bad = {**estate.bad_tokens("ada"), **estate.services_tokens("ada")}
    for number, path in enumerate(["/v1/ws", *PLAIN_SOCKETS]):
        address = path.replace("{generation_id}", "x").replace("{task_id}", "x")
        for what, token in tried(bad, number):
            shown: list[dict[str, Any]] = [{"additional_headers": {"authorization": f"Bearer {token}"}}]
            if token and not {"=", "\n"} & set(token):
                shown.append({"subprotocols": [JSON, f"bearer.{token}"]})
            for options in shown:
                code = await refused(estate, address, **options)
                assert code == (4401 if path == "/v1/ws" else 401), (path, what, code)
    for number, (path, namespace) in enumerate(sorted(await socket_io_doors(estate))):
        for what, token in tried(bad, number + 7):
            async with packets(estate.gateway, path) as client:
                answer = await client.connect(namespace, {"token": token})
                assert answer.startswith("44"), (path, what, answer)
                assert "sid" not in answer


async def test_no_page_of_another_site_opens_a_socket(estate: Estate, ada: Owner) -> None:
    """With a good token and a cookie; Socket.IO by WebSocket and by polling, preflights among them."""
    cookie = {"cookie": f"fabula_session={ada.token}"}
    for origin in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": f"http://{estate.gateway.host}.evil.example"},
    ):
        headers = {**ada.headers, **cookie, **origin}
        for path in [
            "/v1/ws",
            *PLAIN_SOCKETS,
            *(f"{each}{QUERY}websocket" for each, _ in await socket_io_doors(estate)),
        ]:
            address = path.replace("{generation_id}", "x").replace("{task_id}", "x")
            assert 403 == await refused(estate, address, additional_headers=headers), (path, origin)
        for path, _ in await socket_io_doors(estate):
            for method in ("GET", "POST", "OPTIONS"):
                answer = await estate.gateway.http.request(method, f"{path}{QUERY}polling", headers=headers)
                assert 403 == answer.status_code, (path, method, answer.text)
                assert "access-control-allow-origin" not in answer.headers


async def test_a_cookie_without_proof_of_its_page_opens_no_socket(estate: Estate, ada: Owner) -> None:
    """Nor does one from another site's page; a browser's own page comes in."""
    cookie = {"cookie": f"fabula_session={ada.token}"}
    story = await ada.thing("story")
    for path in ["/v1/ws", *PLAIN_SOCKETS]:
        address = path.replace("{generation_id}", story).replace("{task_id}", "x")
        for site in ({}, {"sec-fetch-site": "none"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
            code = await refused(estate, address, additional_headers={**cookie, **site})
            assert code in (403, 4403), (path, site, code)
        own = {**cookie, "sec-fetch-site": "same-origin"}
        async with websockets.connect(f"ws://{estate.gateway.host}{address}", additional_headers=own):
            pass
    for path, namespace in sorted(await socket_io_doors(estate)):
        for site in ({}, {"sec-fetch-site": "cross-site"}):
            try:
                async with packets(estate.gateway, path, additional_headers={**cookie, **site}) as client:
                    assert (await client.connect(namespace)).startswith("44"), (path, site)
            except InvalidStatus as error:
                assert 403 == error.response.status_code  # noqa: PT017 - or let in, and refused then


# --- what they hear -----------------------------------------------------------------------------------------------


async def all_of(
    receive: Callable[[], Awaitable[Any]], *ids: str, seconds: float = 0.4, first_seconds: float = 0.0
) -> list[str]:
    """Return what comes until it is quiet, without the ids; the first may take longer."""
    found: list[str] = []
    with suppress(TimeoutError, ConnectionClosed):
        while True:
            async with asyncio.timeout(seconds if found else max(seconds, first_seconds)):
                found.append(plain(str(await receive()), *ids))
    return found


def filled(content: object, id_: str, token: str) -> Any:
    """Return a frame's content with an id in it."""
    return json.loads(json.dumps(content).replace("{id}", id_).replace("{token}", token))


async def heard(estate: Estate, owner: Owner, name: str, id_: str) -> list[str]:
    """Say something on a native socket of its own; return the answers: one at least, unless it is left."""
    async with estate.gateway.socket(JSON, f"bearer.{owner.token}") as socket:
        await socket.send(frameId="f", **{name: filled(FRAMES[name], id_, owner.token)})
        # Of several ids, which is answered first is up to the services.
        first = 0.0 if name in LEAVING else 10.0
        return sorted(await all_of(socket.next, id_, seconds=0.8, first_seconds=first))


async def test_no_frame_tells_of_what_is_somebody_elses(estate: Estate, ada: Owner, eve: Owner) -> None:
    """Of any kind, also while its owner watches it at the same gateway."""
    for what in ("story", "character", "image"):
        hers = await ada.thing(what)
        async with estate.gateway.socket(JSON, f"bearer.{ada.token}") as beside:
            assert "done" in await beside.subscribe(hers)
            names = [name for name, content in FRAMES.items() if "{id}" in json.dumps(content)]
            ids = (hers, unknown(hers))
            answers = await asyncio.gather(*(heard(estate, eve, name, id_) for name in names for id_ in ids))
            for name, foreign, nothing in zip(names, answers[::2], answers[1::2], strict=True):
                assert foreign == nothing, (what, name)
                assert name in LEAVING or "NOT_FOUND" in str(foreign), (what, name, foreign)
    story = await ada.thing("story")
    for name in ("subscribe", "subscribeMany", "pause", "resume", "cancel"):
        own, nothing = await asyncio.gather(*(heard(estate, ada, name, id_) for id_ in (story, unknown(story))))
        assert own != nothing, name
    ada.lost("story")


async def test_no_plain_socket_tells_of_what_is_somebody_elses(estate: Estate, ada: Owner, eve: Owner) -> None:
    """Family A answers the handshake as for an unknown id; a task of E's is looked for among one's own."""
    story = await ada.thing("story")
    foreign, nothing = await opened(estate, eve, story), await opened(estate, eve, unknown(story))
    assert foreign == nothing
    assert foreign != await opened(estate, ada, story)
    task = {"prompt": "an owl", "task_id": "the-same-task"}
    painted = await estate.gateway.http.post("/api/media/generate", json=task, headers=ada.headers)
    assert 200 == painted.status_code, painted.text
    path = "/ws/image-generation/the-same-task"
    assert await told_at(estate, eve, path) == await told_at(estate, eve, f"{path}-of-nobody", "-of-nobody")
    assert await told_at(estate, eve, path) != await told_at(estate, ada, path)


async def opened(estate: Estate, owner: Owner, id_: str) -> Sequence[Any]:
    """Open the socket of a story of A's; return the refusal, or what is told."""
    try:
        return await told_at(estate, owner, f"/api/v1/stories/progress/{id_}", id_)
    except InvalidStatus as error:
        response = error.response
        headers = sorted((k, v) for k, v in response.headers.raw_items() if k.lower() not in {"date", "content-length"})
        return [response.status_code, headers, plain((response.body or b"").decode(), id_)]


async def told_at(estate: Estate, owner: Owner, path: str, *ids: str) -> list[str]:
    """Return what is told at an address."""
    address = f"ws://{estate.gateway.host}{path}"
    async with websockets.connect(address, additional_headers=owner.headers, compression=None) as socket:
        return await all_of(socket.recv, *ids)


async def test_no_event_of_socket_io_tells_of_what_is_somebody_elses(estate: Estate, ada: Owner, eve: Owner) -> None:
    """Nor do cursors of somebody else's, with which a client comes back."""

    async def answer(owner: Owner, path: str, namespace: str, event: str, id_: str, **auth: Any) -> list[str]:
        async with packets(estate.gateway, path) as client:
            found = [plain(await client.connect(namespace, {"token": owner.token, **auth}), id_)]
            found = [found[0][:3]]
            if event:
                await client.emit(event, {EVENTS[event][0]: id_}, namespace, ack=7)
            return found + sorted(await all_of(client.next, id_))

    every = [each for each in (await channels(estate)).values() if each["address"] in EVENTS]
    assert len(EVENTS) == len(every)
    for channel in every:
        about, event = channel["x-socket.io"], channel["address"]
        hers = await ada.thing(EVENTS[event][1])
        place = (f"{about['path']}/", about["namespace"], event)
        other = unknown(hers)
        foreign, nothing, own, cursors, no_cursors = await asyncio.gather(
            answer(eve, *place, hers),
            answer(eve, *place, other),
            answer(ada, *place, hers),
            answer(eve, *place[:2], "", hers, after={hers: 1}),
            answer(eve, *place[:2], "", other, after={other: 1}),
        )
        assert foreign == nothing, event
        assert event in LEAVING or own != foreign, event
        assert cursors == no_cursors, event

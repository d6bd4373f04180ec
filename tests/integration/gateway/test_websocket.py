"""The WebSocket door: handshake, commands, frames that are wrong, limits, the end."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
import websockets
from websockets.exceptions import ConnectionClosed, InvalidStatus

from fabula.api.gateway.v1 import gateway_pb2
from gateway.doors.websocket import MOST_SUBSCRIPTIONS
from tests.integration.gateway.clients import JSON, PROTO, Gateway, Socket
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedServer, ScriptedStories, until

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"


async def close_code(socket: Socket) -> int:
    """Read on until the gateway closes the socket; return the code."""
    with suppress(ConnectionClosed):
        while True:
            await socket.connection.recv()
    return socket.connection.close_code or 0


@pytest.mark.parametrize(
    ("offered", "confirmed"),
    [((JSON,), JSON), ((PROTO,), PROTO), ((PROTO, JSON), PROTO), ((JSON, "bearer.abc"), JSON), (("x", JSON), JSON)],
)
async def test_the_first_known_subprotocol_is_confirmed(
    gateway: Gateway, offered: tuple[str, ...], confirmed: str
) -> None:
    """A token among the subprotocols is never sent back."""
    async with gateway.socket(*offered) as socket:
        assert confirmed == socket.connection.subprotocol


async def test_json_is_spoken_to_who_asks_for_nothing(gateway: Gateway, stories: ScriptedStories) -> None:
    """A client without subprotocols is served in JSON."""
    log = stories.new()
    async with websockets.connect(f"ws://{gateway.host}/v1/ws", compression=None) as connection:
        assert connection.subprotocol is None
        assert "done" in await Socket(connection).subscribe(log.id)


async def test_unknown_subprotocols_are_refused_in_the_handshake(gateway: Gateway) -> None:
    """The answer names those there are."""
    with pytest.raises(InvalidStatus) as refusal:
        async with gateway.socket("graphql-ws"):
            pass

    error = json.loads(refusal.value.response.body)["error"]
    assert 400 == refusal.value.response.status_code
    assert "INVALID_REQUEST" == error["code"]
    assert JSON in error["message"]


async def test_messages_are_not_compressed(gateway: Gateway) -> None:
    """A client that offers deflate is served without it."""
    async with websockets.connect(f"ws://{gateway.host}/v1/ws", compression="deflate") as connection:
        assert connection.response is not None
        assert "sec-websocket-extensions" not in connection.response.headers


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        ({"frameId": "f"}, "request"),
        ({"frameId": "f", "subscribe": {}}, "subscribe.generationId"),
        ({"frameId": "f", "subscribe": {"generationId": "x" * 65}}, "subscribe.generationId"),
        ({"frameId": "f", "subscribe": {"generationId": 7}}, "subscribe.generationId"),
        ({"frameId": "f", "subscribe": {"generationId": "x", "afterSequence": -1}}, "subscribe.afterSequence"),
        ({"frameId": "f", "subscribe": {"generationId": "x", "afterSequence": "soon"}}, "subscribe.afterSequence"),
        ({"frameId": "f", "subscribe": {"generationId": "x", "after": 1}}, "subscribe.after"),
        ({"frameId": "f", "subscribe": [1]}, "subscribe"),
        ({"frameId": "f", "subscribe": {"generationId": "x"}, "cancel": {"generationId": "x"}}, ""),
        ({"frameId": "f", "dance": {}}, "dance"),
    ],
)
async def test_a_frame_that_breaks_the_rules_is_answered_and_the_socket_stays_open(
    gateway: Gateway, stories: ScriptedStories, frame: dict[str, Any], field: str
) -> None:
    """The answer carries the frame's id, names the field, and the next frame is obeyed."""
    log = stories.new()
    async with gateway.socket() as socket:
        await socket.send(**frame)
        answer = await socket.next()
        assert "done" in await socket.subscribe(log.id)

    error = answer["error"]
    assert ("f", "INVALID_REQUEST") == (answer["frameId"], error["code"])
    assert field == error["violations"][0].get("field", "")
    assert error["violations"][0]["description"]


@pytest.mark.parametrize("message", ["[]", "null", '"x"', "7", '{"cancel":{},"pause":{}}', '{"frameId":{"a":1}}'])
async def test_json_that_is_no_frame_is_answered_and_the_socket_stays_open(gateway: Gateway, message: str) -> None:
    """Valid JSON of another shape is the client's error, not the end of its socket."""
    async with gateway.socket() as socket:
        await socket.connection.send(message)
        assert "INVALID_REQUEST" == (await socket.next())["error"]["code"]
        await socket.send(unsubscribe={"generationId": "x"})
        assert "done" in await socket.next()


@pytest.mark.parametrize(
    ("subprotocol", "message", "code"),
    [
        (JSON, "not json", 1007),
        (JSON, "[" * 20_000, 1007),
        (JSON, b"\x00\x01", 1003),
        (PROTO, "{}", 1003),
        (PROTO, b"\xff\xff\xff", 1007),
        (JSON, "x" * 70_000, 1009),
        (PROTO, b"x" * 70_000, 1009),
    ],
    ids=[
        "no JSON",
        "JSON without end",
        "binary for text",
        "text for binary",
        "no protobuf",
        "long text",
        "long binary",
    ],
)
async def test_a_message_that_cannot_be_read_closes_the_socket(
    gateway: Gateway, subprotocol: str, message: str | bytes, code: int
) -> None:
    """Nobody knows what it wanted, so nothing can answer it; the code says why."""
    async with gateway.socket(subprotocol) as socket:
        await socket.connection.send(message)

        assert code == await close_code(socket)


async def test_invalid_utf8_closes_the_socket(gateway: Gateway) -> None:
    """A text message must be UTF-8."""
    async with gateway.socket() as socket:
        await socket.connection.send(b"\xc3\x28", text=True)

        assert 1007 == await close_code(socket)


async def test_a_binary_frame_that_breaks_the_rules_is_answered(gateway: Gateway) -> None:
    """The rules of the proto hold in every encoding."""
    async with gateway.socket(PROTO) as socket:
        await socket.connection.send(gateway_pb2.ClientFrame(frame_id="f").SerializeToString())
        message = await socket.connection.recv()

    assert isinstance(message, bytes)
    answer = gateway_pb2.ServerFrame.FromString(message)
    assert ("f", "INVALID_REQUEST") == (answer.frame_id, answer.error.code)


@pytest.mark.parametrize("generation_id", [UNKNOWN, "story-x", "image-1", "nonsense", "story-../../etc"])
async def test_an_unknown_id_is_no_subscription(gateway: Gateway, stories: ScriptedStories, generation_id: str) -> None:
    """It is answered with NOT_FOUND, and the other subscriptions of the socket go on."""
    log = stories.new()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        await socket.take(1)
        answer = await socket.subscribe(generation_id, snapshot=True)
        log.append(succeeded={})

        assert "event" in await socket.next()
    assert ("NOT_FOUND", generation_id) == (answer["error"]["code"], answer["error"]["generationId"])


async def test_commands_reach_the_service_and_are_answered(gateway: Gateway, stories: ScriptedStories) -> None:
    """Pause, resume and cancel are carried out; what follows comes as events."""
    log = stories.new()
    async with gateway.socket() as socket:
        for verb in ("pause", "resume", "cancel"):
            await socket.send(frameId=verb, **{verb: {"generationId": log.id}})
            assert {"frameId": verb, "done": {"generationId": log.id}} == await socket.next()

    assert ["PauseGeneration", "ResumeGeneration", "CancelGeneration"] == [rpc for rpc, _ in stories.commands]


async def test_a_refused_command_is_answered_with_the_services_error(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """The code is the service's own, and names the generation."""
    log = stories.new()
    log.append(succeeded={})
    async with gateway.socket() as socket:
        await socket.send(frameId="1", cancel={"generationId": log.id})
        ended = await socket.next()
        await socket.send(frameId="2", cancel={"generationId": UNKNOWN})
        unknown = await socket.next()

    assert ("1", "FAILED_PRECONDITION", log.id) == (
        ended["frameId"],
        ended["error"]["code"],
        ended["error"]["generationId"],
    )
    assert "NOT_FOUND" == unknown["error"]["code"]


async def test_a_command_is_carried_out_though_its_sender_leaves(gateway: Gateway, stories: ScriptedStories) -> None:
    """Who cancels a story and closes the page has cancelled it."""
    log = stories.new()
    stories.slow.clear()
    async with gateway.socket() as socket:
        await socket.send(cancel={"generationId": log.id})
        await socket.subscribe(log.id)
    stories.slow.set()

    await until(lambda: stories.commands == [("CancelGeneration", log.id)])


async def test_leaving_cancels_nothing(gateway: Gateway, stories: ScriptedStories) -> None:
    """A disconnect is not a command."""
    log = stories.new()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        await socket.take(1)
    await until(lambda: gateway.house.connections == 0)

    assert [] == stories.commands
    assert not log.ended


async def test_a_watcher_may_come_before_the_generation(gateway: Gateway, stories: ScriptedStories) -> None:
    """With wait_for_start an unknown id is waited for by the service, while the socket does other things."""
    async with gateway.socket() as socket:
        await socket.send(frameId="early", subscribe={"generationId": UNKNOWN, "waitForStart": True})
        await socket.send(frameId="other", unsubscribe={"generationId": "x"})
        answers = {(await socket.next())["frameId"] for _ in range(2)}

    assert {"early", "other"} == answers
    assert stories.watches[0].wait_for_start


async def test_one_socket_has_a_bounded_number_of_subscriptions(gateway: Gateway, stories: ScriptedStories) -> None:
    """One too many is refused, in a way that says so; giving one up makes room."""
    logs = [stories.new(number) for number in range(MOST_SUBSCRIPTIONS + 1)]
    async with gateway.socket() as socket:
        for log in logs[:-1]:
            await socket.subscribe(log.id)
        refused = await socket.subscribe(logs[-1].id)
        await socket.send(unsubscribe={"generationId": logs[0].id})

        assert "RESOURCE_EXHAUSTED" == refused["error"]["code"]
        assert "done" in await socket.subscribe(logs[-1].id)


async def test_subscribing_again_moves_the_cursor(gateway: Gateway, stories: ScriptedStories) -> None:
    """A second subscription to the same generation takes the place of the first."""
    log = stories.new()
    for _ in range(4):
        log.write("x")
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        await socket.take(5)
        await socket.subscribe(log.id, afterSequence=3)

        assert [4, 5] == [frame["event"]["sequence"] for frame in await socket.take(2)]


async def test_watchers_of_one_generation_are_bounded(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """One too many is told to try later, on a socket that stays open."""
    log = server.stories.new()
    async with (
        open_gateway(server.address, max_watchers=1) as gateway,
        gateway.socket() as first,
        gateway.socket() as second,
    ):
        await first.subscribe(log.id)
        refused = (await second.subscribe(log.id))["error"]

    assert ("RESOURCE_EXHAUSTED", True) == (refused["code"], refused["retryable"])


async def test_connections_are_bounded(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """One too many is told why before it is closed."""
    async with (
        open_gateway(server.address, max_connections=1) as gateway,
        gateway.socket(),
        gateway.socket() as second,
    ):
        assert "RESOURCE_EXHAUSTED" == (await second.next())["error"]["code"]
        assert 4429 == await close_code(second)


async def test_a_silent_socket_is_told_that_it_is_alive(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """After the set time without a frame, one comes that says nothing else."""
    async with open_gateway(server.address, keepalive_seconds=0.05) as gateway, gateway.socket() as socket:
        assert [{"keepAlive": {}}] * 2 == [await socket.next() for _ in range(2)]


async def test_a_gateway_that_ends_asks_its_clients_to_come_back(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Sockets are closed with 1012, idle and busy ones, well within the drain time."""
    log = server.stories.new()
    async with open_gateway(server.address) as gateway, gateway.socket() as idle, gateway.socket() as busy:
        await busy.subscribe(log.id)
        async with asyncio.timeout(gateway.house.settings.drain_seconds):
            gateway.server.stop()

            assert [1012, 1012] == [await close_code(socket) for socket in (idle, busy)]


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """The gateway ends within its drain time, though a client has megabytes waiting that it never reads."""
    log = server.stories.new()
    for _ in range(300):
        log.write("x" * 60_000)
    async with (
        open_gateway(server.address, drain_seconds=1.0) as gateway,
        gateway.socket(max_queue=1, close_timeout=0.1) as socket,
    ):
        assert "done" in await socket.subscribe(log.id)
        async with asyncio.timeout(5):
            gateway.server.stop()
            await until(lambda: not gateway.server.server_state.connections)


@pytest.fixture
async def guarded() -> Any:
    """A story service that asks for tokens."""
    running = ScriptedServer(ScriptedStories(SECRET))
    await running.start()
    yield running
    await running.stop()


async def test_a_token_in_a_subprotocol_or_a_header_opens_the_owners_stories(
    open_gateway: OpenGateway, guarded: ScriptedServer
) -> None:
    """Browsers send it as a subprotocol, programs as a header; another owner's story is as unknown as any."""
    mine, foreign = guarded.stories.new(1, "ada"), guarded.stories.new(2, "bob")
    async with open_gateway(guarded.address, jwt_secret=SECRET) as gateway:
        header = {"Authorization": f"Bearer {token('ada')}"}
        ways: list[tuple[tuple[str, ...], dict[str, Any]]] = [
            ((JSON, f"bearer.{token('ada')}"), {}),
            ((JSON,), {"additional_headers": header}),
        ]
        for names, options in ways:
            async with gateway.socket(*names, **options) as socket:
                assert JSON == socket.connection.subprotocol
                assert "done" in await socket.subscribe(mine.id)
                errors = [(await socket.subscribe(other))["error"] for other in (foreign.id, UNKNOWN)]
                # On resume as on start.
                errors += [(await socket.subscribe(other, afterSequence=1))["error"] for other in (foreign.id, UNKNOWN)]
            plain = [{**error, "generationId": "", "details": {}} for error in errors]
            assert [plain[0]] * 4 == plain
            assert "NOT_FOUND" == plain[0]["code"]


async def test_a_watched_story_stays_closed_to_others(open_gateway: OpenGateway, guarded: ScriptedServer) -> None:
    """What is shared upstream is shared among its owner's watchers only."""
    log = guarded.stories.new(1, "ada")
    async with (
        open_gateway(guarded.address, jwt_secret=SECRET) as gateway,
        gateway.socket(JSON, f"bearer.{token('ada')}") as hers,
    ):
        await hers.subscribe(log.id)
        async with gateway.socket(JSON, f"bearer.{token('bob')}") as his:
            assert "NOT_FOUND" == (await his.subscribe(log.id))["error"]["code"]


@pytest.mark.parametrize("given", ["", "nonsense", token("ada", secret="another secret of thirty-two bytes!")])
async def test_a_socket_without_a_good_token_is_told_so_and_closed(
    open_gateway: OpenGateway, guarded: ScriptedServer, given: str
) -> None:
    """A browser sees no status of a handshake, so the code is the answer: 4401, do not come back like this."""
    names = (JSON, f"bearer.{given}") if given else (JSON,)
    async with open_gateway(guarded.address, jwt_secret=SECRET) as gateway, gateway.socket(*names) as socket:
        assert "UNAUTHENTICATED" == (await socket.next())["error"]["code"]
        assert 4401 == await close_code(socket)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost.evil.example"]
)
async def test_a_page_of_another_site_opens_no_socket(gateway: Gateway, origin: str) -> None:
    """The handshake is refused with 403, before anything is accepted."""
    with pytest.raises(InvalidStatus) as refusal:
        async with gateway.socket(origin=origin):
            pass

    assert 403 == refusal.value.response.status_code


async def test_the_gateways_own_page_and_allowed_ones_open_sockets(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Same host, or named in the settings."""
    async with open_gateway(server.address, allowed_origins=("https://stories.example",)) as gateway:
        for origin in (f"http://{gateway.host}", "https://stories.example"):
            async with gateway.socket(origin=origin) as socket:
                await socket.send(unsubscribe={"generationId": "x"})
                assert "done" in await socket.next()

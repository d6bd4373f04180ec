"""A real HTTP server that speaks the chat completions protocol, faults included; tests write its replies."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Reply = Callable[[Request], Response]


@dataclass
class ChatServer:
    """A server's address, what it will reply, and what it was asked.

    Attributes:
        base_url: Where it listens.
        replies: The next replies in turn; the last one stays.
        bodies: The requests' bodies, as they came.
        pictures: The pictures in them, decoded: media type and bytes.
        authorizations: Their Authorization headers.
        released: Set when the test is over: what stalls ends then.
        hung_up: Set when a client has left a stream before its end.
    """

    base_url: str = ""
    replies: list[Reply] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[tuple[str, bytes]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request) -> Response:
        """Serve `/v1/chat/completions`."""
        self.bodies.append(await request.json())
        self.pictures += _pictures_in(self.bodies[-1])
        self.authorizations.append(request.headers.get("authorization", ""))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply(request)

    def stalls(self, *texts: str) -> Reply:
        """Stream these texts and then nothing more, and never end; with no text, not even that."""

        async def body() -> AsyncGenerator[str, None]:
            try:
                for text in texts:
                    yield event(text)
                await self.released.wait()
            finally:
                self.hung_up.set()

        return lambda _: StreamingResponse(body(), media_type="text/event-stream")


@asynccontextmanager
async def chat_server() -> AsyncIterator[ChatServer]:
    """Run a server on a free port of the loopback."""
    server = ChatServer()
    app = Starlette(routes=[Route("/v1/chat/completions", server.answer, methods=["POST"])])
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        process = uvicorn.Server(config)
        async with asyncio.TaskGroup() as group:
            group.create_task(process.serve(sockets=[listener]))
            while not process.started:  # noqa: ASYNC110 - uvicorn has a flag, no event
                await asyncio.sleep(0.005)
            try:
                yield server
            finally:
                server.released.set()
                process.should_exit = True


def _pictures_in(body: dict[str, Any]) -> Iterable[tuple[str, bytes]]:
    for message in body["messages"]:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url":
                head, _, data = part["image_url"]["url"].partition(";base64,")
                yield head.removeprefix("data:"), base64.b64decode(data, validate=True)


def event(text: str | None = None, *, finish: str | None = None) -> str:
    """Return one chunk of an answer, as it lies on the wire."""
    delta = {} if text is None else {"content": text}
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


def streams(*texts: str, finish: str | None = "stop", done: bool = True) -> Reply:
    """Stream these texts and end as the protocol wants it, unless told otherwise."""
    end = [event(finish=finish)] if finish else []
    return sends(event(""), *map(event, texts), *end, *(["data: [DONE]\n\n"] if done else []))


def sends(*raw: str, media_type: str = "text/event-stream") -> Reply:
    """Send these bytes as they are."""
    return lambda _: StreamingResponse(_each(raw), media_type=media_type)


def breaks_off(*texts: str) -> Reply:
    """Stream these texts, and drop the connection in the middle of the body."""

    async def body() -> AsyncGenerator[str, None]:
        for text in texts:
            yield event(text)
        raise ConnectionAbortedError

    return lambda _: StreamingResponse(body(), media_type="text/event-stream")


def refuses(status: int, message: str = "no", **headers: str) -> Reply:
    """Answer with an error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: JSONResponse({"error": {"message": message}}, status, named)


def repeats_the_key(status: int) -> Reply:
    """Answer with an error that holds the caller's key, as some servers do."""
    return lambda request: JSONResponse({"error": f"bad key: {request.headers['authorization']}"}, status)


async def _each(texts: Iterable[str]) -> AsyncGenerator[str, None]:
    for text in texts:
        yield text

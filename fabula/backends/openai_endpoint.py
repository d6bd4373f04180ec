"""One request to an OpenAI-compatible endpoint: sent, and its stream read to the end or to what went wrong.

It must not know when to try again; `openai_chat` decides that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import httpx

from fabula.backends.openai_protocol import (
    BadChunk,
    Chunk,
    Dialect,
    ErrorReported,
    Question,
    is_too_long,
    read_chunk,
    reason_in,
    seconds_to_wait,
    to_body,
)
from fabula.backends.server_sent_events import EventDecoder, EventTooLong
from fabula.backends.text_settings import OpenAISettings
from fabula.errors import InvalidRequest

_TRY_AGAIN = frozenset({408, 425, 429})  # and all of 5xx
_LONGEST_ERROR_BYTES = 65536
_ERROR_SECONDS = 5.0
_DONE = "[DONE]"
_HINTS = {
    401: "; check {key_setting}",
    403: "; check {key_setting}",
    404: "; check the address and the model's name in {setting}",
}


class AttemptFailed(Exception):
    """One request came to nothing.

    Args:
        reason: What happened, to follow "The endpoint …". It never holds the key.
        again: Whether the same request may succeed later.
        status: HTTP status, where there was one.
        retry_after_seconds: How long the endpoint asks to wait.
    """

    def __init__(
        self, reason: str, *, again: bool, status: int | None = None, retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Endpoint:
    """The connections to one endpoint."""

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._url = f"{settings.base_url}/chat/completions"
        self._client = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {settings.api_key}"} if settings.api_key else {},
            # Waiting for tokens is timed per event below: a comment that keeps the line open is no token.
            timeout=httpx.Timeout(settings.connect_seconds, read=None, pool=None),
        )

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._client.aclose()

    async def ask(self, question: Question, dialect: Dialect) -> AsyncGenerator[Chunk, None]:
        """Ask once, and yield the answer's chunks.

        Raises:
            AttemptFailed: there was no answer, or no end to it.
            InvalidRequest: the text does not fit into the model's window.
        """
        has_begun = False
        async with self._response(question, dialect) as response, aclosing(_events(response)) as events:
            while True:
                limit = self._settings.between_tokens_seconds if has_begun else self._settings.first_token_seconds
                data = await _next_event(events, limit)
                if data is None:
                    raise AttemptFailed("closed the stream before its end", again=True)
                if data == _DONE:
                    return
                chunk = self._read(data)
                has_begun = has_begun or bool(chunk.text)
                yield chunk
                if chunk.finish is not None:
                    return  # some servers send nothing more, and leave the line open

    @asynccontextmanager
    async def _response(self, question: Question, dialect: Dialect) -> AsyncIterator[httpx.Response]:
        """Send the request and open the answer's stream."""
        request = self._client.build_request("POST", self._url, json=to_body(question, self._settings.model, dialect))
        try:
            async with asyncio.timeout(self._settings.connect_seconds + self._settings.first_token_seconds):
                response = await self._client.send(request, stream=True)
        except TimeoutError as error:
            raise AttemptFailed("did not answer in time", again=True) from error
        except httpx.TransportError as error:
            raise AttemptFailed(f"cannot be reached ({type(error).__name__}: {error})", again=True) from error
        try:
            if response.status_code != httpx.codes.OK:
                raise await self._refusal(response)
            self._check_content_type(response)
            yield response
        finally:
            await response.aclose()

    async def _refusal(self, response: httpx.Response) -> Exception:
        """Turn a status that is not OK into what is to be raised."""
        status, reason = response.status_code, self._scrub(reason_in(await _beginning(response)))
        if status in {400, 413, 422} and (status == httpx.codes.REQUEST_ENTITY_TOO_LARGE or is_too_long(reason)):
            return InvalidRequest(f"The text is too long for {self._settings.model}: {reason}")
        return AttemptFailed(
            f"answered {status} ({reason}){self._hint(status)}",
            again=status in _TRY_AGAIN or status >= httpx.codes.INTERNAL_SERVER_ERROR,
            status=status,
            retry_after_seconds=seconds_to_wait(response.headers.get("retry-after"), time.time()),
        )

    def _read(self, data: str) -> Chunk:
        try:
            return read_chunk(data)
        except ErrorReported as error:
            raise AttemptFailed(f"reported an error: {self._scrub(str(error))}", again=True) from error
        except BadChunk as error:
            raise AttemptFailed(str(error), again=False) from error

    def _hint(self, status: int) -> str:
        settings = self._settings
        return _HINTS.get(status, "").format(setting=settings.setting, key_setting=settings.key_setting)

    def _check_content_type(self, response: httpx.Response) -> None:
        content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != "text/event-stream":
            raise AttemptFailed(
                f"answered with {content_type or 'nothing named'} instead of a stream of events; "
                f"check the address in {self._settings.setting}, it usually ends in /v1",
                again=False,
            )

    def _scrub(self, text: str) -> str:
        """Take the key out of what a server has said: some repeat it."""
        return text.replace(self._settings.api_key, "***") if self._settings.api_key else text


async def _events(response: httpx.Response) -> AsyncGenerator[str, None]:
    decoder = EventDecoder()
    try:
        async for received in response.aiter_bytes():
            for data in decoder.feed(received):
                yield data
        if (data_left := decoder.finish()) is not None:
            yield data_left
    except httpx.TransportError as error:
        raise AttemptFailed(f"broke the stream off ({type(error).__name__})", again=True) from error
    except (EventTooLong, UnicodeDecodeError, httpx.DecodingError) as error:
        raise AttemptFailed(f"sent no stream of events ({type(error).__name__})", again=False) from error


async def _next_event(events: AsyncGenerator[str, None], limit_seconds: float) -> str | None:
    try:
        async with asyncio.timeout(limit_seconds):
            return await anext(events, None)
    except TimeoutError as error:
        raise AttemptFailed(f"sent no token for {limit_seconds:g} s", again=True) from error


async def _beginning(response: httpx.Response) -> str:
    """Read an error's body, and no more of it than an error needs."""
    body = b""
    try:
        async with asyncio.timeout(_ERROR_SECONDS):
            async for received in response.aiter_bytes():
                body += received
                if len(body) > _LONGEST_ERROR_BYTES:
                    break
    except (TimeoutError, httpx.HTTPError):
        pass  # what came is enough: the status says most
    return body.decode("utf-8", "replace")

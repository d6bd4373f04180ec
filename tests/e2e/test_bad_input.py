"""Bad input by REST and event streams: the documented error, nothing started, and nobody else is harmed."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.e2e.stories import Api, api_of
from tests.system import System

pytestmark = pytest.mark.usefixtures("unharmed")

MIB = 1024 * 1024
UNKNOWN = "story-00000000-0000-4000-8000-000000000000"
BINARY = random.Random(1).randbytes(4096)
JSON = "application/json"
FORM = "multipart/form-data; boundary=b"
INVALID = (400, "INVALID_REQUEST")
MISSING = (404, "NOT_FOUND")


async def answer(api: Api, method: str, path: str, **more: Any) -> tuple[int, str]:
    """Make a request; return its status, and the code of its error."""
    response = await api.http.request(method, path, **more)
    error = response.json()["error"] if response.status_code >= 400 else {"code": ""}
    assert response.status_code < 400 or len(error["message"]) > 10, "the message helps nobody"
    return response.status_code, error["code"]


def posted(content: bytes | str, media_type: str = JSON) -> dict[str, Any]:
    """Return a request body."""
    return {"content": content, "headers": {"Content-Type": media_type} if media_type else {}}


def wishes(**fields: Any) -> dict[str, Any]:
    """Return a story's wishes as a request body."""
    return posted(json.dumps({"premise": "An owl.", **fields}))


def uploaded(data: bytes, name: str = "file") -> dict[str, Any]:
    """Return a file as a request body."""
    return {"files": {name: ("book.txt", data, "text/plain")}}


STORIES: Mapping[str, tuple[dict[str, Any], tuple[int, str]]] = {
    "nothing": (posted(b""), INVALID),
    "an empty object": (posted(b"{}"), INVALID),
    "an empty premise": (wishes(premise=""), INVALID),
    "a premise of white space": (wishes(premise=" \n\t\u200b\u00a0"), INVALID),
    "a premise of a million letters": (wishes(premise="a" * MIB), INVALID),
    "a premise one letter too long": (wishes(premise="é" * 8001), INVALID),
    "three megabytes": (wishes(premise="a" * 3 * MIB), (413, "PAYLOAD_TOO_LARGE")),
    "no UTF-8": (posted(b'{"premise": "\xff\xfe\xfd"}'), INVALID),
    "half a surrogate": (posted('{"premise": "\\ud800 an owl"}'), INVALID),
    "an unknown field": (wishes(author="me"), INVALID),
    "a number as premise": (wishes(premise=5), INVALID),
    "a word as number": (wishes(words="many"), INVALID),
    "half a word": (wishes(words=100.5), INVALID),
    "less than nothing": (wishes(words=-100), INVALID),
    "too few words": (wishes(words=49), INVALID),
    "too many words": (wishes(words=20_001), INVALID),
    "more words than a number holds": (wishes(words=2**40), INVALID),
    "a number beyond all numbers": (posted('{"premise": "An owl.", "words": 1e999}'), INVALID),
    "no number": (posted('{"premise": "An owl.", "sampling": {"temperature": NaN}}'), INVALID),
    "an object for a list": (wishes(characters={}), INVALID),
    "too many people": (wishes(characters=[{"name": f"N{n}"} for n in range(13)]), INVALID),
    "two people of one name": (wishes(characters=[{"name": "Ida"}, {"name": "ida"}]), INVALID),
    "a person without a name": (wishes(characters=[{"name": " "}]), INVALID),
    "no language": (wishes(language="!!"), INVALID),
    "a request id with blanks": (wishes(requestId="a b"), INVALID),
    "a request id that is a number": (wishes(requestId=5), INVALID),
    "a request id that is too long": (wishes(requestId="a" * 129), INVALID),
    "half of the JSON": (posted('{"premise": "An ow'), INVALID),
    "a list": (posted("[]"), INVALID),
    "a nest of lists": (posted("[" * 100_000), INVALID),
    "a nest in a field": (posted('{"premise": ' + "[" * 5000 + "]" * 5000 + "}"), INVALID),
    "JSON called text": (posted('{"premise": "An owl."}', "text/plain"), (415, "UNSUPPORTED_MEDIA_TYPE")),
    "JSON called nothing": (posted('{"premise": "An owl."}', ""), (415, "UNSUPPORTED_MEDIA_TYPE")),
    "a binary file": (uploaded(BINARY), INVALID),
    "a picture": (uploaded(b"\x89PNG\r\n\x1a\n" + bytes(100)), INVALID),
    "an empty file": (uploaded(b""), INVALID),
    "a file that is too large": (uploaded(b"word " * (MIB // 4)), INVALID),
    "a file under another name": (uploaded(b"A book.", "book"), INVALID),
    "two files": ({"files": [("file", ("a", b"A")), ("file", ("b", b"B"))]}, INVALID),
    "a file and a source": (
        {**uploaded(b"A book."), "data": {"request": '{"source": {"text": "Another."}}'}},
        INVALID,
    ),
    "a form cut short": (posted(b"--b\r\nContent-Disposition: form-data; name=request\r\n\r\n{", FORM), INVALID),
    "a form without boundary": (posted(b"--b--", "multipart/form-data"), INVALID),
    "a form of rubbish": (posted(BINARY, FORM), INVALID),
    "a binary source": (wishes(source={"data": base64.b64encode(BINARY).decode()}), INVALID),
    "a source that is no base64": (wishes(source={"data": "%%%"}), INVALID),
    "a source said to be stored": (wishes(source={"stored": {"name": "story/x/source"}}), INVALID),
}


async def test_a_bad_story_is_refused_by_rest(house: System) -> None:
    """Whatever is wrong with a request for a story, the answer says so in the one shape of errors."""
    async with api_of(house) as api:
        answers = {name: await answer(api, "POST", "/v1/stories", **asked) for name, (asked, _) in STORIES.items()}
    assert {name: expected for name, (_, expected) in STORIES.items()} == answers


LISTS = {
    "?pageSize=1000000": (200, ""),
    "?pageSize=2147483647": (200, ""),
    "?pageSize=99999999999999999999999": INVALID,
    "?pageSize=-1": INVALID,
    "?pageSize=ten": INVALID,
    "?pageSize=%F0%9F%A6%89": INVALID,
    "?pageToken=nonsense": INVALID,
    "?pageToken=" + "9" * 300: INVALID,
    "?pageToken=%00": INVALID,
    "?state=flying": INVALID,
    "?page=2": INVALID,
}


async def test_a_bad_list_is_refused_by_rest(house: System) -> None:
    """Sizes, tokens and states that nobody can serve; a token of another list is none of this one's."""
    async with api_of(house) as api:
        answers = {query: await answer(api, "GET", f"/v1/stories{query}") for query in LISTS}
        assert answers == LISTS
        await api.start(words=50)  # so that there is a second page
        page = (await api.http.get("/v1/stories", params={"pageSize": 1})).json()
        foreign = {"pageSize": 1, "pageToken": page["nextPageToken"], "state": "running"}
        assert INVALID == await answer(api, "GET", "/v1/stories", params=foreign)
        assert (200, "") == await answer(api, "GET", "/v1/stories", params={**foreign, "state": []})
        await remove_newest(api)


async def remove_newest(api: Api) -> None:
    """Cancel and delete the newest story, as if it had never been."""
    newest = (await api.ids())[0]
    await api.command(newest, "cancel")
    while await api.state(newest) not in ("CANCELLED", "SUCCEEDED"):  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.05)
    await api.http.delete(f"/v1/generations/{newest}")


IDS = (UNKNOWN, "story-1", "nonsense", f"image-{UNKNOWN[6:]}", "s" * 5000, "%00", "..%2F..%2Fetc", "story-%FF")


async def test_an_unknown_id_is_not_found_by_rest(house: System) -> None:
    """A well-formed id that nobody has and rubbish are answered alike, by every operation."""
    operations = [("GET", ""), ("DELETE", ""), ("GET", "/events")]
    operations += [("POST", f":{verb}") for verb in ("cancel", "pause", "resume", "retry")]
    async with api_of(house) as api:
        answers = {
            (method, id_, what): await answer(api, method, f"/v1/generations/{id_}{what}")
            for method, what in operations
            for id_ in IDS
        }
    assert dict.fromkeys(answers, MISSING) == answers


async def test_a_request_id_is_never_used_for_two_stories(house: System) -> None:
    """The same request again is the same story; another request under its id is refused."""
    async with api_of(house) as api:
        first = await api.start(words=50, requestId="e2e-once")
        assert first == await api.start(words=50, requestId="e2e-once")
        assert (409, "ALREADY_EXISTS") == await answer(
            api, "POST", "/v1/stories", **wishes(words=51, requestId="e2e-once")
        )
        await remove_newest(api)


CURSORS = {
    "?after=-1": INVALID,
    "?after=1e3": INVALID,
    "?after=4294967296": INVALID,
    "?after=now": INVALID,
    "?before=5": INVALID,
    "?snapshot=perhaps": INVALID,
}


async def test_a_bad_cursor_is_refused_by_an_event_stream(house: System) -> None:
    """What is no number is refused; a number beyond the log is answered with a reset and the rest of the log."""
    async with api_of(house) as api:
        [story, *_] = await api.ids()
        path = f"/v1/generations/{story}/events"
        assert {query: await answer(api, "GET", path + query) for query in CURSORS} == CURSORS
        for bad in ("x", "-1", "99999999999", "1.5.2", "1.", "é".encode()):
            assert INVALID == await answer(api, "GET", path, headers={b"Last-Event-ID": bad})
        async with api.http.stream("GET", f"{path}?after=4000000000", timeout=None) as response:
            assert 200 == response.status_code
            lines = [line async for line in response.aiter_lines()]
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        assert ["reset", "ended"] == [names[0], names[-1]]
        assert {"event"} == set(names[1:-1]) or len(names) == 2


async def test_pages_and_verbs_that_do_not_exist(house: System) -> None:
    """Told in the same shape as every other error."""
    async with api_of(house) as api:
        assert MISSING == await answer(api, "GET", "/v2/stories")
        assert MISSING == await answer(api, "GET", "/page/../gateway.py")
        assert (405, "METHOD_NOT_ALLOWED") == await answer(api, "PUT", "/v1/stories")
        foreign = {"Origin": "https://evil.example"}
        assert (403, "PERMISSION_DENIED") == await answer(api, "GET", "/v1/stories", headers=foreign)
        assert (403, "PERMISSION_DENIED") == await answer(api, "POST", "/v1/stories", **wishes() | {"headers": foreign})
        assert httpx.codes.OK == (await api.http.get("/")).status_code

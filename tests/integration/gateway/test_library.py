"""The library of characters at the REST door, before a real service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import jsonschema
import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.character.house import Customer, House, open_house
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.story.house import SECRET, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "character-00000000-0000-4000-8000-999999999999"
OTTO = {"authorization": f"Bearer {token('otto', expires_in=3600)}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A character server and a worker."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway that has doors for characters only."""
    settings: dict[str, Any] = {
        "character_address": f"127.0.0.1:{house.port}",
        "allowed_origins": ("https://stories.example",),
        "generators": ("character",),
        "jwt_secret": SECRET,
    }
    async with running_gateway("127.0.0.1:1", **settings) as running:
        yield running


@pytest.fixture
def ida(house: House) -> Customer:
    """Somebody who has no characters yet."""
    return house.customer()


def headers(customer: Customer, **more: str) -> dict[str, str]:
    """Return the headers of a request of theirs."""
    names = {name.replace("_", "-"): value for name, value in more.items()}
    return {"authorization": f"Bearer {customer.caller.token}", **names}


async def test_characters_are_listed_by_pages_words_and_whether_they_are_saved(gateway: Gateway, ida: Customer) -> None:
    """Newest first, of the caller's own only."""
    fox, knight = (await ida.made("a red fox named Fritz")).id, (await ida.made("a knight named Gisela")).id
    await ida.call("SaveCharacter", character_id=fox)

    async def listed(query: str = "", who: dict[str, str] | None = None) -> Any:
        found = await gateway.http.get(f"/v1/characters/library{query}", headers=who or headers(ida))
        assert 200 == found.status_code, found.text
        return found.json()

    async def ids(query: str) -> list[str]:
        return [one["id"] for one in (await listed(query))["characters"]]

    first = await listed("?pageSize=1")
    assert [knight] == [one["id"] for one in first["characters"]]
    assert [fox] == await ids(f"?pageSize=1&pageToken={first['nextPageToken']}")
    assert [fox] == await ids("?query=FRITZ+fox")
    assert [[fox], [knight], [knight, fox]] == [await ids(query) for query in ("?saved=1", "?saved=false", "")]
    assert [] == (await listed(who=OTTO))["characters"]


async def test_a_character_is_read_changed_saved_and_discarded(gateway: Gateway, ida: Customer) -> None:
    """At its own address; the generation stays at its own until both are discarded."""
    made = await ida.made("a red fox named Fritz")
    path = f"/v1/characters/{made.id}"
    read = await gateway.http.get(path, headers=headers(ida))
    details = {**read.json()["details"], "firstName": "Franz"}
    change = headers(ida, if_match=read.headers["etag"])
    changed = await gateway.http.patch(path, json={"details": details}, headers=change)
    saved = await gateway.http.post(f"{path}:save", headers=headers(ida))

    assert (made.id, f'"{made.etag}"') == (read.json()["id"], read.headers["etag"])
    assert ("Franz", made.history) == (changed.json()["details"]["firstName"], changed.json()["history"])
    assert f'"{changed.json()["etag"]}"' == changed.headers["etag"] != read.headers["etag"]
    assert (True, True) == (saved.json()["saved"], "expireTime" in changed.json() and "expireTime" not in saved.json())
    assert "no-store" == read.headers["cache-control"]
    assert 204 == (await gateway.http.delete(path, headers=headers(ida))).status_code
    gone = [await gateway.http.get(at, headers=headers(ida)) for at in (path, f"/v1/generations/{made.id}")]
    assert [404, 404] == [one.status_code for one in gone]


async def test_a_new_avatar_is_asked_for_once(gateway: Gateway, ida: Customer) -> None:
    """By the request's id; without a body, too."""
    made = await ida.made()
    path = f"/v1/characters/{made.id}:regenerateAvatar"
    first, again = [await gateway.http.post(path, json={"requestId": "r-1"}, headers=headers(ida)) for _ in range(2)]
    other = await gateway.http.post(path, headers=headers(ida))
    refused = await gateway.http.post(path, json={"characterId": made.id}, headers=headers(ida))

    assert [200, 200, 200, 400] == [one.status_code for one in (first, again, other, refused)]
    avatars = [one.json()["avatar"]["generationId"] for one in (first, again, other)]
    assert avatars[0] == avatars[1] != avatars[2]
    assert "AVATAR_STATE_PENDING" == first.json()["avatar"]["state"]


async def test_change_of_what_has_changed_fails_its_condition(gateway: Gateway, ida: Customer) -> None:
    """412 with the service's code; the change that was first stands."""
    made = await ida.made()
    path, condition = f"/v1/characters/{made.id}", headers(ida, if_match=f'"{made.etag}"')
    first = await gateway.http.patch(path, json={"history": "first"}, headers=condition)
    second = await gateway.http.patch(path, json={"history": "second"}, headers=condition)

    assert [200, 412] == [first.status_code, second.status_code]
    error = second.json()["error"]
    assert ("SUPERSEDED", False) == (error["code"], error["retryable"])
    assert "first" == (await ida.kept(made.id)).history


@pytest.mark.parametrize("tag", [None, "", "5", '""', "*", 'W/"5"', '"5", "6"', f'"{"5" * 65}"'])
async def test_no_change_without_the_tag_of_what_was_read(gateway: Gateway, ida: Customer, tag: str | None) -> None:
    """One tag, in quotes."""
    given = {} if tag is None else {"if-match": tag}
    answer = await gateway.http.patch(
        f"/v1/characters/{UNKNOWN}", json={"history": "x"}, headers={**headers(ida), **given}
    )

    assert (400, "If-Match") == (answer.status_code, answer.json()["error"]["violations"][0]["field"])


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"details": {"firstName": ""}}, "details.firstName"),
        ({"details": {"firstName": 7}}, "details.firstName"),
        ({"history": "x" * 20_001}, "history"),
        ({"colour": "red"}, "colour"),
        ({"etag": "1"}, "etag"),
        ({"characterId": UNKNOWN}, "characterId"),
    ],
)
async def test_what_cannot_be_changed_is_named(
    gateway: Gateway, ida: Customer, body: dict[str, Any], where: str
) -> None:
    """As the body names it; nothing is changed."""
    made = await ida.made()
    condition = headers(ida, if_match=f'"{made.etag}"')
    answer = await gateway.http.patch(f"/v1/characters/{made.id}", json=body, headers=condition)

    assert 400 == answer.status_code, answer.text
    assert where in {one["field"] for one in answer.json()["error"]["violations"]}
    assert made.etag == (await ida.kept(made.id)).etag


async def test_anothers_character_is_as_unknown_as_none(gateway: Gateway, ida: Customer) -> None:
    """By each verb the answers are the same, and nothing happens to it; without a token nobody is let in."""
    made = await ida.made()
    for method, more in (("GET", ""), ("PATCH", ""), ("POST", ":save"), ("POST", ":regenerateAvatar"), ("DELETE", "")):
        answers = set()
        for id_ in (made.id, UNKNOWN, f"story-{made.id[10:]}", "character-1", "ü", "library2"):
            body = {"history": "mine"} if method == "PATCH" else None
            given = {**OTTO, "if-match": f'"{made.etag}"'}
            answer = await gateway.http.request(method, f"/v1/characters/{id_}{more}", json=body, headers=given)
            error = answer.json()["error"]
            answers.add((answer.status_code, error["code"], error["message"], error["details"].get("resource")))
        assert {(404, "NOT_FOUND", "there is no such character", "character")} == answers
        refused = await gateway.http.request(method, f"/v1/characters/{made.id}{more}")
        assert 401 == refused.status_code

    assert made == await ida.kept(made.id)


async def test_what_the_list_cannot_read_is_named(gateway: Gateway, ida: Customer) -> None:
    """Parameters that are misspelt, or say nothing that they could."""
    for query in ("quer=fox", "saved=perhaps", "pageSize=x", "pageToken=x", f"query={'x' * 201}"):
        answer = await gateway.http.get(f"/v1/characters/library?{query}", headers=headers(ida))
        assert 400 == answer.status_code
        assert query.partition("=")[0] == answer.json()["error"]["violations"][0]["field"]


async def test_pages_of_allowed_sites_may_change_characters(gateway: Gateway) -> None:
    """A browser asks first whether it may."""
    asks = {"access-control-request-method": "PATCH", "access-control-request-headers": "if-match"}
    answer = await gateway.http.options(
        f"/v1/characters/{UNKNOWN}", headers={"origin": "https://stories.example", **asks}
    )

    assert 200 == answer.status_code
    assert "PATCH" in answer.headers["access-control-allow-methods"]


async def test_the_library_is_described(gateway: Gateway, ida: Customer) -> None:
    """As it answers; the id and the tag do not stand in the body of a change."""
    made = await ida.made()
    document = (await gateway.http.get("/v1/openapi.json")).json()
    paths = document["paths"]
    names = {operation["operationId"] for path in paths.values() for operation in path.values()}
    described = {"components": document["components"]}
    for path in ("/v1/characters/{id}", "/v1/characters/library"):
        operation = paths[path]["get"]
        answer = await gateway.http.get(path.replace("{id}", made.id), headers=headers(ida))
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json(), {**schema, **described})
    change = paths["/v1/characters/{id}"]["patch"]

    assert {
        "startCharacter", "listCharacters", "listCharacterLibrary", "getCharacter", "updateCharacter",
        "saveCharacter", "discardCharacter", "regenerateAvatar",
    } <= names  # fmt: skip
    body = change["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {"details", "history"} == set(body)
    assert "412" in change["responses"]

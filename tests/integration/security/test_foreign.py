"""What belongs to somebody else is answered as what does not exist: every rpc and every address that names something.

Each is asked three times: by Eve for a thing of Ada's, by Eve for an id that nobody has, and by Ada for her own. The
first two answers are the same, byte by byte but for the ids; the third is another one, so that a door which refuses
everybody does not pass.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fabula.rpc.kinds import KINDS
from tests.integration.security.asking import (
    IDS,
    Address,
    Answer,
    addresses,
    ask,
    http_answer,
    ids_of,
    native,
    over_web,
    request_of,
    unknown,
)
from tests.integration.security.estate import MAKERS, Estate, Owner
from tests.unit.security.contracts import Rpc, rpcs

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

READING = ("Get", "List", "Watch", "Download")
GIVEN_TO_ANYBODY = {"TicketService/CreateTicket", "createTicket"}
"""A ticket reads what its asker may read: asked for an id of somebody else's, it opens nothing (test_tickets.py)."""
CHANGING_FOR = {"webhook": ("delivery",), "character": ("session",)}
"""What is lost with something else."""


def spent(owner: Owner, what: str) -> None:
    """Note that a thing was changed: the next one to ask for it gets a new one."""
    for each in (what, *CHANGING_FOR.get(what, ())):
        owner.things.pop(each, None)


async def of_rpc(rpc: Rpc, owner: Owner) -> list[dict[str, str]]:
    """Return the ids by which a request can name things of an owner's: one for each kind that it may be."""
    fields = ids_of(rpc)
    kinds = [(rpc.kind,) if rpc.kind in KINDS and field == "generation_id" else IDS[field] for field in fields]
    return [
        {field: await owner.thing(what) for field, what in zip(fields, chosen, strict=True)}
        for chosen in itertools.product(*kinds)
    ]


def nobodys(ids: dict[str, str]) -> dict[str, str]:
    """Return ids of the same forms that nobody has."""
    return {place: unknown(id_) for place, id_ in ids.items()}


@pytest.mark.parametrize("call", [native, over_web])
async def test_no_rpc_tells_of_what_is_somebody_elses(estate: Estate, ada: Owner, eve: Owner, call: Any) -> None:
    """Over gRPC and gRPC-Web; also where only one of two ids is foreign."""
    swept = set()
    for rpc in rpcs():
        if call is over_web and rpc.kind == "webhook":
            continue  # not offered there: test_tokens.py
        for hers in await of_rpc(rpc, ada):
            if not hers:
                continue
            name = rpc.path.rpartition(".")[2]
            swept.add(name)

            async def asked(owner: Owner, ids: dict[str, str], rpc: Rpc = rpc) -> Answer:
                found: Answer = await call(estate, rpc, request_of(rpc, ids), owner.token, *ids.values(), seconds=2.0)
                return found

            foreign, nothing = await asked(eve, hers), await asked(eve, nobodys(hers))
            if name in GIVEN_TO_ANYBODY:
                assert (foreign.status, nothing.status) in {("OK", "OK"), ("NOT_FOUND", "NOT_FOUND")}
                continue
            assert foreign == nothing, rpc
            assert "NOT_FOUND" == foreign.status, rpc
            if "delivery_id" in hers:
                mixed = {**hers, "webhook_id": await eve.thing("webhook")}
                assert await asked(eve, mixed) == await asked(
                    eve, {**mixed, "delivery_id": unknown(hers["delivery_id"])}
                )
            own = await asked(ada, hers)
            assert "NOT_FOUND" != own.status, (rpc, own)
            if not rpc.method.name.startswith(READING):
                for what in IDS[ids_of(rpc)[0]]:
                    spent(ada, what)
    named = {rpc.path.rpartition(".")[2] for rpc in rpcs() if ids_of(rpc)}
    assert swept == {each for each in named if call is native or not each.startswith("Webhook")}


async def named_at(address: Address, owner: Owner) -> list[dict[str, str]]:
    """Return the ways to name things of an owner's at an address: by each kind of id that there is."""
    if address.places == ["id", "delivery"]:
        return [{"id": await owner.thing("webhook"), "delivery": await owner.thing("delivery")}]
    return [dict.fromkeys(address.places, await owner.thing(what)) for what in MAKERS]


def shown(owner: Owner, address: Address) -> dict[str, str]:
    """Return the headers of an owner's request; of a change with the version that it changes."""
    return owner.headers | (
        {"if-match": '"x"'} if any("If-Match" == each["name"] for each in address.parameters) else {}
    )


async def test_no_address_tells_of_what_is_somebody_elses(estate: Estate, ada: Owner, eve: Owner) -> None:
    """In its path, its query or its body, by ids of every kind."""
    swept = set()
    for address in await addresses(estate):
        if not address.places:
            continue
        swept.add(address.name)
        reads = address.method in ("GET", "HEAD")
        for what, hers in zip(MAKERS, await named_at(address, ada), strict=False):
            answers = []
            for ids in (hers, nobodys(hers)):
                response = await ask(estate, address, ids, headers=shown(eve, address))
                answers.append(http_answer(response, *ids.values()))
            assert answers[0] == answers[1], (address, what)
            assert answers[0].status in (404, 400) or address.name in GIVEN_TO_ANYBODY, (address, what, answers[0])
        if address.name in GIVEN_TO_ANYBODY:
            continue
        for what, hers in zip(MAKERS, await named_at(address, ada), strict=False):
            response = await ask(estate, address, hers, headers=shown(ada, address))
            if response.status_code not in (404, 400):
                if not reads:
                    spent(ada, "character" if what == "session" else what)
                break
        else:
            raise AssertionError(f"{address.name} refuses its owner, too: {response.status_code} {response.text}")
    assert swept == {address.name for address in await addresses(estate) if address.places}


async def test_no_list_tells_of_what_is_somebody_elses(estate: Estate, ada: Owner) -> None:
    """What names nothing is answered to a stranger as to one who was never here, and names nothing of Ada's."""
    hers = [await ada.thing(what) for what in MAKERS]
    mallory, zoe = estate.owner("mallory"), estate.owner("zoe")
    swept = set()
    for address in await addresses(estate):
        if address.places or address.is_open or address.method != "GET":
            continue
        swept.add(address.name)
        whole: dict[str, Any] = {"until": (b"event: listed", len(KINDS))} if address.name == "watchGenerations" else {}
        answers = [await ask(estate, address, {}, headers=each.headers, **whole) for each in (mallory, zoe)]
        first, second = (http_answer(answer) for answer in answers)
        assert first.status == second.status == 200, address
        # The services are asked at once: which is the first to say that it has nothing is up to them.
        assert sorted(first.rest.splitlines()) == sorted(second.rest.splitlines()), address
        assert not [id_ for id_ in hers if id_ in answers[0].text], address
        if "pageToken" in address.query:
            own = await ask(estate, address, {}, headers=ada.headers, query={"pageSize": "1"})
            token = own.json().get("nextPageToken")
            if token:
                stolen = await ask(estate, address, {}, headers=mallory.headers, query={"pageToken": token})
                assert not [id_ for id_ in hers if id_ in stolen.text], address
    assert {"listStories", "listWebhooks", "watchGenerations", "listOwnCharacters"} <= swept
    for rpc in rpcs():
        if not ids_of(rpc) and rpc.method.name.startswith(READING):
            answers_ = [await native(estate, rpc, request_of(rpc, {}), each.token) for each in (mallory, zoe)]
            assert answers_[0] == answers_[1], rpc
            assert not [id_ for id_ in hers if id_.encode().hex() in answers_[0].rest], rpc


async def test_a_request_names_no_character_source_or_request_of_somebody_elses(
    estate: Estate, ada: Owner, eve: Owner
) -> None:
    """What is named inside of a request is looked for among one's own, too."""
    people = {"premise": "An owl.", "characters": [{"id": await ada.thing("character")}]}
    starts = {each.name: each for each in await addresses(estate)}

    async def started(who: Owner, body: dict[str, Any], *ids: str) -> Answer:
        return http_answer(await ask(estate, starts["startStory"], {}, json=body, headers=who.headers), *ids)

    id_ = await ada.thing("character")
    foreign = await started(eve, people, id_)
    nothing = await started(eve, {**people, "characters": [{"id": unknown(id_)}]}, unknown(id_))
    assert (400, foreign) == (nothing.status, nothing)
    assert 202 == (await started(ada, people, id_)).status

    made = await ask(
        estate, starts["startStory"], {}, headers=ada.headers,
        data={"request": "{}"}, files={"file": ("owl.txt", b"An owl sat on a stone.", "text/plain")},
    )  # fmt: skip
    assert 202 == made.status_code, made.text
    story = made.json()["id"]
    kept = (await ask(estate, starts["getGeneration"], {"id": story}, headers=ada.headers)).json()
    name = kept["request"]["source"]["stored"]["name"]
    again = {"source": {"name": "owl", "stored": {"name": name}}}
    lost = {"source": {"name": "owl", "stored": {"name": name.replace(story, unknown(story))}}}
    assert await started(eve, again, name) == await started(eve, lost, name.replace(story, unknown(story)))
    assert 400 == (await started(eve, again)).status
    assert 202 == (await started(ada, again)).status

    same = {"requestId": "the-same", "premise": "An owl."}
    ids = set()
    for who in (ada, eve):
        response = await ask(estate, starts["startStory"], {}, json=same, headers=who.headers)
        assert 202 == response.status_code, response.text
        ids.add(response.json()["id"])
    assert 2 == len(ids)

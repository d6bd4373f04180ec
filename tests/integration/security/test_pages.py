"""What pages of other sites can make a browser do, and what tickets and keys are good for: at every address."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.security.asking import Address, addresses, ask
from tests.integration.security.estate import NOWHERE, Estate, Owner
from tests.unit.security.contracts import rpcs

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

EVIL = {"origin": "https://evil.example"}
SAFE = ("GET", "HEAD")
BY_TICKET = {
    "downloadImage", "describeImage", "watchGeneration", "readGenerationLog", "watchGenerationLog", "readStoryLog",
    "watchStoryLog", "readCharacterLog", "watchCharacterLog", "readImageLog", "watchImageLog", "resumePipelineStream",
}  # fmt: skip
"""Operations that a ticket opens: they read one generation."""


def nothing(address: Address) -> dict[str, str]:
    """Return ids of nothing."""
    return dict.fromkeys(address.places, f"story-{NOWHERE}")


async def test_no_preflight_of_another_site_is_answered(estate: Estate) -> None:
    """At no address and at no rpc: 403, and no header by which a browser would go on."""
    paths = {address.path.replace("{id}", f"story-{NOWHERE}"): address.method for address in await addresses(estate)}
    for path, method in {**paths, **{rpc.path: "POST" for rpc in rpcs()}}.items():
        asked = {
            **EVIL,
            "access-control-request-method": method,
            "access-control-request-headers": "authorization,content-type",
            "access-control-request-private-network": "true",
        }
        answer = await estate.gateway.http.options(path, headers=asked)
        assert 403 == answer.status_code, path
        assert not [name for name in answer.headers if name.startswith("access-control-")], path


async def test_no_request_of_another_sites_page_is_carried_out(estate: Estate, ada: Owner) -> None:
    """Whatever it shows: a good token, a cookie, or a form that needs no preflight."""
    for address in await addresses(estate):
        for shown in (ada.headers, {"cookie": f"fabula_session={ada.token}"}):
            answer = await ask(estate, address, nothing(address), headers={**shown, **EVIL})
            assert 403 == answer.status_code, address
            assert "access-control-allow-origin" not in answer.headers


async def test_a_cookie_counts_only_where_its_page_is_known(estate: Estate, ada: Owner) -> None:
    """What changes something needs a proof; other sites' requests are refused altogether."""
    cookie = {"cookie": f"fabula_session={ada.token}"}
    for address in await addresses(estate):
        if address.is_open or address.name in ("beginSession", "endSession"):  # the one takes a header only
            continue
        for site, reads, changes in (
            ({}, False, True),
            ({"sec-fetch-site": "none"}, False, True),
            ({"sec-fetch-site": "same-site"}, True, True),
            ({"sec-fetch-site": "cross-site"}, True, True),
            ({"sec-fetch-site": "cross-site, same-origin"}, True, True),
            ({"sec-fetch-site": "same-origin", "x": "y"}, False, False),
        ):
            is_refused = reads if address.method in SAFE else changes
            if not is_refused and address.method not in SAFE:
                continue  # carried out: test_foreign.py
            answer = await ask(estate, address, nothing(address), headers={**cookie, **site})
            assert (403 == answer.status_code) == is_refused, (address, site, answer.status_code)
            assert 401 != answer.status_code, (address, site)


async def ticket(owner: Owner, what: str) -> str:
    """Return a ticket for something of an owner's."""
    generation = await owner.thing(what)
    answer = await owner.estate.gateway.http.post(
        "/v1/tickets", json={"generationId": generation}, headers=owner.headers
    )
    assert 200 == answer.status_code, answer.text
    return str(answer.json()["ticket"])


async def test_a_ticket_opens_what_reads_its_generation_and_nothing_else(estate: Estate, ada: Owner) -> None:
    """At every operation, as a parameter and as a token; at those that take it, for another generation and kind."""
    opened = set()
    for address in await addresses(estate):
        if address.is_open or address.name == "endSession":
            continue
        for what in ("story", "image"):
            own = await ada.thing(what)
            other = await ada.thing("image" if what == "story" else "story")
            word = await ticket(ada, what)
            answer = await ask(estate, address, dict.fromkeys(address.places, other), query={"ticket": word})
            assert answer.status_code in (400, 401, 404), (address, what, answer.status_code)
            word = await ticket(ada, what)
            shown = {"authorization": f"Bearer {word}"}
            assert 401 == (await ask(estate, address, dict.fromkeys(address.places, own), headers=shown)).status_code
            answer = await ask(estate, address, dict.fromkeys(address.places, own), query={"ticket": word})
            if answer.status_code not in (400, 401, 404):
                assert address.method in SAFE, address
                opened.add(address.name)
                for at in (estate.gateway, estate.other):
                    again = await ask(
                        estate, address, dict.fromkeys(address.places, own), query={"ticket": word}, http=at.http
                    )
                    assert 401 == again.status_code, address
    assert BY_TICKET - {"readCharacterLog", "watchCharacterLog"} == opened
    assert BY_TICKET == {address.name for address in await addresses(estate) if "ticket" in address.query}


async def test_of_many_who_show_a_ticket_at_two_gateways_at_once_one_is_let_in(estate: Estate, ada: Owner) -> None:
    """Redeeming is a race that one wins."""
    story, word = await ada.thing("story"), await ticket(ada, "story")
    read = next(each for each in await addresses(estate) if each.name == "readGenerationLog")
    answers = await asyncio.gather(*(
        ask(estate, read, {"id": story}, query={"ticket": word}, http=(estate.gateway, estate.other)[n % 2].http)
        for n in range(12)
    ))  # fmt: skip
    assert [200, *[401] * 11] == sorted(answer.status_code for answer in answers)


async def test_a_ticket_changes_nothing_over_a_services_own_door(estate: Estate, ada: Owner) -> None:
    """The token it is redeemed for reads its one generation, whatever rpc it is shown to."""
    word = await ticket(ada, "story")
    redeemed = await ada.call("ticket", "RedeemTicket", ticket=word)
    from tests.integration.security.asking import native, request_of  # noqa: PLC0415

    own, other = await ada.thing("story"), await ada.thing("character")
    for rpc in rpcs():
        if rpc.method.name == "RedeemTicket":
            continue
        fields = {"generation_id": other if rpc.kind == "character" else own, "character_id": other,
                  "webhook_id": f"webhook-{NOWHERE}", "delivery_id": "msg_x"}  # fmt: skip
        answer = await native(estate, rpc, request_of(rpc, fields), redeemed.token)
        reads = rpc.kind == "story" and rpc.method.name in ("GetGeneration", "WatchProgress")
        assert ("OK" if reads else "PERMISSION_DENIED") == answer.status or (
            rpc.kind == "image" and answer.status == "NOT_FOUND"
        ), (rpc, answer)

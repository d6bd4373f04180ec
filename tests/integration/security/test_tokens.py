"""No door opens without a good token: every rpc, every address, every socket, as the code lists them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from gateway.doors.grpc_web.methods import _CHECK, methods_of
from tests.integration.security.asking import BODIES, IDS, addresses, ask, native, over_web, request_of, text_fields
from tests.integration.security.estate import NOWHERE, Estate
from tests.proof import FULL_PROOF, PROOF
from tests.unit.security.contracts import known_kinds, rpcs

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.proof,
    pytest.mark.timeout(600),
    pytest.mark.parametrize("estate", ["secret", "jwks"], indirect=True),
]

THINGS = {
    "generation_id": f"story-{NOWHERE}",
    "character_id": f"character-{NOWHERE}",
    "webhook_id": f"webhook-{NOWHERE}",
    "delivery_id": "msg_unknown",
}
NOT_OVER_WEB = {"RedeemTicket"}
"""Its token is a secret between gateways and services."""

SOME = 3
"""So many bad tokens are tried at each door in a normal test, others at the next one; in a proof all at each."""


def tried(bad: Mapping[str, str], number: int) -> Iterator[tuple[str, str]]:
    """Yield no token, and the bad ones that are tried at the door of this number."""
    kinds = [(what, token) for what, token in bad.items() if token]
    count = len(kinds) if PROOF >= FULL_PROOF else SOME
    yield "none", ""
    for step in range(count):
        yield kinds[(number * count + step) % len(kinds)]


async def test_every_service_of_the_contracts_is_a_kind_and_its_ids_are_known(estate: Estate) -> None:
    """A service, or a field that names something, which this sweep does not know of has to be added to it."""
    kinds = known_kinds()
    assert {rpc.kind for rpc in rpcs()} == set(kinds)
    assert {rpc.path for rpc in rpcs()} == {
        kind.path(method.name)
        for kind in kinds.values()
        for service in kind.api.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    named = {name for rpc in rpcs() for name in text_fields(rpc.method.input_type) if name.endswith("_id")}
    assert set(IDS) == named
    assert {address.name for address in await addresses(estate) if address.takes_body} == set(BODIES)


async def test_no_rpc_is_answered_without_a_good_token(estate: Estate) -> None:
    """UNAUTHENTICATED by every service, whatever is asked for; and a good token is let in everywhere."""
    let_in = []
    bad = estate.bad_tokens("ada")
    for number, rpc in enumerate(rpcs()):
        request = request_of(rpc, THINGS)
        for what, token in tried(bad, number):
            answer = await native(estate, rpc, request, token, seconds=20)
            if answer.status != "UNAUTHENTICATED":
                let_in.append((str(rpc), what, answer))
        if rpc.method.name != "RedeemTicket":
            assert "UNAUTHENTICATED" != (await native(estate, rpc, request, estate.token("zoe"))).status, rpc
    assert [] == let_in


async def test_no_rpc_is_answered_over_grpc_web_without_a_good_token(estate: Estate) -> None:
    """The same at the gateway, where services' own tokens are none."""
    offered = methods_of(estate.gateway.house)
    let_in = []
    swept = {_CHECK}
    bad = {**estate.bad_tokens("ada"), **estate.services_tokens("ada")}
    for number, rpc in enumerate(rpcs()):
        request = request_of(rpc, THINGS)
        if rpc.path not in offered:
            for token in ("", estate.token("zoe")):
                assert "UNIMPLEMENTED" == (await over_web(estate, rpc, request, token)).status, rpc
            continue
        swept.add(rpc.path)
        for what, token in tried(bad, number):
            answer = await over_web(estate, rpc, request, token, seconds=20)
            if answer.status != "UNAUTHENTICATED":
                let_in.append((str(rpc), what, answer))
    assert [] == let_in
    assert set(offered) == swept, "health alone is open, as docs/grpc-web.md says"
    assert not any(path.endswith(f"/{name}") for path in offered for name in NOT_OVER_WEB)


async def test_no_address_is_answered_without_a_good_token(estate: Estate) -> None:
    """401 at every operation that is not open, in its header, as a ticket, as a key or as a parameter."""
    let_in, swept = [], set()
    bad = {**estate.bad_tokens("ada"), **estate.services_tokens("ada")}
    for number, address in enumerate(await addresses(estate)):
        if address.is_open:
            continue
        swept.add(address.name)
        things = dict.fromkeys(address.places, f"story-{NOWHERE}")
        for what, token in tried(bad, number):
            headers = {"authorization": f"Bearer {token}"} if token else {}
            answer = await ask(estate, address, things, headers=headers)
            if answer.status_code != 401 and address.name != "endSession":
                let_in.append((address.name, what, answer.status_code))
            assert 401 != answer.status_code or "Bearer" == answer.headers["www-authenticate"]
        good = estate.token("zoe")
        for name in ("token", "ticket"):
            answer = await ask(estate, address, things, query={name: good})
            if answer.status_code not in (400, 401) and address.name != "endSession":
                let_in.append((address.name, f"?{name}", answer.status_code))
    assert [] == let_in
    assert {each.name for each in await addresses(estate) if each.is_open} | swept == {
        each.name for each in await addresses(estate)
    }
    assert {"isAlive", "isReady", "readMetrics", "getOpenApi", "getAsyncApi"} == {
        each.name for each in await addresses(estate) if each.is_open
    }, "what is open to all is a decision: docs/security.md names it"

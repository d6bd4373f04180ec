from __future__ import annotations

import time
from http.cookies import SimpleCookie
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from fabula.errors import NotFound, PermissionDenied, Unauthenticated
from fabula.rpc.auth import CLOCK_SKEW_SECONDS, LOCAL_OWNER, Authenticator
from fabula.rpc.client import Caller
from gateway.cookies import SessionCookie
from gateway.identity import Doorkeeper, Visitor, token_of
from gateway.origin import OriginRule
from gateway.picture_links import PictureLinks
from tests.integration.gateway.tokens import SECRET, token

FRIEND = "https://friend.example"
OWN = {"sec-fetch-site": "same-origin"}
COOKIE = SessionCookie("fabula_session")


def doorkeeper(secret: str | None = SECRET) -> Doorkeeper:
    """Return a gateway's doorkeeper, without services behind it."""
    return Doorkeeper(
        Authenticator(secret), OriginRule(frozenset({FRIEND}), own_names_only=False), COOKIE, {}, PictureLinks(secret)
    )


def knock(headers: dict[str, str], method: str = "GET", subprotocols: tuple[str, ...] = ()) -> HTTPConnection:
    """Return a request, or with the method WS the handshake of a WebSocket."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in {"host": "h.example", **headers}.items()]
    scope: dict[str, Any] = {"type": "http", "method": method, "headers": raw, "query_string": b"", "path": "/"}
    if method == "WS":
        scope |= {"type": "websocket", "subprotocols": list(subprotocols)}
    return HTTPConnection(scope)


def kept(subject: str = "ada") -> dict[str, str]:
    """Return the header with which a browser sends a session's cookie."""
    return {"cookie": f"theme=dark; {COOKIE.name}={token(subject)}; x=y"}


@pytest.mark.parametrize(
    ("headers", "subprotocols", "expected"),
    [
        ({}, (), ""),
        ({"authorization": "Bearer a.b.c"}, (), "a.b.c"),
        ({"Authorization": "bearer a.b.c"}, (), "a.b.c"),
        ({"authorization": "Basic dTpw"}, (), ""),
        ({}, ("fabula.v1.json", "bearer.a.b.c"), "a.b.c"),
        ({"authorization": "Bearer header"}, ("bearer.subprotocol",), "header"),
        ({}, ("fabula.v1.json",), ""),
    ],
)
def test_a_token_is_found_where_it_may_stand(
    headers: dict[str, str], subprotocols: tuple[str, ...], expected: str
) -> None:
    """In the header, else among the subprotocols; nowhere else."""
    assert expected == token_of(Headers(headers), subprotocols)


async def test_the_token_names_the_owner_and_goes_on_to_the_services() -> None:
    """The gateway checks it, and so do they; it knows how long it holds, the clocks' skew included."""
    given = token("ada", 600)
    visitor = await doorkeeper().let_in(knock({"authorization": f"Bearer {given}", "traceparent": "00-1-2-01"}))

    assert ("ada", given, "00-1-2-01") == (visitor.owner, visitor.caller.token, visitor.caller.trace)
    assert visitor.expires == pytest.approx(time.time() + 600 + CLOCK_SKEW_SECONDS, abs=5)


@pytest.mark.parametrize("given", ["\xff", "00-\x01", "0" * 300])
async def test_a_trace_that_cannot_be_carried_is_left_out(given: str) -> None:
    """The call goes on without it."""
    assert "" == (await doorkeeper(None).let_in(knock({"traceparent": given}))).caller.trace


async def test_without_a_secret_any_token_and_none_are_the_local_user() -> None:
    """Nothing is checked, and nothing is passed on."""
    shown: list[dict[str, str]] = [{}, {"authorization": "Bearer junk"}, {"cookie": f"{COOKIE.name}=junk"}]
    visitors = [await doorkeeper(None).let_in(knock(headers, "POST")) for headers in shown]

    assert [(LOCAL_OWNER, "", None)] * 3 == [(each.owner, each.caller.token, each.expires) for each in visitors]


async def test_a_token_that_does_not_hold_opens_nothing() -> None:
    """Expired, or of another issuer."""
    for bad in (token("ada", -600), token("ada", secret="another secret of thirty-two bytes!!"), "junk", ""):
        with pytest.raises(Unauthenticated):
            await doorkeeper().let_in(knock({"authorization": f"Bearer {bad}"}))


@pytest.mark.parametrize(
    ("method", "headers", "passes"),
    [
        # Reading: a page's name is not needed, and another's is not accepted.
        ("GET", {}, True),
        ("GET", {"sec-fetch-site": "none"}, True),
        ("GET", OWN, True),
        ("GET", {"sec-fetch-site": "same-site"}, False),
        ("GET", {"sec-fetch-site": "cross-site"}, False),
        ("GET", {"sec-fetch-site": "cross-site", "origin": FRIEND}, True),
        # Changing: a page must be named, and be our own or an allowed one.
        ("POST", {}, False),
        ("POST", {"sec-fetch-site": "none"}, False),
        ("POST", OWN, True),
        ("POST", {"sec-fetch-site": "same-site"}, False),
        ("POST", {"sec-fetch-site": "cross-site"}, False),
        ("POST", {"sec-fetch-site": "same-site", "origin": "https://h.example"}, False),
        ("POST", {"sec-fetch-site": "same-site", "origin": FRIEND}, True),
        ("POST", {"origin": "https://h.example"}, True),
        ("POST", {"origin": "https://evil.example"}, False),
        ("POST", {"origin": "null"}, False),
        ("DELETE", {}, False),
        ("PATCH", {"origin": "https://h.example"}, True),
        # Opening a WebSocket is as good as changing: what is done on it is not asked about again.
        ("WS", {}, False),
        ("WS", {"origin": "https://h.example"}, True),
        ("WS", {"origin": "https://evil.example"}, False),
        ("WS", {"sec-fetch-site": "cross-site"}, False),
        ("WS", {"sec-fetch-site": "same-origin", "origin": "https://h.example"}, True),
    ],
)
async def test_a_cookie_counts_for_our_own_pages_only(method: str, headers: dict[str, str], *, passes: bool) -> None:
    """Browsers send it with whatever a page makes them do, so the page has to be one that may."""
    connection = knock({**kept(), **headers}, method)
    if passes:
        assert "ada" == (await doorkeeper().let_in(connection)).owner
    else:
        with pytest.raises(PermissionDenied, match="cookie"):
            await doorkeeper().let_in(connection)


async def test_a_token_in_a_header_needs_no_page_and_goes_before_the_cookie() -> None:
    """No other site's page can send it: that needs a preflight."""
    headers = {**kept(), "authorization": f"Bearer {token('bob')}", "sec-fetch-site": "cross-site"}

    assert "bob" == (await doorkeeper().let_in(knock(headers, "POST"))).owner
    with pytest.raises(Unauthenticated):
        await doorkeeper().let_in(knock({**kept(), **OWN, "authorization": "Bearer junk"}))


async def test_a_socket_that_says_its_token_itself_may_also_keep_it_in_the_cookie() -> None:
    """Socket.IO has `auth.token`; without one the handshake's header or cookie counts, with a page's name."""
    keeper, own = doorkeeper(), {"host": "h.example", "origin": "https://h.example"}

    assert "bob" == (await keeper.let_in_by(token("bob"), Headers(kept()))).owner
    assert "ada" == (await keeper.let_in_by("", Headers({**kept(), **own}))).owner
    with pytest.raises(PermissionDenied):
        await keeper.let_in_by("", Headers(kept()))


async def test_two_cookies_of_one_name_are_none() -> None:
    """One of them may have been set by another host of the domain, for its own account."""
    headers = {**OWN, "cookie": f"{COOKIE.name}={token('ada')}; {COOKIE.name}={token('eve')}"}
    with pytest.raises(Unauthenticated, match="several"):
        await doorkeeper().let_in(knock(headers))


@pytest.mark.parametrize(
    ("host", "secure"),
    [
        ("stories.example", True),
        ("10.0.0.7:8080", True),
        ("127.0.0.1:8080", False),
        ("localhost:8080", False),
        ("[::1]:8080", False),
        ("127.0.0.1.evil.example", True),
        ("", True),
    ],
)
def test_the_cookie_is_closed_to_scripts_and_to_other_sites(host: str, *, secure: bool) -> None:
    """And goes by https only, unless the browser speaks to its own machine."""
    lines = [
        COOKIE.keeping("a.b.c", time.time() + 60.5, Headers({"host": host})),
        COOKIE.forgetting(Headers({"host": host})),
    ]
    morsels = [SimpleCookie(line)[COOKIE.name] for line in lines]

    assert [("a.b.c", "60"), ("", "0")] == [(morsel.value, morsel["max-age"]) for morsel in morsels]
    for morsel in morsels:
        assert (True, "Strict", "/") == (morsel["httponly"], morsel["samesite"], morsel["path"])
        assert secure is bool(morsel["secure"])


async def test_a_fresh_token_must_be_the_same_owners() -> None:
    """A socket stays who it is."""
    keeper = doorkeeper()
    visitor = Visitor("ada", Caller("old", "00-1-2-01"), time.time() + 1)

    renewed = await keeper.renew(visitor, token("ada"))
    assert ("ada", "00-1-2-01") == (renewed.owner, renewed.caller.trace)
    assert renewed.expires is not None
    assert renewed.expires > time.time() + 500
    with pytest.raises(PermissionDenied):
        await keeper.renew(visitor, token("bob"))
    with pytest.raises(Unauthenticated):
        await keeper.renew(visitor, token("ada", -600))


def test_a_tickets_holder_reads_its_generation_only() -> None:
    """Another one is as unknown as any."""
    Visitor("ada", Caller()).check_may_read("story-2")
    holder = Visitor("ada", Caller(), generation_id="story-1")
    holder.check_may_read("story-1")
    with pytest.raises(NotFound):
        holder.check_may_read("story-2")

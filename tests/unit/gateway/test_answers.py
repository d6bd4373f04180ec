from __future__ import annotations

import json

import grpc
import pytest
from google.rpc import code_pb2, status_pb2
from grpc.aio import AioRpcError, Metadata
from starlette.datastructures import Headers

from fabula.errors import FabulaError, InvalidRequest, PermissionDenied, Unavailable
from fabula.rpc.errors import GRPC_STATUS, WEB_ANSWER
from gateway.answers import problem_of
from gateway.doors.event_stream import event_text, opening_text
from gateway.origin import OriginRule
from gateway.queries import flag, only, whole_number


@pytest.mark.parametrize("error_class", list(GRPC_STATUS), ids=lambda error_class: error_class.__name__)
def test_every_error_has_its_row(error_class: type[FabulaError]) -> None:
    """Code, status and close code of each class, in the one shape."""
    problem = problem_of(error_class("what to do"))
    response = problem.as_response()
    answer = WEB_ANSWER[error_class]

    assert (answer.http, answer.close) == (response.status_code, problem.close)
    assert {
        "error": {
            "code": error_class.code,
            "message": "what to do",
            "retryable": error_class.retryable,
            "details": {},
            "violations": [],
        }
    } == json.loads(bytes(response.body))


def test_an_unforeseen_error_is_told_without_its_text() -> None:
    """What went wrong inside stays inside."""
    problem = problem_of(ValueError("the secret is 42"))

    assert ("INTERNAL", 500, 1011) == (problem.code, problem.http, problem.close)
    assert "42" not in problem.message


def test_an_error_with_a_status_that_is_none_is_told_without_its_text() -> None:
    """A proxy between gateway and service may send trailers that contradict the status."""
    other = status_pb2.Status(code=code_pb2.NOT_FOUND, message="no such host").SerializeToString()
    trailers = Metadata(("grpc-status-details-bin", other))
    call = AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), trailers, "10.0.0.7 is away", None)
    error = Unavailable("10.0.0.7 is away")
    error.__cause__ = call

    assert ("UNAVAILABLE", 503) == (problem_of(error).code, problem_of(error).http)
    assert "10.0.0.7" not in problem_of(error).message


def test_violations_and_details_are_told() -> None:
    """Field by field."""
    problem = problem_of(InvalidRequest("bad", (("premise", "is empty"),), id="7"))

    assert ({"id": "7"}, (("premise", "is empty"),)) == (problem.details, problem.violations)


@pytest.mark.parametrize(
    ("host", "origin", "passes"),
    [
        ("127.0.0.1:8080", None, True),
        ("127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("localhost", "http://localhost", True),
        ("localhost:80", "http://localhost", True),
        ("localhost:443", "https://localhost", True),
        ("[::1]:8080", "http://[::1]:8080", True),
        ("127.0.0.1:8080", "https://friend.example", True),
        ("127.0.0.1:8080", "http://localhost:8080", False),
        ("127.0.0.1:8080", "http://127.0.0.1:9090", False),
        ("127.0.0.1:8080", "https://evil.example", False),
        ("127.0.0.1:8080", "null", False),
        ("127.0.0.1:8080", "", False),
        ("127.0.0.1:8080", "http://[", False),
        ("friend.example", "https://friend.example", True),
        ("evil.example", None, False),
        ("evil.example:8080", "http://evil.example:8080", False),
        ("127.0.0.1.evil.example", None, False),
        ("", None, False),
        ("[", None, False),
    ],
)
def test_without_authentication_own_names_and_pages_pass(host: str, origin: str | None, *, passes: bool) -> None:
    """A name that is not ours, or a page of another site: refused."""
    rule = OriginRule(frozenset({"https://friend.example"}), own_names_only=True)
    headers = Headers({"host": host, **({} if origin is None else {"origin": origin})})
    if passes:
        rule.check(headers)
    else:
        with pytest.raises(PermissionDenied):
            rule.check(headers)


@pytest.mark.parametrize(
    ("site", "mode", "passes"),
    [
        ("cross-site", "no-cors", False),
        ("cross-site", "cors", False),
        ("cross-site", "navigate", True),
        ("same-site", "no-cors", True),
        ("same-origin", "no-cors", True),
        ("none", "navigate", True),
    ],
)
def test_without_authentication_no_foreign_page_loads_anything(site: str, mode: str, *, passes: bool) -> None:
    """A picture of another site's page names no origin; its browser says whose it is. Links may be followed."""
    headers = Headers({"host": "127.0.0.1:8080", "sec-fetch-site": site, "sec-fetch-mode": mode})
    if passes:
        OriginRule(frozenset(), own_names_only=True).check(headers)
    else:
        with pytest.raises(PermissionDenied):
            OriginRule(frozenset(), own_names_only=True).check(headers)
    OriginRule(frozenset({"https://friend.example"}), own_names_only=True).check(headers)  # it may be a friend's


def test_elsewhere_every_name_is_answered_and_foreign_pages_are_not() -> None:
    """Behind a public name the gateway does not know it; the page's origin must still be the host it calls."""
    rule = OriginRule(frozenset(), own_names_only=False)
    rule.check(Headers({"host": "stories.example", "origin": "https://stories.example"}))
    with pytest.raises(PermissionDenied):
        rule.check(Headers({"host": "stories.example", "origin": "https://evil.example"}))


def test_server_sent_events_read_as_the_format_wants() -> None:
    """An id only with a sequence, one line of data, an empty line at the end."""
    assert 'id: 7\nevent: event\ndata: {"a":1}\n\n' == event_text("event", '{"a":1}', 7)
    assert "event: event\ndata: {}\n\n" == event_text("event", "{}")
    assert "retry: 1000\n\n" == opening_text(0)
    assert "retry: 1000\nid: 9\n\n" == opening_text(9)


def test_parameters_are_read_strictly() -> None:
    """What is not understood is refused by its name."""
    assert (None, 0, 7) == tuple(whole_number("n", text, 10) for text in (None, "", "7"))
    assert (False, True, True, False) == tuple(flag("f", text) for text in (None, "", "1", "0"))
    for text in ("-1", "11", "x", "1.5", "٣", "9" * 30):
        with pytest.raises(InvalidRequest, match="n must be"):
            whole_number("n", text, 10)
    with pytest.raises(InvalidRequest, match="f must be"):
        flag("f", "maybe")
    with pytest.raises(InvalidRequest, match="unknown parameter 'aftr'"):
        only(["aftr"], ("after",))

"""How long a call may last that is made for somebody who waits."""

from __future__ import annotations

import asyncio

from fabula.rpc.client import Caller
from fabula.rpc.stores import Call

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_call_lasts_no_longer_than_its_caller_waits() -> None:
    """Nor than it would otherwise; never less than nothing."""
    now = asyncio.get_running_loop().time()

    assert (15.0, None) == (Caller().seconds(15.0), Caller().seconds())
    assert 15.0 == Caller(deadline=now + 600).seconds(15.0)
    assert 4.0 < (Caller(deadline=now + 5).seconds(15.0) or 0) <= 5.0
    assert 4.0 < (Caller(deadline=now + 5).seconds() or 0) <= 5.0
    assert 0.0 == Caller(deadline=now - 5).seconds(15.0)


async def test_server_passes_on_who_calls_until_when_and_in_which_trace() -> None:
    """The token is nowhere to be read in what is logged."""
    call = Call("ida", TRACE, "a.b.c", 12.5)

    assert ("a.b.c", 12.5, TRACE) == (call.caller.token, call.caller.deadline, call.caller.trace[3:35])
    assert Caller() == Call("ida").caller
    assert "a.b.c" not in f"{call} {call.caller}"

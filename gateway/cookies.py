"""The cookie in which a browser may keep its token. Pure.

A script cannot read it, so that a hole in a page does not give the token away. A browser sends it by itself, though,
also with what another site's page has made it do: see `gateway.origin.OriginRule.check_page`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from http.cookies import Morsel, SimpleCookie

from starlette.datastructures import Headers

from fabula.errors import Unauthenticated
from gateway.origin import host_name, is_this_machine


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """How the cookie is called, and what is said with it.

    Attributes:
        name: Its name.
    """

    name: str

    def read(self, headers: Headers) -> str:
        """Return what the cookie holds; empty if there is none.

        Raises:
            Unauthenticated: there are several: another host of the same domain may have set one of them.
        """
        found = {
            value
            for line in headers.getlist("cookie")
            for name, _, value in (pair.strip().partition("=") for pair in line.split(";"))
            if name == self.name and value
        }
        if len(found) > 1:
            raise Unauthenticated(f"there are several cookies {self.name!r}: sign in again")
        return found.pop() if found else ""

    def keeping(self, token: str, expires: float | None, headers: Headers) -> str:
        """Return the `Set-Cookie` header that has a browser keep a token.

        Args:
            token: The token.
            expires: Unix time from which it holds no longer; None: the browser forgets it when it is closed.
            headers: Those of the request.
        """
        return self._line(token, None if expires is None else max(0, int(expires - time.time())), headers)

    def forgetting(self, headers: Headers) -> str:
        """Return the `Set-Cookie` header that has a browser forget it."""
        return self._line("", 0, headers)

    def _line(self, value: str, max_age: int | None, headers: Headers) -> str:
        cookie: SimpleCookie = SimpleCookie()
        cookie[self.name] = value
        morsel: Morsel[str] = cookie[self.name]
        morsel["path"], morsel["httponly"], morsel["samesite"] = "/", True, "Strict"
        if max_age is not None:
            morsel["max-age"] = str(max_age)
        # Browsers keep no Secure cookie of http://127.0.0.1; what is sent to this machine itself leaves it nowhere.
        morsel["secure"] = not is_this_machine(host_name(headers.get("host", "")))
        return morsel.OutputString()

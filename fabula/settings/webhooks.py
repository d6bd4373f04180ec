"""Settings that say whom webhooks may tell."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from fabula.settings.base import Settings


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _hosts_or_networks(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            ip_network(entry)
        except ValueError:
            if not re.fullmatch(r"(?=.{1,253}\Z)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?", entry) or entry[-1].isdigit():
                raise ValueError(
                    "should be names of hosts, addresses, or networks such as 10.1.0.0/16, commas between"
                ) from None
    return entries


class WebhookSettings(Settings):
    """Whom webhooks may tell. The same in all servers and workers of generators."""

    webhook_private: bool = False
    """Whether webhooks may tell private networks and this machine, and by http as well as by https. Link-local
    addresses and those of clouds' metadata stay closed. Whoever may register webhooks can then reach these networks."""

    webhook_allow: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_hosts_or_networks)
    ] = ()
    """Hosts, addresses and networks (CIDR) that webhooks may tell though they are not public, by http as well as by
    https, with commas between: `hooks.internal,10.1.0.0/16`."""

    webhooks_per_owner: Annotated[int, Field(ge=0, le=200)] = 20
    """Webhooks that an owner may have, 200 at most. 0: none can be registered."""

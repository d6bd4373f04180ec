"""Which network addresses may be told: those that everybody can reach, and those that the operator allows. Pure.

What is not known to be public is not public: new special blocks are refused until they are listed here. After the IANA
registries of special-purpose addresses (RFC 6890 and its updates).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fabula.settings import WebhookSettings

Ip = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_SPECIAL_V4: Sequence[IPv4Network] = tuple(
    IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # "this" network; 0.0.0.0 reaches the machine itself
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers (CGNAT); 100.100.100.200 is a metadata address
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host, though the block is public
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata address
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; 192.0.0.192 is a metadata address
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_GLOBAL_V6 = IPv6Network("2000::/3")
"""The only block of IPv6 from which global unicast addresses are given (RFC 4291)."""
_SPECIAL_V6: Sequence[IPv6Network] = tuple(
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address inside
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
"""IPv4 inside of IPv6: as an address family's mapping, and by a translator where a network has IPv6 only."""

_PRIVATE: Sequence[Network] = tuple(
    ip_network(block)
    for block in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
_NEVER_MEANT: Sequence[Network] = tuple(
    ip_network(block) for block in ("100.100.100.200/32", "fd00:ec2::254/128", "fd20:ce::254/128")
)
"""Metadata addresses of clouds in private blocks: who allows private targets does not mean these."""


def is_public(address: Ip) -> bool:
    """Whether everybody can reach this address, and so whoever names it learns nothing new."""
    if isinstance(address, IPv4Address):
        return not _within(address, _SPECIAL_V4)
    if address.scope_id is not None:
        return False
    if address in _MAPPED or address in _NAT64:
        return is_public(_inner(address))
    return address in _GLOBAL_V6 and not _within(address, _SPECIAL_V6)


@dataclass(frozen=True, slots=True)
class Rules:
    """Whom webhooks may tell.

    Attributes:
        private: Whether private networks and this machine may be told, and http may be spoken with them.
        hosts: Names of hosts that may be told wherever they are, by http too; lower-case.
        networks: Addresses that may be told whoever has them, by http too.
        most: Webhooks that an owner may have.
    """

    private: bool = False
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    most: int = 20

    def allows(self, host: str, address: Ip, *, secure: bool) -> bool:
        """Whether a connection to this address may be made, for a URL with this host.

        Args:
            host: As the URL names it, in lower case.
            address: What it stands for.
            secure: Whether TLS is spoken there.
        """
        if isinstance(address, IPv6Address) and address.scope_id is None and address in _MAPPED:
            address = _inner(address)  # it is reached by IPv4, whatever it is written as
        if self.names(host, address):
            return True
        if self.private and _within(address, _PRIVATE) and not _within(address, _NEVER_MEANT):
            return True
        return (secure or self.private) and is_public(address)

    def names(self, host: str, address: Ip | None = None) -> bool:
        """Whether the operator has named this host, or the network of this address."""
        return host in self.hosts or (address is not None and _within(address, self.networks))


def rules_of(settings: WebhookSettings) -> Rules:
    """Return the rules that a process's settings describe."""
    hosts: set[str] = set()
    networks: list[Network] = []
    for entry in settings.webhook_allow:
        try:
            networks.append(ip_network(entry))
        except ValueError:
            hosts.add(entry.lower().rstrip("."))
    return Rules(settings.webhook_private, frozenset(hosts), tuple(networks), settings.webhooks_per_owner)


def literal(host: str) -> Ip | None:
    """Return the address that a URL's host is; None where it is a name."""
    try:
        return ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _inner(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFF_FFFF)


def _within(address: Ip, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)

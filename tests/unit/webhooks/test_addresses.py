"""Which addresses may be told: what is not public is not, however it is written."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.webhooks.addresses import Ip, Rules, is_public

PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0", "168.63.129.15", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255",
    "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2003::1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
]  # fmt: skip
PRIVATE = [
    # loopback, this host, private
    "127.0.0.1", "127.0.0.0", "127.255.255.255", "127.1.2.3", "0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255",
    "172.16.0.0", "172.31.255.255", "192.168.0.0", "192.168.255.255", "::1", "::", "fc00::", "fd00::1", "fdff:ffff::1",
    # link-local, metadata
    "169.254.0.0", "169.254.169.254", "169.254.170.2", "169.254.255.255", "fe80::1", "fe80::1%eth0", "febf::1",
    "fec0::1",
    "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
    # carriers, benchmarks, documentation, protocols
    "100.64.0.0", "100.127.255.255", "198.18.0.0", "198.19.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1",
    "192.0.0.8", "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "2001:db8::1", "3fff::1", "2001:2::1",
    "2001:10::1", "2001:20::1", "2620:4f:8000::1", "100::1", "5f00::1",
    # multicast, reserved, broadcast
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "ff02::1", "ff0e::1",
    # IPv4 inside of IPv6
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "::127.0.0.1", "::7f00:1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::8.8.8.8",
    "2001:0:7f00:1::1", "2001:0:808:808::f7f7:f7f7", "::ffff:0:127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("text", PUBLIC)
def test_what_everybody_reaches_may_be_told(text: str) -> None:
    """By https; by http only where the operator lets private targets in."""
    address = ip_address(text)

    assert is_public(address)
    assert Rules().allows("hooks.example", address, secure=True)
    assert not Rules().allows("hooks.example", address, secure=False)
    assert Rules(private=True).allows("hooks.example", address, secure=False)


@pytest.mark.parametrize("text", PRIVATE)
def test_what_is_inside_may_not(text: str) -> None:
    """Whatever speaks for it but the operator."""
    address = ip_address(text)

    assert not is_public(address)
    assert not Rules().allows("hooks.example", address, secure=True)


@given(st.ip_addresses())
def test_nothing_is_public_that_the_standard_library_calls_private(address: Ip) -> None:
    """It knows the same registries by another table."""
    if is_public(address):
        inner = getattr(address, "ipv4_mapped", None) or address
        assert not inner.is_private
        assert not inner.is_loopback
        assert not inner.is_link_local
        assert not inner.is_multicast
        assert not inner.is_reserved or inner in ip_network("64:ff9b::/96")
        assert not inner.is_unspecified


@given(st.ip_addresses(v=4))
def test_an_address_inside_of_another_is_judged_by_itself(inner: Ip) -> None:
    """Mapped, or behind a translator."""
    for prefix in ("::ffff:", "64:ff9b::"):
        assert is_public(ip_address(f"{prefix}{inner}")) is is_public(inner)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("127.0.0.1", True), ("10.1.2.3", True), ("192.168.1.1", True), ("172.20.0.1", True), ("100.64.0.1", True),
        ("::1", True), ("fd12::1", True), ("::ffff:10.0.0.1", True), ("8.8.8.8", True),
        ("169.254.169.254", False), ("fe80::1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("ff02::1", False),
        ("fd00:ec2::254", False), ("100.100.100.200", False), ("168.63.129.16", False), ("::ffff:169.254.169.254",
        False),
        ("2002:7f00:1::", False), ("255.255.255.255", False),
    ],
)  # fmt: skip
def test_private_networks_are_let_in_without_metadata(text: str, *, allowed: bool) -> None:
    """Who allows private targets means neither clouds' metadata nor groups of hosts."""
    rules = Rules(private=True)

    assert [allowed] * 2 == [rules.allows("x", ip_address(text), secure=secure) for secure in (True, False)]


def test_the_operator_names_hosts_and_networks() -> None:
    """A host wherever it is, a network whoever is there; nobody else."""
    rules = Rules(hosts=frozenset({"hooks.internal"}), networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    inside, beside = ip_address("10.1.2.3"), ip_address("10.2.0.1")

    assert rules.allows("hooks.internal", beside, secure=False)
    assert rules.allows("anybody.example", inside, secure=False)
    assert rules.allows("anybody.example", ip_address("::ffff:10.1.2.3"), secure=False)
    assert rules.allows("anybody.example", ip_address("fd00:ec2::254"), secure=False)
    assert not rules.allows("anybody.example", beside, secure=True)
    assert not rules.allows("sub.hooks.internal", beside, secure=True)
    assert not rules.allows("anybody.example", ip_address("8.8.8.8"), secure=False)

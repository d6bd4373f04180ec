"""URLs of webhooks: what may be registered, and what is made of it."""

from __future__ import annotations

from ipaddress import ip_network
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fabula.errors import InvalidRequest
from fabula.webhooks.addresses import Rules, is_public, literal
from fabula.webhooks.targets import Target, target_of

INSIDE = Rules(hosts=frozenset({"hooks.internal"}), networks=(ip_network("10.1.0.0/16"), ip_network("fd12::/16")))


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://hooks.example/a/b?c=d", Target(True, "hooks.example", 443, "/a/b?c=d")),
        ("HTTPS://Hooks.Example", Target(True, "hooks.example", 443, "/")),
        ("https://hooks.example.:8443?x", Target(True, "hooks.example", 8443, "/?x")),
        ("https://hooks.example:/", Target(True, "hooks.example", 443, "/")),
        ("https://xn--bcher-kva.example/%C3%BC/..", Target(True, "xn--bcher-kva.example", 443, "/%C3%BC/..")),
        ("https://8.8.8.8/", Target(True, "8.8.8.8", 443, "/")),
        ("https://[2606:4700:4700:0::1111]/", Target(True, "2606:4700:4700::1111", 443, "/")),
        ("https://1.2.3.4.example/", Target(True, "1.2.3.4.example", 443, "/")),
        ("https://hooks.example/a:b@c", Target(True, "hooks.example", 443, "/a:b@c")),
    ],
)
def test_a_url_is_taken_apart(url: str, target: Target) -> None:
    """Into what a request is made of."""
    assert target == target_of(url, Rules())


@pytest.mark.parametrize(
    "url",
    [
        # another scheme, or none
        "http://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "gopher://hooks.example/",
        "//hooks.example/",
        "hooks.example", "https:hooks.example", "https:/hooks.example", "https://", "https:///", "https://:443/", "",
        # inside
        "https://127.0.0.1/", "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://[::1]/",
        "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%eth0]/", "https://0.0.0.0/",
        "https://[64:ff9b::7f00:1]/", "https://[::]/", "https://127.0.0.1./",
        "https://localhost/", "https://LocalHost.:8443/", "https://hooks.localhost/",
        # addresses that some read and others do not
        "https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://127.1/", "https://017700000001/",
        "https://0177.0.0.1/", "https://127.0.0.01/", "https://10.1.2.0x3/", "https://1.2.3.4.5/", "https://256.1.1.1/",
        # who is who
        "https://user@hooks.example/", "https://user:word@hooks.example/", "https://:@hooks.example/",
        "https://@hooks.example",
        "https://hooks.example@127.0.0.1/", "https://127.0.0.1#@hooks.example/", "https://hooks.example\\@127.0.0.1/",
        "https://hooks.example/#here", "https://hooks.example#", "https://hooks.example:443:80/",
        # characters
        "https://hooks.example/ ", " https://hooks.example/", "https://hooks.example/\r\nx: y",
        "https://hooks.example/\0",
        "https://hooks.example/ü", "https://ⓗooks.example/", "https://127。0。0。1/", "https://hooks.example/\tx",
        "https://hoo\N{KELVIN SIGN}s.example/",
        "https://hooks.example/<x>", 'https://hooks.example/"', "https://hooks.example/`", "https://hooks.example\\x",
        # names
        "https://%31%32%37.0.0.1/", "https://-hooks.example/", "https://hooks-.example/", "https://hooks..example/",
        "https://hooks.example../", f"https://{'a' * 64}.example/", f"https://{'a.' * 127}example/", "https://ho oks/",
        "https://[hooks.example]/", "https://[]/", "https://[::1/", "https://hooks.example,other.example/",
        # ports
        "https://hooks.example:0/", "https://hooks.example:65536/", "https://hooks.example:22/",
        "https://hooks.example:25/",
        "https://hooks.example:80/", "https://hooks.example:6000/", "https://hooks.example:6667/",
        "https://hooks.example:-1/",
        "https://hooks.example:+443/", "https://hooks.example:4 43/", "https://hooks.example:1e3/",
        f"https://hooks.example:{'9' * 400}/",
        f"https://hooks.example/{'a' * 2048}",
    ],
)  # fmt: skip
def test_what_may_not_be_told_is_refused_by_its_field(url: str) -> None:
    """With a sentence that does not repeat it."""
    with pytest.raises(InvalidRequest) as refusal:
        target_of(url, Rules())

    assert ["url"] == [field for field, _ in refusal.value.violations]
    assert not url or url not in refusal.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.internal/",
        "https://hooks.internal:22/",
        "http://10.1.2.3:81/",
        "http://[fd12::1]/",
        "http://name.example/",
    ],
)
def test_what_the_operator_allows_may_be_registered(url: str) -> None:
    """A name may turn out to be in an allowed network: that is seen when it is told."""
    assert target_of(url, INSIDE).host


@pytest.mark.parametrize(
    "url", ["http://10.2.0.1/", "https://10.2.0.1/", "https://name.example:22/", "http://8.8.8.8/"]
)
def test_what_the_operator_does_not_allow_may_not(url: str) -> None:
    """Beside the allowed."""
    with pytest.raises(InvalidRequest):
        target_of(url, INSIDE)


@given(
    st.one_of(
        st.text(max_size=60),
        st.builds(
            "{}://{}{}{}{}".format,
            st.sampled_from(["https", "http", "HTTPS", "ftp", "https:"]),
            st.sampled_from(["", "a@", "a:b@", "@", "a.example@"]),
            st.one_of(
                st.ip_addresses(v=4).map(str),
                st.ip_addresses(v=6).map("[{}]".format),
                st.integers(0, 2**33).map(str),
                st.integers(0, 2**32).map(hex),
                st.from_regex(r"[a-z0-9.%_-]{1,20}", fullmatch=True),
                st.text(max_size=12),
            ),
            st.sampled_from(["", ":", ":443", ":80", ":22", ":8443", ":x", ":70000"]),
            st.one_of(st.just(""), st.text(alphabet="/?#@:\\%a. \r\n", max_size=10)),
        ),
    )
)
@example("https://127.0.0.1:443@8.8.8.8/")
@example("https://8.8.8.8\\@127.0.0.1/")
def test_whatever_is_taken_is_what_others_read_too(url: str) -> None:
    """No URL is taken whose host another parser finds elsewhere, and no address that is not public."""
    try:
        target = target_of(url, Rules())
    except InvalidRequest:
        return

    other = urlsplit(url)
    assert target.secure
    assert (other.hostname or "").rstrip(".") == target.host or literal(other.hostname or "") == literal(target.host)
    assert (other.port or 443) == target.port
    assert other.username is None
    assert (address := literal(target.host)) is None or is_public(address)
    assert "\r" not in target.path
    assert " " not in target.path
    assert target.path.startswith("/")

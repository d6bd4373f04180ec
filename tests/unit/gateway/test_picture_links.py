"""Addresses of pictures: keys hold for one owner's one picture, and are made of a secret alone."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from fabula.errors import NotFound
from fabula.rpc.auth import Authenticator
from gateway.origin import base_for
from gateway.picture_links import KEY, PictureLinks
from tests.integration.gateway.tokens import SECRET

PICTURE = "image-00000000-0000-4000-8000-000000000001"
OTHER = "image-00000000-0000-4000-8000-000000000002"


def key(owner: str, picture: str = PICTURE, secret: str = SECRET) -> str:
    """Return the key of a picture."""
    return PictureLinks(secret).address(owner, picture).partition(f"?{KEY}=")[2]


@pytest.mark.parametrize("owner", ["ida", "a" * 256, "Ünï / 漢字?&="])
def test_a_key_is_read_by_every_gateway_and_names_its_owner_to_nobody_else(owner: str) -> None:
    """What it is exchanged for reads this generation only."""
    identity, token = PictureLinks(SECRET).read(PICTURE, key(owner))
    known = Authenticator(SECRET).check(token)

    assert (owner, PICTURE) == (identity.owner, identity.generation_id) == (known.owner, known.generation_id)
    assert identity.expires is not None
    assert key(owner).replace("-", "").replace("_", "").isalnum()
    assert owner not in key(owner)


@pytest.mark.parametrize(
    "wrong",
    [
        key("ida", OTHER), key("ida", secret=f"not {SECRET}"), key("ida")[:-1], f"{key('ida')}=", f"{key('ida')}A",
        f" {key('ida')}", f"{key('ida')}!", "", "x", "ü", "A" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_key_of_a_picture_is_as_unknown_as_a_picture_that_is_not(wrong: str) -> None:
    """Another picture's, one that was changed, one that is written down otherwise."""
    with pytest.raises(NotFound):
        PictureLinks(SECRET).read(PICTURE, wrong)


@pytest.mark.parametrize("place", range(len(key("ida"))))
def test_no_character_of_a_key_can_be_changed(place: int) -> None:
    """Not even the last, of which not every bit says something."""
    good = key("ida")
    for other in "ABCDwxyz0189-_":
        if other != good[place]:
            with pytest.raises(NotFound):
                PictureLinks(SECRET).read(PICTURE, good[:place] + other + good[place + 1 :])


def test_without_a_secret_there_are_no_keys() -> None:
    """Addresses are plain, and nothing is a key."""
    links = PictureLinks(None)
    assert f"/v1/images/{PICTURE}" == links.address("ida", PICTURE) == links.addresses_of("ida")(PICTURE)
    with pytest.raises(NotFound):
        links.read(PICTURE, key("ida"))


@pytest.mark.parametrize(
    ("origin", "scheme", "expected"),
    [
        (None, "http", ""),
        ("http://127.0.0.1:8080", "http", ""),
        ("https://page.example", "wss", "https://127.0.0.1:8080"),
        ("http://127.0.0.1:5173", "ws", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:5173", "https", "https://127.0.0.1:8080"),
    ],
)
def test_a_page_of_another_host_gets_whole_addresses(origin: str | None, scheme: str, expected: str) -> None:
    """An `<img>` there would look for it on the page's own host."""
    headers = Headers({"host": "127.0.0.1:8080", **({} if origin is None else {"origin": origin})})
    base = base_for(headers, scheme)

    assert expected == base
    assert f"{expected}/v1/images/image-1" == PictureLinks(None).addresses_of("ann", base)("image-1")

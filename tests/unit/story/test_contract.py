from __future__ import annotations

import hashlib
from typing import Any

import pytest

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.ports import Address, GenerationId
from fabula.errors import InvalidRequest
from fabula.journal import Journal
from fabula.rpc.kinds import STORY
from fabula.rpc.stores import Call, Stores
from fabula.rpc.validation import validate
from services.story.contract import StoryContract, templates
from services.story.domain import Order

CONTRACT = StoryContract()
STORED = f"story/story-00000000-0000-4000-8000-000000000009/source-{'0' * 16}"
"""What the source of a story would be called that is not there."""


async def accepted(journal: Journal, address: Address, **fields: Any) -> Order:
    """Accept a request."""
    request = pb.StartGenerationRequest(story=pb.StoryRequest(**{"premise": "Ann", **fields}))
    return await CONTRACT.accept(Call("ann"), request, address, stores_of(journal))


def stores_of(journal: Journal) -> Stores:
    """Return where a server on this journal keeps things."""
    return Stores(journal.events, journal.blobs, journal.records)


def here(name: str = "1") -> Address:
    """Return an address."""
    return Address("story", "ann", GenerationId(f"story-{name}"))


async def test_a_story_without_a_seed_gets_one_from_its_id(journal: Journal) -> None:
    """Another story another seed, but the same one however often the start is repeated."""
    once, again, other = [await accepted(journal, here(name)) for name in ("1", "1", "2")]

    assert once == again
    assert once.brief.seed != other.brief.seed
    assert 0 <= once.brief.seed < 2**32
    assert 5 == (await accepted(journal, here(), seed=5)).brief.seed


async def test_a_source_is_kept_beside_the_log(journal: Journal) -> None:
    """As UTF-8, whatever it came in; the order refers to it, and the brief has none of it."""
    order = await accepted(journal, here(), source={"name": "a.txt", "data": "Grüße\r\n".encode("latin-1")})

    assert order.source is not None
    data = await journal.blobs.get(order.source.blob)
    assert "Grüße".encode() == data
    assert ("a.txt", len(data), hashlib.sha256(data).hexdigest(), "") == (
        order.source.label,
        order.source.size_bytes,
        order.source.sha256,
        order.brief.source,
    )
    assert order.source.blob.startswith("story/story-1/")


async def test_two_sources_under_one_id_do_not_overwrite_each_other(journal: Journal) -> None:
    """The second request of the same id is refused later, and must not have changed what the first one kept."""
    first = await accepted(journal, here(), source={"text": "One."})
    second = await accepted(journal, here(), source={"text": "Two."})

    assert first.source is not None
    assert second.source is not None
    assert b"One." == await journal.blobs.get(first.source.blob)
    assert b"Two." == await journal.blobs.get(second.source.blob)


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        (
            {"characters": [{"name": "Ann"}, {"name": "Ben"}, {"name": " ann "}]},
            "story.characters[2].name",
            "two characters",
        ),
        (
            {"characters": [{"name": " \t"}]},
            "story.characters[0].name",
            "needs a name, or the id of one of your library",
        ),
        ({"source": {}}, "story.source", "as text or data"),
        ({"source": {"text": "x", "stored": {"name": "story/2/source"}}}, "story.source", "or as `stored`"),
        ({"source": {"stored": {"name": "story/2/source"}}}, "story.source.stored", "no such source"),
        ({"source": {"stored": {"name": STORED.replace("story", "image")}}}, "story.source.stored", "no such source"),
        ({"source": {"stored": {"name": STORED}}}, "story.source.stored", "no such source"),
        ({"source": {"data": b"\0\1\2\3" * 20}}, "story.source", "binary"),
        ({"source": {"text": "\n"}}, "story.source", "empty"),
        ({"premise": "\x1c\x1f"}, "story.premise", "says nothing"),
        ({"premise": "\u200b"}, "story.premise", "says nothing"),
    ],
)
async def test_what_the_rules_cannot_say_is_checked_as_well(
    journal: Journal, fields: dict[str, Any], field: str, why: str
) -> None:
    """The refusal names the field."""
    with pytest.raises(InvalidRequest, match=why) as caught:
        await accepted(journal, here(), **fields)

    assert [field] == [path for path, _ in caught.value.violations]


def test_templates_are_requests_that_are_accepted_as_they_are() -> None:
    """Each is valid by the proto's rules, named uniquely, and told in a sentence."""
    found = templates()

    assert len(found) >= 3
    assert len({template.name for template in found}) == len(found)
    for template in found:
        validate(pb.StartGenerationRequest(request_id=template.name, story=template.story))
        assert template.description.endswith(".")


@pytest.mark.parametrize("token", ["x", "-1", "1.5", "٣", " "])
async def test_templates_take_their_own_page_tokens_only(journal: Journal, token: str) -> None:
    """Another token is refused by name."""
    with pytest.raises(InvalidRequest) as caught:
        await CONTRACT.unary(stores_of(journal))["ListTemplates"](
            Call("ann"), pb.ListTemplatesRequest(page_token=token)
        )

    assert "page_token" == caught.value.violations[0][0]


async def test_a_page_of_templates_behind_the_last_is_empty(journal: Journal) -> None:
    """A token stays good when there are fewer templates than before."""
    page = await CONTRACT.unary(stores_of(journal))["ListTemplates"](
        Call("ann"), pb.ListTemplatesRequest(page_token="9" * 255)
    )

    assert pb.ListTemplatesResponse() == page


def test_the_contract_is_that_of_stories() -> None:
    """Kind and codec speak of the same service."""
    assert (STORY, STORY) == (CONTRACT.kind, CONTRACT.codec.kind)

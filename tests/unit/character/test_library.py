"""The library: what is read, listed, changed and saved, and what is not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from fabula.api.character.v1 import character_pb2 as pb
from fabula.engine.ports import Address, GenerationId
from fabula.errors import InvalidRequest, LogCorrupted, NotFound, Superseded, Unavailable
from fabula.rpc.stores import Call, Stores
from services.character.codec import character_to_message
from services.character.contract import CharacterContract
from services.character.library import PAGE_BYTES, Library
from services.character.sheet import Character
from services.character.shelf import RACES, Shelf, key_of
from tests.records import MemoryRecords
from tests.unit.character.samples import DETAILS, MADE_AT, OWNER, address, character

IDA, OTTO = Call(OWNER), Call("otto")
LATER = MADE_AT + timedelta(days=1)


@pytest.fixture
def records() -> MemoryRecords:
    """Records of this test's own."""
    return MemoryRecords()


@pytest.fixture
def library(records: MemoryRecords) -> Library:
    """A library at `LATER`, without logs."""
    stores: Any = Stores(None, None, records)  # type: ignore[arg-type]  # what is tested here reads records only
    return Library(stores, CharacterContract().codec, clock=lambda: LATER)


async def put(records: MemoryRecords, *characters: Character, owner: str = OWNER) -> list[Character]:
    """Keep characters, as a worker does."""
    shelf = Shelf(records)
    return [await shelf.put(Address("character", owner, GenerationId(one.id)), one, after="") for one in characters]


async def ids(library: Library, **fields: Any) -> list[str]:
    """Return the numbers of the characters on a page."""
    return [one.id[-2:] for one in (await library.list(IDA, pb.ListCharactersRequest(**fields))).characters]


async def test_character_is_read_as_it_is_kept(records: MemoryRecords, library: Library) -> None:
    """With the etag that changes with every change."""
    (kept,) = await put(records, character())

    found = (await library.get(IDA, pb.GetCharacterRequest(character_id=kept.id))).character

    assert (kept.id, kept.etag, "Mara") == (found.id, found.etag, found.details.first_name)
    assert found.etag


@pytest.mark.parametrize("call", [OTTO, Call("")])
async def test_anothers_character_is_as_unknown_as_none(records: MemoryRecords, library: Library, call: Call) -> None:
    """The answers are the same, whatever is asked and whatever the id looks like."""
    (kept,) = await put(records, character())
    answers = []
    for id_ in (kept.id, address(9).id, "character-1", "story-00000000-0000-4000-8000-000000000001", "..", "a.>"):
        for rpc, request in (
            (library.get, pb.GetCharacterRequest(character_id=id_)),
            (library.update, pb.UpdateCharacterRequest(character_id=id_, etag=kept.etag, history="mine")),
            (library.save, pb.SaveCharacterRequest(character_id=id_)),
        ):
            with pytest.raises(NotFound) as refusal:
                await rpc(call, request)
            answers.append(replace_id(refusal.value, id_))

    assert {("there is no such character", (("id", "ID"), ("resource", "character")))} == set(answers)


def replace_id(error: NotFound, id_: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return what an answer says beside the id."""
    details = tuple((key, "ID" if value == id_ else value) for key, value in sorted(error.details.items()))
    return error.message, details


async def test_characters_are_listed_newest_first_page_by_page(records: MemoryRecords, library: Library) -> None:
    """A new one and a discarded one in between shift nothing; another's are not there."""
    await put(records, *(character(number) for number in (3, 1, 5, 2, 4)))
    await put(records, character(9), owner="otto")

    first = await library.list(IDA, pb.ListCharactersRequest(page_size=2))
    await put(records, character(6))
    await records.delete(key_of(address(3)))
    token = first.next_page_token
    second = await library.list(IDA, pb.ListCharactersRequest(page_size=2, page_token=token))

    assert ["05", "04"] == [one.id[-2:] for one in first.characters]
    assert ["02", "01"] == [one.id[-2:] for one in second.characters]
    assert "" == second.next_page_token
    assert len(token) <= 256
    assert ["06", "05", "04", "02", "01"] == await ids(library)
    assert ["06"] == await ids(library, page_size=1)


async def test_characters_of_one_moment_are_all_listed(records: MemoryRecords, library: Library) -> None:
    """Where the times are the same, the ids decide."""
    await put(records, *(character(number, create_time=MADE_AT) for number in range(1, 8)))
    seen: list[str] = []
    token = ""
    while True:
        page = await library.list(IDA, pb.ListCharactersRequest(page_size=3, page_token=token))
        seen += [one.id for one in page.characters]
        if not (token := page.next_page_token):
            break

    assert [address(number).id for number in range(7, 0, -1)] == seen


async def test_page_ends_before_it_is_too_large_for_a_client(records: MemoryRecords, library: Library) -> None:
    """At least one character comes, and all do in the end."""
    await put(records, *(character(number, history="ü" * 20_000) for number in range(1, 100)))

    first = await library.list(IDA, pb.ListCharactersRequest(page_size=100))
    rest = await library.list(IDA, pb.ListCharactersRequest(page_size=100, page_token=first.next_page_token))

    assert PAGE_BYTES <= first.ByteSize() < PAGE_BYTES + 100_000
    assert 99 == len(first.characters) + len(rest.characters)


async def test_page_size_is_bounded(records: MemoryRecords, library: Library) -> None:
    """Twenty, unless asked for; a hundred at most."""
    await put(records, *(character(number) for number in range(1, 103)))

    assert (20, 100) == (len(await ids(library)), len(await ids(library, page_size=1000)))


async def test_list_is_filtered(records: MemoryRecords, library: Library) -> None:
    """By words in names, species, profession and looks, all of them, and by what is saved."""
    await put(
        records,
        character(1, saved=True),
        character(2, details=replace(DETAILS, first_name="Fritz", species="Red Fox")),
        character(3, details=replace(DETAILS, last_name="", profession="FOX hunter", goal="an owl"), saved=True),
    )

    assert ["03", "02"] == await ids(library, query="fox")
    assert ["02"] == await ids(library, query=" FRITZ  fox ")
    assert ["02"] == await ids(library, query="fox", saved=False)
    assert ["03", "01"] == await ids(library, saved=True)
    assert ["03", "02", "01"] == await ids(library, query="plait")
    assert [] == await ids(library, query="owl")


@pytest.mark.parametrize("token", ["x", "1", "..", "{scope}.x.y", "{scope}.-1.y", "0.5.y"])
async def test_page_token_of_another_list_is_refused(records: MemoryRecords, library: Library, token: str) -> None:
    """So is one of other filters."""
    await put(records, *(character(number) for number in range(1, 4)))
    own = (await library.list(IDA, pb.ListCharactersRequest(page_size=1))).next_page_token

    token = token.format(scope=own.partition(".")[0])
    for request in (
        pb.ListCharactersRequest(page_token=token),
        pb.ListCharactersRequest(page_token=own, query="fox"),
        pb.ListCharactersRequest(page_token=own, saved=False),
    ):
        with pytest.raises(InvalidRequest, match="not a page token of this list"):
            await library.list(IDA, request)
    with pytest.raises(InvalidRequest):
        await library.list(OTTO, pb.ListCharactersRequest(page_token=own))


async def test_what_cannot_be_read_keeps_nothing_else_from_the_list(records: MemoryRecords, library: Library) -> None:
    """It is left out there, and told where it is asked for."""
    await put(records, character(1), character(2))
    records.put_now(key_of(address(2)), b"\xff\xff")

    assert ["01"] == await ids(library)
    with pytest.raises(LogCorrupted):
        await library.get(IDA, pb.GetCharacterRequest(character_id=address(2).id))


async def test_change_is_kept(records: MemoryRecords, library: Library) -> None:
    """What is set is changed, and nothing else; the etag and the time tell."""
    (kept,) = await put(records, character())
    asked = pb.UpdateCharacterRequest(character_id=kept.id, etag=kept.etag, history=" A\x07 new one. ")

    changed = (await library.update(IDA, asked)).character

    assert ("A new one.", "Mara", LATER) == (changed.history, changed.details.first_name, _time(changed, "update_time"))
    assert changed.etag != kept.etag
    assert changed == (await library.get(IDA, pb.GetCharacterRequest(character_id=kept.id))).character
    assert kept.create_time == _time(changed, "create_time")
    asked = pb.UpdateCharacterRequest(character_id=kept.id, etag=changed.etag, details=_details(first_name=" Ann\n"))
    changed = (await library.update(IDA, asked)).character
    assert ("A new one.", "Ann", "", []) == (
        changed.history,
        changed.details.first_name,
        changed.details.last_name,
        list(changed.details.traits),
    )


async def test_change_of_nothing_changes_nothing(records: MemoryRecords, library: Library) -> None:
    """The etag stays."""
    (kept,) = await put(records, character())

    same = (await library.update(IDA, pb.UpdateCharacterRequest(character_id=kept.id, etag=kept.etag))).character

    assert (kept.etag, kept.update_time) == (same.etag, _time(same, "update_time"))


@pytest.mark.parametrize("etag", ["0", "9", "x", "-1", "ü"])
async def test_change_of_what_has_changed_is_aborted(records: MemoryRecords, library: Library, etag: str) -> None:
    """An old etag, or none of ours: nothing is written."""
    (kept,) = await put(records, character())
    new = await library.update(IDA, pb.UpdateCharacterRequest(character_id=kept.id, etag=kept.etag, history="new"))

    for old in (etag, kept.etag):
        with pytest.raises(Superseded, match="read it again"):
            await library.update(IDA, pb.UpdateCharacterRequest(character_id=kept.id, etag=old, history="newer"))

    found = (await library.get(IDA, pb.GetCharacterRequest(character_id=kept.id))).character
    assert (new.character.etag, "new") == (found.etag, found.history)


async def test_of_two_changes_at_once_one_is_kept(records: MemoryRecords, library: Library) -> None:
    """The others are aborted."""
    (kept,) = await put(records, character())
    asked = [pb.UpdateCharacterRequest(character_id=kept.id, etag=kept.etag, history=f"{n}") for n in range(5)]

    outcomes = await asyncio.gather(*(library.update(IDA, one) for one in asked), return_exceptions=True)

    (done,) = [one for one in outcomes if not isinstance(one, BaseException)]
    assert 4 == sum(isinstance(one, Superseded) for one in outcomes)
    found = (await library.get(IDA, pb.GetCharacterRequest(character_id=kept.id))).character
    assert done.character == found


async def test_details_of_white_space_are_refused(records: MemoryRecords, library: Library) -> None:
    """With the fields that are wrong."""
    (kept,) = await put(records, character())
    details = _details(first_name=" \n", species="\x07")

    with pytest.raises(InvalidRequest) as refusal:
        await library.update(IDA, pb.UpdateCharacterRequest(character_id=kept.id, etag=kept.etag, details=details))

    assert ["details.first_name", "details.species"] == [field for field, _ in refusal.value.violations]


async def test_saved_character_is_kept_for_good(records: MemoryRecords, library: Library) -> None:
    """Saved again, it stays as it is."""
    (kept,) = await put(records, character())

    saved = (await library.save(IDA, pb.SaveCharacterRequest(character_id=kept.id))).character
    again = (await library.save(IDA, pb.SaveCharacterRequest(character_id=kept.id))).character

    assert (True, False, LATER) == (saved.saved, saved.HasField("expire_time"), _time(saved, "update_time"))
    assert saved == again


async def test_change_at_the_moment_of_saving_is_not_lost(records: MemoryRecords, library: Library) -> None:
    """Saving reads again; only where somebody else is first each time does it give up."""
    (kept,) = await put(records, character())
    races = [1]

    def write_first(key: str) -> None:
        if races[0]:
            races[0] -= 1
            records.put_now(key, _value(character(history=f"race {races[0]}")))

    records.before_put = write_first
    saved = (await library.save(IDA, pb.SaveCharacterRequest(character_id=kept.id))).character
    assert ("race 0", True) == (saved.history, saved.saved)

    races[0] = RACES
    records.put_now(key_of(address()), _value(character()))
    with pytest.raises(Unavailable, match="changing too fast"):
        await library.save(IDA, pb.SaveCharacterRequest(character_id=kept.id))


def _value(kept: Character) -> bytes:
    return character_to_message(kept).SerializeToString()


def _details(**fields: Any) -> pb.Details:
    return pb.Details(**{"first_name": "Ann", "gender": "woman", "species": "human", "profession": "cook", **fields})


def _time(message: pb.Character, name: str) -> datetime:
    found: datetime = getattr(message, name).ToDatetime(MADE_AT.tzinfo)
    return found

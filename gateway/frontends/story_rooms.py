"""The front ends of family B: stories over Socket.IO, in a room that their owner is in by connecting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.datastructures import Headers

from fabula.engine.ids import is_generation_id
from fabula.errors import FabulaError, InvalidRequest, NotFound, ResourceExhausted, Unauthenticated
from fabula.rpc.client import Patience
from fabula.rpc.kinds import STORY
from gateway.answers import problem_of
from gateway.channels import SOCKET_IO, Channel, Said
from gateway.cursors import Cursor, read_cursor
from gateway.dialects.story_rooms import STORY_ROOMS
from gateway.doors.socket_io.client import DOOR, Client, Handler
from gateway.doors.socket_io.door import visitor_of
from gateway.doors.socket_io.following import Follower, Words
from gateway.entries import SharedEntry
from gateway.frontends.story_addresses import FAMILY
from gateway.house import House
from gateway.identity import Visitor
from gateway.owner_feeds import News, OwnerFeeds, Told
from gateway.payloads.schema import CURSOR as CURSOR_SCHEMA
from gateway.payloads.schema import TEXT
from gateway.payloads.story_rooms import EVENTS as STORY_EVENTS
from gateway.pipe import ClientGone
from gateway.watch import Watch

NAMESPACE = "/stories"
JOIN, LEAVE, CURSOR, TROUBLE = "story:join", "story:leave", "story:cursor", "story:watch:error"

MOST_STORIES = 256
"""Stories that one connection hears of at a time."""

MOST_LEFT = 4096
"""Stories that one connection may leave."""

RECENT_SECONDS = 300.0
"""Who keeps no cursors is told again how stories have ended since then: a page that was away would wait for ever."""


def story_channel(path: str) -> Channel:
    """Return what is said in the namespace, at the address of its server."""
    told = (*STORY_EVENTS.items(), (CURSOR, "StoryCursor"), (TROUBLE, "StoryWatchError"))
    auth = {
        "type": "object",
        "properties": {"token": TEXT, "after": {"type": "object", "additionalProperties": CURSOR_SCHEMA}},
    }
    return Channel(
        "storyRooms", FAMILY, path, "The stories of who has connected.",
        sends=tuple(Said(_camel(event), schema, event) for event, schema in told),
        hears=(
            Said(_camel(JOIN), "StoryJoin", JOIN, "StoryAcknowledgement"),
            Said(_camel(LEAVE), "StoryLeave", LEAVE, "StoryAcknowledgement"),
        ),
        protocol=SOCKET_IO, namespace=NAMESPACE, auth=auth,
    )  # fmt: skip


def _cursor(entry: SharedEntry, cursor: Cursor) -> tuple[str, dict[str, Any]]:
    return CURSOR, {"storyId": entry.generation_id, "cursor": cursor.value}


WORDS = Words(NAMESPACE, STORY_ROOMS)
WORDS_WITH_CURSORS = Words(NAMESPACE, STORY_ROOMS, "with cursors", _cursor)


def _camel(event: str) -> str:
    first, *others = event.split(":")
    return first + "".join(other.capitalize() for other in others)


class StoryRooms:
    """The namespace. Implements `Namespace`.

    Args:
        house: The inside of the gateway.
        feeds: Tells of each owner's stories.
    """

    name = NAMESPACE

    def __init__(self, house: House, feeds: OwnerFeeds) -> None:
        self._house = house
        self._feeds = feeds

    @property
    def events(self) -> Mapping[str, Handler]:
        """Joining and leaving single stories."""
        return {JOIN: self._join, LEAVE: self._leave}

    async def admit(self, headers: Headers, auth: dict[str, Any]) -> Visitor:
        """Tell who wants to come in; see `Namespace`."""
        cursors_of(auth)
        return await visitor_of(self._house, headers, auth)

    async def arrived(self, client: Client) -> None:
        """Tell somebody of what they have missed, and of what goes on."""
        room = _Room(client, cursors_of(client.auth))
        client.keeps = room
        client.on_end = lambda: self._feeds.leave(client.visitor, room)
        self._feeds.join(client.visitor, room)

    async def _join(self, client: Client, request: Any) -> dict[str, Any]:
        try:
            story_id = _asked_for(request)
            after = request.get("after")
            cursor = Cursor() if after is None else read_cursor(after)
            await room_of(client).join(story_id, cursor)
        except FabulaError as error:
            return _refused(client, error)
        return {"success": True}

    async def _leave(self, client: Client, request: Any) -> dict[str, Any]:
        try:
            room_of(client).leave(_asked_for(request))
        except FabulaError as error:
            return _refused(client, error)
        return {"success": True}


class _Room:
    """What one client hears. Implements `Listener`.

    Args:
        client: The client.
        cursors: How far it has been told of stories; None: it does not care for cursors.
    """

    def __init__(self, client: Client, cursors: Mapping[str, Cursor] | None) -> None:
        self._client = client
        self._wants_cursors = cursors is not None
        self._cursors: dict[str, Cursor] = {}
        self._left: dict[str, None] = {}  # a set, which would be larger while it is empty
        self._waiting: dict[str, Cursor | None] = {}
        self._meanwhile: dict[str, News] = {}
        for story_id, cursor in (cursors or {}).items():
            self._begin(story_id, self._opened(story_id, cursor, named=True))

    def tell(self, news: News) -> None:
        """Follow a story that goes on, or has ended with something to tell; see `Listener`."""
        if self._client.does(news.id):  # asked first: it is what each event of a story means for each client
            self._meanwhile[news.id] = news  # it may just have been told to its end, and goes on
            return
        if not (news.goes_on or self._may_have_missed(news)) or news.id in self._waiting or news.id in self._left:
            return
        had = self._cursors.get(news.id)
        if had is not None:
            if had.sequence < news.last_sequence:
                self._follow(news.id, had)
        else:
            self._follow(news.id, None if news.before is None else Cursor(news.before))

    def _may_have_missed(self, news: News) -> bool:
        """Say whether a run's end, of before this client came, may be news to it."""
        ended = news.told.ended and time.time() - news.told.generation.update_time.ToSeconds() < RECENT_SECONDS
        return ended and news.before is None and not self._wants_cursors

    def gone(self, told: Told) -> None:
        """Forget a story that was deleted; see `Listener`."""
        generation_id = told.generation.id
        self._forget(generation_id)
        self._cursors.pop(generation_id, None)
        self._left.pop(generation_id, None)

    def _forget(self, story_id: str) -> None:
        self._waiting.pop(story_id, None)
        self._meanwhile.pop(story_id, None)
        self._client.stop(story_id)

    def listed(self, kind: str) -> None:
        """Nothing: these clients are told of what happens; see `Listener`."""

    def feed_ended(self, _error: FabulaError) -> None:
        """Have the client come back: who cannot be told of new stories would wait for them in vain; see `Listener`."""
        self._client.send_away()

    async def join(self, story_id: str, cursor: Cursor) -> None:
        """Tell of a story from a cursor on. Raises `NotFound` and what else `Hub.open` does."""
        self._left.pop(story_id, None)
        if not self._client.does(story_id) and self._client.busy >= MOST_STORIES:
            raise ResourceExhausted(f"one connection hears of at most {MOST_STORIES} stories: leave some")
        follower = self._follower(story_id, cursor)
        watch = await follower.open()
        task = self._begin(story_id, self._told(follower, watch))
        task.add_done_callback(lambda _: watch.close())  # also if it is ended before it begins

    def leave(self, story_id: str) -> None:
        """Tell no more of a story. Raises `ResourceExhausted`: what is left has to be remembered."""
        if len(self._left) >= MOST_LEFT:
            raise ResourceExhausted(f"one connection leaves at most {MOST_LEFT} stories: open another")
        self._left[story_id] = None
        self._forget(story_id)

    def _follow(self, story_id: str, cursor: Cursor | None) -> None:
        """Tell of a story from a cursor on, or from where it stands; when there is room for one more."""
        if self._client.busy >= MOST_STORIES:
            self._waiting[story_id] = cursor
            return
        self._begin(story_id, self._opened(story_id, cursor))

    def _begin(self, story_id: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._client.begin(story_id, work)
        task.add_done_callback(lambda _: self._ended(story_id))
        return task

    def _ended(self, story_id: str) -> None:
        """Go on with what has come meanwhile, and begin with who waits longest for the place that is free now."""
        if self._client.ended or self._client.does(story_id):
            return
        if (news := self._meanwhile.pop(story_id, None)) is not None:
            self.tell(news)
        while self._waiting and self._client.busy < MOST_STORIES:
            waiting_id = next(iter(self._waiting))
            self._begin(waiting_id, self._opened(waiting_id, self._waiting.pop(waiting_id)))

    def _follower(self, story_id: str, cursor: Cursor) -> Follower:
        words = WORDS_WITH_CURSORS if self._wants_cursors else WORDS
        return Follower(self._client, words, story_id, cursor)

    async def _opened(self, story_id: str, cursor: Cursor | None, *, named: bool = False) -> None:
        """Open a watch and tell what it finds; `named`: the client has asked for this very story."""
        follower, patience, told = self._follower(story_id, cursor or Cursor()), Patience(), False
        while True:
            try:
                watch = await follower.open(snapshot=cursor is None)
                break
            except NotFound as error:
                if named:
                    await self._trouble(story_id, error)
                return
            except Exception as error:  # noqa: BLE001 - told to the client
                if not told:
                    await self._trouble(story_id, error)
                if not problem_of(error).retryable:
                    if cursor is not None:
                        self._cursors.setdefault(story_id, cursor)  # whenever it can be watched, from there on
                    return
                told = True
                await patience.wait()
        await self._told(follower, watch)

    async def _told(self, follower: Follower, watch: Watch) -> None:
        story_id = follower.generation_id
        try:
            await follower.follow(watch)
        except (ClientGone, NotFound):  # the story was deleted
            return
        except Exception as error:  # noqa: BLE001 - told to the client
            await self._trouble(story_id, error)
        self._cursors[story_id] = follower.cursor

    async def _trouble(self, story_id: str, error: Exception) -> None:
        """Tell that a story cannot be watched; that says nothing of how the story itself is doing."""
        if isinstance(error, Unauthenticated):  # the service's clock was first to find the token expired
            self._client.send_away()
            return
        problem = problem_of(error)
        self._client.house.metrics.errors.labels(DOOR, problem.code).inc()
        content = {"storyId": story_id, "error": problem.message, "code": problem.code, "retryable": problem.retryable}
        try:
            await self._client.emit(TROUBLE, content)
        except ClientGone:
            return


def room_of(client: Client) -> _Room:
    """Return what a client of this namespace hears."""
    room = client.keeps
    assert isinstance(room, _Room)  # noqa: S101 - set when it arrived
    return room


def cursors_of(auth: dict[str, Any]) -> Mapping[str, Cursor] | None:
    """Return how far a client has been told, by story; None if it does not say so. Raises `InvalidRequest`."""
    after = auth.get("after")
    if after is None:
        return None
    if not isinstance(after, dict) or len(after) > MOST_STORIES:
        problem = f"must be an object of cursors by storyId, of at most {MOST_STORIES}"
        raise InvalidRequest(f"auth.after {problem}", (("auth.after", problem),))
    return {_story_id(story_id): read_cursor(cursor, f"auth.after[{story_id!r}]") for story_id, cursor in after.items()}


def _story_id(story_id: object) -> str:
    if not isinstance(story_id, str) or not is_generation_id(story_id, STORY.name):
        raise InvalidRequest("there is no such story: give its storyId", (("storyId", "must be a story's id"),))
    return story_id


def _asked_for(request: Any) -> str:
    return _story_id(request.get("storyId") if isinstance(request, dict) else None)


def _refused(client: Client, error: FabulaError) -> dict[str, Any]:
    problem = problem_of(error)
    client.house.metrics.errors.labels(DOOR, problem.code).inc()
    return {"success": False, "error": problem.message, "code": problem.code}

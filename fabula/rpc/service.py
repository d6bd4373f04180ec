"""The rpcs that every generator has, over the engine's ports: what is special comes from a `Contract`.

Stateless: any server of a kind answers for any of its generations.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.engine.events import Accepted, Body, Event, Failed, Progress, Retried, State
from fabula.engine.ids import address_of
from fabula.engine.ports import Address, Entry, Purpose, Record, Tag, own_blobs, working_blobs
from fabula.engine.states import Command, decide, enqueues, next_event, next_state
from fabula.engine.tail import conflated
from fabula.errors import AlreadyExists, InvalidRequest, Superseded, Unavailable
from fabula.rpc.admission import Admission
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import Kind
from fabula.rpc.removal import remove
from fabula.rpc.stores import (
    CHANGES_TOO_FAST,
    RACES,
    Call,
    Folded,
    Stores,
    StreamMethod,
    UnaryMethod,
    address_of_own,
    fold,
    not_found,
)
from fabula.rpc.summaries import Summaries
from fabula.rpc.tails import Tails

LONGEST_WAIT_FOR_START_SECONDS = 600.0
"""How long a watcher that came first waits for its generation."""


class Contract(Protocol):
    """What is special to one generator on the server's side."""

    @property
    def kind(self) -> Kind:
        """Which generator."""
        ...

    @property
    def codec(self) -> ProtoCodec:
        """Its events as protobuf."""
        ...

    async def accept(self, call: Call, request: Any, address: Address, stores: Stores) -> object:
        """Return what a valid StartGenerationRequest asks for, defaults filled in; large parts go to the blobs.

        What has to be asked of other services is asked as `call.caller`: with its token and trace, by its deadline.

        Raises:
            InvalidRequest: something is wrong that the proto's rules cannot say.
        """
        ...

    def unary(self, stores: Stores) -> Mapping[str, UnaryMethod]:
        """Return the rpcs with one response that this generator has beside the common ones."""
        ...

    def streaming(self, stores: Stores) -> Mapping[str, StreamMethod]:
        """Return the rpcs with a stream of responses that this generator has beside the common ones."""
        ...


@runtime_checkable
class Relaying(Protocol):
    """A contract with streams that pass on what the common rpcs tell."""

    def relaying(self, stores: Stores, watch: StreamMethod) -> Mapping[str, StreamMethod]:
        """Return such streams; `watch` is WatchProgress."""
        ...


class GenerationService:
    """Answers the rpcs of one kind.

    Args:
        contract: What is special to it.
        stores: Where things are kept.
        tails: The logs that are watched.
        admission: Bounds what one owner may have waiting; None: nothing does.
    """

    def __init__(self, contract: Contract, stores: Stores, tails: Tails, admission: Admission | None = None) -> None:
        self.kind = contract.kind
        self.unary = contract.unary(stores)
        self.streaming = {**contract.streaming(stores)}
        if isinstance(contract, Relaying):
            self.streaming |= contract.relaying(stores, self.watch)
        self._contract = contract
        self._codec = contract.codec
        self._stores = stores
        self._log = stores.log
        self._tails = tails
        self._admission = admission
        self._summaries = Summaries(contract.kind, contract.codec, stores.log)

    async def start(self, call: Call, request: Any) -> Any:
        """StartGeneration."""
        request_id = request.request_id or str(uuid.uuid4())
        address = address_of(self.kind.name, call.owner, request_id)
        digest = _digest(request)
        async with self._entrance(address):
            first, last = await self._start(call, request, address, request_id, digest)
        return self._respond("StartGeneration", generation=self._summaries.message(address.id, first, last))

    async def _start(
        self, call: Call, request: Any, address: Address, request_id: str, digest: str
    ) -> tuple[Event, Event]:
        """Store the generation's first event, or find it; return it, and the newest."""
        asked = await self._contract.accept(call, request, address, self._stores)
        body = Accepted(self.kind.name, call.owner, request_id, asked, digest)
        event = Event(1, body, State.QUEUED, Progress(), time=datetime.now(UTC), trace_id=call.trace_id)
        entry = self._codec.encode(address.id, event)
        try:
            await self._append(address, [entry], after=0, purpose=Purpose.QUEUE)
        except Superseded:
            return await self._started_before(address, digest)
        return event, event

    @asynccontextmanager
    async def _entrance(self, address: Address, *, known: bool = False) -> AsyncIterator[None]:
        """Let a generation into the queue in the block.

        Args:
            address: Which one.
            known: Whether it exists and is not what the block may find there.

        Raises:
            ResourceExhausted: its owner has too many waiting, and this one is not known from before.
        """
        if self._admission is None:
            yield
            return
        if await self._admission.is_full(address.owner) and (
            known or (await self._log.last(address) is None and not await self._log.deleted(address))
        ):
            raise self._admission.refusal()
        with self._admission.entering(address.owner):
            yield

    async def _started_before(self, address: Address, digest: str) -> tuple[Event, Event]:
        last = await self._log.last(address)
        if last is None:
            await self._stores.blobs.delete_all(own_blobs(address))  # what this very request has just kept
            raise AlreadyExists("this request id belonged to a generation that was deleted: draw a new one")
        first = await self._summaries.first(address)
        if not isinstance(first.body, Accepted) or first.body.request_digest != digest:
            raise AlreadyExists(
                "this request id was used for another request: repeat that one exactly, or draw a new id",
                id=address.id,
            )
        return first, self._codec.decode(last.entries[-1])

    async def _append(self, address: Address, entries: Sequence[Entry], *, after: int, purpose: Purpose) -> int:
        """Append. The log itself sees to it that a lost answer is asked for again, for as long as a caller may wait."""
        append_id = secrets.token_hex(8)
        revision = await self._log.append(address, entries, after=after, append_id=append_id, purpose=purpose)
        if self._admission is not None and purpose is Purpose.QUEUE:
            with suppress(Unavailable):  # it is stored, and counted as soon as the queue hears of it
                await self._admission.entered(address, revision)
        return revision

    async def get(self, call: Call, request: Any) -> Any:
        """GetGeneration."""
        address = self._address(call, request.generation_id)
        if request.view == pb.GENERATION_VIEW_BASIC:
            last, first = await self._newest(address), await self._summaries.first(address)
            return self._respond("GetGeneration", generation=self._summaries.message(address.id, first, last))
        folded = await self._fold(address)
        generation = self._summaries.message(address.id, folded.first, folded.last)
        response = self._respond("GetGeneration", generation=generation)
        _put(response, self._codec.outputs.to_message(folded.snapshot.request))
        _put(response, self._codec.outputs.so_far(folded.snapshot))
        return response

    async def _newest(self, address: Address) -> Event:
        record = await self._log.last(address)
        if record is None:
            raise not_found(address.id)
        return self._codec.decode(record.entries[-1])

    async def list(self, call: Call, request: Any) -> Any:
        """ListGenerations."""
        page = await self._summaries.page(call.owner, request.page_size, request.page_token, set(request.states))
        response = self._respond("ListGenerations", next_page_token=page.next_token)
        response.generations.extend(page.generations)
        return response

    async def cancel(self, call: Call, request: Any) -> Any:
        """CancelGeneration."""
        return await self._command("CancelGeneration", Command.CANCEL, call, request)

    async def pause(self, call: Call, request: Any) -> Any:
        """PauseGeneration."""
        return await self._command("PauseGeneration", Command.PAUSE, call, request)

    async def resume(self, call: Call, request: Any) -> Any:
        """ResumeGeneration."""
        return await self._command("ResumeGeneration", Command.RESUME, call, request)

    async def retry(self, call: Call, request: Any) -> Any:
        """RetryGeneration."""
        if request.from_stage:
            folded = await self._fold(self._address(call, request.generation_id))
            if request.from_stage not in folded.snapshot.stages:
                stages = ", ".join(folded.snapshot.stages) or "none"
                problem = f"there is no stage {request.from_stage!r} in this generation; there are: {stages}"
                raise InvalidRequest(problem, (("from_stage", problem),))
        return await self._command("RetryGeneration", Command.RETRY, call, request, request.from_stage)

    async def delete(self, call: Call, request: Any) -> Any:
        """DeleteGeneration."""
        await remove(self._stores, self._codec, self._address(call, request.generation_id))
        return self._respond("DeleteGeneration")

    async def _command(self, rpc: str, command: Command, call: Call, request: Any, from_stage: str = "") -> Any:
        address = self._address(call, request.generation_id)
        for _ in range(RACES):
            record = await self._log.last(address)
            if record is None:
                raise not_found(request.generation_id)
            last = self._codec.decode(record.entries[-1])
            if isinstance(last.body, Failed):
                from_stage = from_stage or last.body.stage
            bodies = decide(command, last.state, last.pending, last.run, from_stage=from_stage)
            try:
                last = await self._carry_out(address, record, last, bodies)
            except Superseded:
                continue
            if last.state is State.CANCELLED:
                await self._clear(address)
            first = await self._summaries.first(address)
            return self._respond(rpc, generation=self._summaries.message(address.id, first, last))
        raise Unavailable(CHANGES_TOO_FAST)

    async def _clear(self, address: Address) -> None:
        """Remove what stages had kept for going on; where that fails it costs room, and goes with the generation."""
        with suppress(Unavailable):
            await self._stores.blobs.delete_all(working_blobs(address))

    async def _carry_out(self, address: Address, record: Record, last: Event, bodies: Sequence[Body]) -> Event:
        if not bodies:
            return last
        queue = any(enqueues(last.state, body) for body in bodies)
        entries: list[Entry] = []
        for body in bodies:
            last = _next_event(last, body)
            entries.append(self._codec.encode(address.id, last))
        if queue:
            async with self._entrance(address, known=True):
                await self._append(address, entries, after=record.revision, purpose=Purpose.QUEUE)
            return last
        # Of an end no worker has to know: it is at nobody's hands.
        purpose = Purpose.END if last.state.terminal else Purpose.CONTROL
        revision = await self._append(address, entries, after=record.revision, purpose=purpose)
        if self._admission is not None and not last.state.workable:
            with suppress(Unavailable):  # else a worker is handed it, and finds that nothing is to be done
                await self._admission.left(address, revision)
        return last

    async def watch(self, call: Call, request: Any) -> AsyncGenerator[bytes, None]:
        """WatchProgress."""
        address = self._target(call, request)
        cursor = request.after_sequence
        record = await self._log.last(address)
        if record is None:
            if not request.wait_for_start:
                raise not_found(address.id)
            record = await self._wait_for_start(address)
        known, ended = record.last_sequence, record.entries[-1].tag is Tag.TERMINAL
        ahead = f"the cursor {cursor} is ahead of the log, which ends at {known}" if cursor > known else ""
        if ahead or (request.snapshot and not cursor):
            folded = await self._fold(address)
            yield self._codec.encode_snapshot(address.id, folded.snapshot, reset=ahead)
            cursor = known = folded.snapshot.sequence
            ended = folded.last.state.terminal
        if ended and cursor == known:
            return
        async with (
            self._tails.open(address, known, terminal=ended) as tail,
            aclosing(tail.watch(cursor, known)) as batches,
        ):
            async for batch in batches:
                for entry in conflated(batch) if request.conflate else batch:
                    yield entry.data

    async def _wait_for_start(self, address: Address) -> Record:
        try:
            async with (
                asyncio.timeout(LONGEST_WAIT_FOR_START_SECONDS),
                aclosing(self._log.follow(address)) as records,
            ):
                async for record in records:
                    return record
        except TimeoutError:
            pass
        raise not_found(address.id)

    async def watch_all(self, call: Call, _request: Any) -> AsyncGenerator[bytes, None]:
        """WatchGenerations."""
        response = self.kind.response("WatchGenerations")
        async with aclosing(self._summaries.watch(call.owner)) as changes:
            async for generation, deleted in changes:
                yield response(generation=generation, deleted=deleted).SerializeToString()

    async def _fold(self, address: Address) -> Folded:
        return await fold(self._log, self._codec, address)

    def _target(self, call: Call, request: Any) -> Address:
        if request.WhichOneof("target") == "request_id":
            return address_of(self.kind.name, call.owner, request.request_id)
        return self._address(call, request.generation_id)

    def _address(self, call: Call, generation_id: str) -> Address:
        return address_of_own(self.kind.name, call, generation_id)

    def _respond(self, rpc: str, **fields: Any) -> Any:
        return self.kind.response(rpc)(**fields)


def _next_event(last: Event, body: Body) -> Event:
    """Return the event with which a server carries out what a caller asks."""
    progress = last.progress
    if isinstance(body, Retried):
        progress = Progress()  # a run of its own, from its first second
    elif next_state(last.state, body) is not State.RUNNING:
        progress = replace(progress, active_agents=(), queue_position=None, remaining=None)
    return next_event(last, body, progress, datetime.now(UTC))


def _digest(request: Any) -> str:
    plain = type(request)()
    plain.CopyFrom(request)
    plain.request_id = ""
    return hashlib.sha256(plain.SerializeToString(deterministic=True)).hexdigest()


def _put(response: Any, message: Any) -> None:
    """Set the response's field of this message's type."""
    for field in response.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.full_name == message.DESCRIPTOR.full_name:
            getattr(response, field.name).CopyFrom(message)

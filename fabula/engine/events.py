"""The one vocabulary of what can happen to a generation.

Frozen values, no behaviour: what follows from an event is decided in `states` and `history`. Nothing here knows how
an event is encoded or where it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from fabula.engine.ports import Tag

ZERO_TIME = datetime.fromtimestamp(0, UTC)


class State(StrEnum):
    """Where a generation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether a run has ended in this state."""
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    @property
    def workable(self) -> bool:
        """Whether a worker may claim a generation in this state."""
        return self in (State.QUEUED, State.RUNNING)


class Pending(StrEnum):
    """What was asked for and is not carried out yet."""

    NOTHING = "nothing"
    CANCEL = "cancel"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class Remaining:
    """Time left, in seconds, as an interval: half of all like generations take at most `p50`, nine of ten `p90`."""

    p50: float
    p90: float


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a generation is.

    Attributes:
        fraction: Part of the whole work that is done, 0 to 1; 1.0 only with SUCCEEDED.
        stage: The current stage; empty before the first.
        message: What is being done, for people.
        step: Units of the stage that are done; None where it does not count.
        steps: Units of the stage in all; None where not known.
        active_agents: Who is at work at this moment.
        elapsed: Working time of this run in seconds; queueing and pauses not counted.
        remaining: Time left; None when not known.
        queue_position: Generations that go before; None unless queued and known.
    """

    fraction: float = 0.0
    stage: str = ""
    message: str = ""
    step: int | None = None
    steps: int | None = None
    active_agents: tuple[str, ...] = ()
    elapsed: float = 0.0
    remaining: Remaining | None = None
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: stable code, a sentence for people, the values it mentions."""

    code: str
    message: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request is durable and queued; always the first event.

    `request_digest` tells the same request from another one with the same id.
    """

    kind: str
    owner: str
    request_id: str
    request: object
    request_digest: str = ""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A worker has taken the job; `attempt` counts who has had the stage at hand, from 1, hand-backs left out."""

    worker: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Released:
    """A worker has handed the job back because it shuts down."""

    worker: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StageStarted:
    """A stage begins."""

    stage: str
    agents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Advanced:
    """A stage has come further.

    Attributes:
        each: Whether it is stored even if newer progress comes before that. Not stored itself: it says only how this
            event is treated on its way into the log.
    """

    stage: str
    step: int | None = None
    steps: int | None = None
    message: str = ""
    each: bool = field(default=False, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text was written; `offset` counts code points from the start of the stage's text."""

    stage: str
    offset: int
    text: str


@dataclass(frozen=True, slots=True)
class Preview:
    """The newest preview of a picture; not part of the log."""

    image: bytes
    media_type: str
    step: int = 0
    index: int = 0


@dataclass(frozen=True, slots=True)
class StageFinished:
    """A stage is complete; `output` is its checkpoint."""

    stage: str
    output: object = None
    elapsed: float = 0.0
    units: int = 0


@dataclass(frozen=True, slots=True)
class StageRestarted:
    """A stage begins again; what it has written is void."""

    stage: str
    reason: str = ""


class LogLevel(StrEnum):
    """How important a log line is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line for people who want to see what goes on."""

    message: str
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody asked to cancel."""


@dataclass(frozen=True, slots=True)
class PauseRequested:
    """Somebody asked to pause."""


@dataclass(frozen=True, slots=True)
class Paused:
    """The work stands still at a checkpoint."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """The work is wanted again: queued after a pause, or a pause withdrawn before it was carried out."""


@dataclass(frozen=True, slots=True)
class Retried:
    """A new run begins after a failure; `from_stage` and everything after it is done again."""

    from_stage: str


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The run ends: done."""

    result: object = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The run ends: failed."""

    failure: Failure
    stage: str = ""
    retryable: bool = True


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The run ends: cancelled."""


Body = (
    Accepted
    | Claimed
    | Released
    | StageStarted
    | Advanced
    | TextDelta
    | StageFinished
    | StageRestarted
    | LogLine
    | CancelRequested
    | PauseRequested
    | Paused
    | Resumed
    | Retried
    | Succeeded
    | Failed
    | Cancelled
)


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a log: what happened, and what holds after it.

    Attributes:
        sequence: Position in the log, from 1.
        body: What happened.
        state: The state after it.
        progress: The progress after it.
        pending: What is asked for and not carried out, after it.
        run: Which run this is, from 1.
        time: When it was made, by the writer's clock (UTC).
        trace_id: W3C trace id of the request that started the generation; may be empty.
    """

    sequence: int
    body: Body
    state: State
    progress: Progress = field(default_factory=Progress)
    pending: Pending = Pending.NOTHING
    run: int = 1
    time: datetime = ZERO_TIME
    trace_id: str = ""


def tag_of(body: Body) -> Tag:
    """Say what a reader must know of an event without decoding it."""
    match body:
        case TextDelta():
            return Tag.TEXT
        case Advanced():
            return Tag.PROGRESS
        case Succeeded() | Failed() | Cancelled():
            return Tag.TERMINAL
        case _:
            return Tag.STATE

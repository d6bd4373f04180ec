"""What a generator is made of: stages in order, and what a stage may use.

A stage is an async function of a context and the request's inputs. The worker does everything else: order,
checkpoints, retries, cancel, pause, time. A stage never sees the journal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fabula.engine.events import LogLevel
from fabula.engine.ports import Address, Blobs

Outputs = Mapping[str, object]
"""Outputs of the finished stages, by name, in order."""


class StageContext(Protocol):
    """What a stage may use while it runs. Emitting never waits: the log is written behind the stage's back."""

    @property
    def address(self) -> Address:
        """Whose work this is."""
        ...

    @property
    def trace_id(self) -> str:
        """W3C trace id of the call that the work is part of; empty where nobody traces."""
        ...

    @property
    def written(self) -> str:
        """The text this stage has in the log from before an interruption; empty at a fresh start."""
        ...

    @property
    def timings(self) -> Mapping[str, float]:
        """Working time of the finished stages in seconds, by name, in order."""
        ...

    @property
    def blobs(self) -> Blobs:
        """Bytes beside the log."""
        ...

    @property
    def resumed(self) -> bool:
        """Whether this stage was at work before, and was interrupted or failed; not after `restart`."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether the user has asked to cancel, so that nothing need be kept.

        A stage gets `CancelledError` for a pause, a hand-back and a cancel alike.
        """
        ...

    def text(self, piece: str, *, step: int | None = None) -> None:
        """Write on: `piece` follows everything this stage has written; `step` as in `advance`."""
        ...

    def advance(
        self, step: int | None = None, steps: int | None = None, message: str = "", *, each: bool = False
    ) -> None:
        """Say how far the stage is.

        Each call replaces the one before if that is not stored yet. With `each` this one stays, and becomes an event of
        its own: for steps that are few and that watchers count.
        """
        ...

    def agents(self, *names: str) -> None:
        """Say who is at work from now on in this stage."""
        ...

    def preview(self, image: bytes, media_type: str, *, step: int = 0, index: int = 0) -> None:
        """Show a preview; only the newest of each index matters."""
        ...

    def log(self, message: str, level: LogLevel = LogLevel.INFO) -> None:
        """Leave a line for people."""
        ...

    def restart(self, reason: str) -> None:
        """Declare void what this stage has written, and begin again: `written` is empty afterwards."""
        ...


StageFunction = Callable[[StageContext, Outputs], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a stage is tried again after a failure that trying again can help.

    Attributes:
        times: Tries after the first one.
        first_delay_seconds: Wait before the first of them; doubles each time.
    """

    times: int = 2
    first_delay_seconds: float = 0.5


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a pipeline.

    Attributes:
        name: Unique within a run, stable over restarts, e.g. "outline" or "write-2".
        run: Does the work and returns the output that is kept.
        agents: Who works in it.
        weight: Its share of the whole work, in any unit the pipeline likes.
        message: What it does, in a sentence for people.
        units: Units it is expected to do (words, steps); 0 where it does not count.
        units_before: Units that stages before it have done, where several count as one: its own follow them.
        units_after: Units that stages behind it will do, in the same count.
        continues: Whether it can go on in the middle from `context.written`; else it restarts after an interruption.
        retries: What happens when it fails.
    """

    name: str
    run: StageFunction
    agents: tuple[str, ...] = ()
    weight: float = 1.0
    message: str = ""
    units: int = 0
    units_before: int = 0
    units_after: int = 0
    continues: bool = False
    retries: Retries = Retries()

    @property
    def units_in_all(self) -> int:
        """Units of all stages that count together with this one."""
        return self.units_before + self.units + self.units_after if self.units else 0

    @property
    def role(self) -> str:
        """The name without its number: stages of one role take alike long per unit."""
        head, _, tail = self.name.rpartition("-")
        return head if head and tail.isdigit() else self.name


class Pipeline(Protocol):
    """A generator's plan. Pure: the same request and outputs give the same plan, on every worker."""

    @property
    def model(self) -> str:
        """Who does the work, as results say; forecasts are kept apart by it."""
        ...

    def plan(self, request: object, outputs: Outputs) -> Sequence[Stage]:
        """Return all stages of the run as far as known now, finished ones included, in order.

        Called again after each stage: the plan may grow behind the finished stages, which keep their place.
        The output of the last stage is the result.
        """
        ...

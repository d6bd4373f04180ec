"""Whose turn it is."""

from __future__ import annotations

import itertools
from collections import Counter

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fabula.engine.turns import Turns, Waiting


class Line:
    """Turns with a clock: every change is later than all before."""

    def __init__(self, limit: int = 0) -> None:
        self.turns = Turns(limit)
        self.clock = itertools.count(1)
        self.jobs: dict[int, Waiting] = {}

    def come(self, owner: str, count: int = 1) -> list[int]:
        """Queue jobs of an owner; return their revisions."""
        return [self._wait(owner, next(self.clock), begun=False) for _ in range(count)]

    def _wait(self, owner: str, revision: int, *, begun: bool) -> int:
        self.jobs[revision] = Waiting(revision, owner, revision, begun)
        self.turns.wait(self.jobs[revision])
        return revision

    def serve(self) -> int | None:
        """Hand out the next job; return its revision."""
        revision = self.turns.next()
        if revision is not None:
            self.turns.hold(self.jobs[revision], next(self.clock))
        return revision

    def come_back(self, revision: int) -> None:
        """Give a job back."""
        self._wait(self.jobs[revision].owner, revision, begun=True)

    def owners_served(self, count: int) -> str:
        """Hand out so many jobs; return whose they were."""
        served = [self.serve() for _ in range(count)]
        return "".join(self.jobs[revision].owner for revision in served if revision is not None)


def test_owners_take_turns_however_long_their_lines_are() -> None:
    """A thousand jobs of one owner hold nobody up."""
    line = Line()
    line.come("a", 1000)
    line.come("b", 2)
    line.come("c", 1)

    assert "abcabaaa" == line.owners_served(8)


def test_jobs_of_one_owner_go_in_the_order_they_were_queued() -> None:
    """First in, first out, for each."""
    line = Line()
    first = line.come("a", 3)
    line.come("b", 3)

    served = [revision for revision in (line.serve() for _ in range(6)) if revision in first]

    assert first == served


def test_a_new_owner_goes_behind_those_who_wait() -> None:
    """It joins at the end of the rota: each of the others has one turn first, and no more."""
    line = Line()
    for owner in "abc":
        line.come(owner, 10)
    assert "ab" == line.owners_served(2)
    line.come("n")

    assert "cabn" == line.owners_served(4)


def test_a_stream_of_new_owners_starves_nobody() -> None:
    """Who has waited longer goes before whoever comes later, at every turn."""
    line = Line()
    line.come("a", 3)
    served = ""
    for owner in "bcdefg":
        line.come(owner)
        line.come(owner.upper())
        served += line.owners_served(1)

    assert served.count("a") >= 2


def test_what_comes_back_goes_first_and_costs_no_turn() -> None:
    """A worker that died took its job's turn; the job has had it."""
    line = Line()
    (job, *_) = line.come("a", 3)
    line.come("b", 2)
    assert job == line.serve()
    line.come_back(job)

    assert line.turns.order().ahead(job) == 0
    assert job == line.serve()
    assert "bab" == line.owners_served(3)


def test_an_owner_at_its_limit_waits_while_others_go_on() -> None:
    """The limit holds, and holds nobody else."""
    line = Line(limit=2)
    mine = line.come("a", 5)
    line.come("b", 1)
    assert "aba" == line.owners_served(3)
    assert line.serve() is None

    line.turns.drop(mine[0])

    assert mine[2] == line.serve()
    assert line.serve() is None


def test_the_limit_holds_for_what_came_back_too() -> None:
    """A job that comes back does not go in over its owner's limit."""
    line = Line(limit=1)
    first, second = line.come("a", 2)
    assert first == line.serve()
    line.come_back(first)
    line.turns.hold(line.jobs[second], next(line.clock))

    assert line.serve() is None


def test_who_may_have_no_more_is_not_counted_before_others() -> None:
    """The place in line is what will happen, as far as known."""
    line = Line(limit=1)
    mine = line.come("a", 3)
    (other,) = line.come("b")
    assert mine[0] == line.serve()

    order = line.turns.order()

    assert [0, 1, 2] == [order.ahead(revision) for revision in (other, *mine[1:])]


def test_an_owner_with_nothing_but_what_came_back_is_known() -> None:
    """Its last running job ends while another waits to be taken up again."""
    line = Line(limit=2)
    first, second = line.come("a", 2)
    line.owners_served(2)
    line.come_back(first)
    line.turns.drop(second)

    assert 1 == line.turns.waiting("a")
    assert first == line.serve()


def test_nothing_is_remembered_of_owners_without_jobs() -> None:
    """Ten thousand owners that came and went cost nothing."""
    line = Line()
    for number in range(100):
        line.come(str(number))
    while (revision := line.serve()) is not None:
        line.turns.drop(revision)

    assert 0 == len(line.turns) == len(line.turns._owners)


@settings(deadline=None)
@given(st.lists(st.sampled_from("abcd"), max_size=30))
def test_the_foreseen_order_is_the_order(owners: list[str]) -> None:
    """With nobody coming, each job is handed out exactly where it was said to be."""
    line = Line()
    jobs = [line.come(owner)[0] for owner in owners]
    line.owners_served(len(owners) // 3)
    order = line.turns.order()
    foreseen = {revision: order.ahead(revision) for revision in jobs}
    waiting = len(line.turns)

    for place in range(waiting):
        revision = line.serve()
        assert revision is not None
        assert place == foreseen[revision]


class Life(RuleBasedStateMachine):
    """Jobs come, are handed out, end, and come back, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.line = Line(limit=2)
        self.running: list[int] = []
        self.passed_over: Counter[tuple[str, str]] = Counter()

    @rule(owner=st.sampled_from("abcde"), count=st.integers(1, 5))
    def come(self, owner: str, count: int) -> None:
        """Somebody queues jobs."""
        self.line.come(owner, count)

    @rule()
    def serve(self) -> None:
        """A worker asks for a job."""
        eligible = {job.owner for job in self._waiting() if self._runs(job.owner) < 2 and not job.begun}
        revision = self.line.serve()
        if revision is None:
            assert not [job for job in self._waiting() if self._runs(job.owner) < 2]
            return
        self.running.append(revision)
        owner = self.line.jobs[revision].owner
        assert self._runs(owner) <= 2
        if self.line.jobs[revision].begun:
            return
        for other in "abcde":
            self.passed_over.pop((owner, other), None)
            if other not in eligible:
                self.passed_over = Counter({k: v for k, v in self.passed_over.items() if k[0] != other})
        for other in eligible - {owner}:
            self.passed_over[other, owner] += 1
            assert self.passed_over[other, owner] <= 1, "it had two turns while another had none"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """A job is done."""
        self.line.turns.drop(self._pick(data))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def come_back(self, data: st.DataObject) -> None:
        """A worker gives its job back."""
        self.line.come_back(self._pick(data))

    @invariant()
    def counts_agree(self) -> None:
        """The line is as long as its owners' lines."""
        assert len(self.line.turns) == sum(self.line.turns.waiting(owner) for owner in "abcde")

    def _pick(self, data: st.DataObject) -> int:
        return self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))

    def _runs(self, owner: str) -> int:
        return sum(self.line.jobs[revision].owner == owner for revision in self.running)

    def _waiting(self) -> list[Waiting]:
        return list(self.line.turns)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)

"""Lets several processes share the work of a step: each takes a batch of its own, and their gradients are averaged.

On few cores this beats threads: they meet once a step instead of in every operation, so that other load on the machine
costs little.
"""

import multiprocessing
import random
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import Protocol

import torch
from torch import Tensor, nn

PATIENCE_SECONDS = 900.0


class HasLoss(Protocol):
    """What can be worked on in common."""

    modules: nn.Module

    def loss(self, lot: random.Random, step: int) -> Tensor:
        """Return the loss of a batch that `lot` and torch's own generator choose."""


def gradients_of_step(stage: HasLoss, seed: int, step: int, rank: int) -> float:
    """Add a batch's gradients to the parameters; the batch depends on nothing but the numbers given.

    Returns:
        The loss.
    """
    number = (seed * 1_000_003 + step) * 64 + rank
    torch.manual_seed(number)
    loss = stage.loss(random.Random(number), step)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return float(loss.detach())


def _shared_zeros(like: Tensor) -> Tensor:
    zeros = torch.zeros_like(like)
    zeros.share_memory_()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return zeros


class Workers:
    """The process that trains, together with its helpers.

    Args:
        stage: what is trained; with helpers, its weights are moved to shared memory, where the helpers see each change.
        seed: of all chance.
        count: of processes, this one included.
    """

    def __init__(self, stage: HasLoss, seed: int, count: int) -> None:
        self._stage, self._seed, self._count = stage, seed, count
        self._parameters = [parameter for parameter in stage.modules.parameters() if parameter.requires_grad]
        if count == 1:
            return
        stage.modules.share_memory()
        context = multiprocessing.get_context("fork")  # the stage need not be sent: the helper has it already
        self._barrier = context.Barrier(count)
        self._step = context.Value("q", -1)
        self._shared = [[_shared_zeros(each) for each in self._parameters] for _ in range(count - 1)]
        self._helpers = [
            context.Process(target=self._help, args=(rank, self._barrier), daemon=True) for rank in range(1, count)
        ]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Start the helpers, and end them when leaving."""
        if self._count == 1:
            yield
            return
        for helper in self._helpers:
            helper.start()
        try:
            yield
        finally:
            self._barrier.abort()
            for helper in self._helpers:
                helper.join(10)

    def gradients(self, step: int) -> float:
        """Leave the averaged gradients of a step in the parameters, and return this process's loss."""
        if self._count == 1:
            return gradients_of_step(self._stage, self._seed, step, 0)
        self._step.value = step
        self._barrier.wait(PATIENCE_SECONDS)
        loss = gradients_of_step(self._stage, self._seed, step, 0)
        self._barrier.wait(PATIENCE_SECONDS)
        own = [
            parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            for parameter in self._parameters
        ]
        for theirs in self._shared:
            torch._foreach_add_(own, theirs)
        torch._foreach_div_(own, float(self._count))
        for parameter, gradient in zip(self._parameters, own, strict=True):
            parameter.grad = gradient
        return loss

    def _help(self, rank: int, barrier: Barrier) -> None:
        torch.set_num_threads(1)
        try:
            while True:
                barrier.wait(PATIENCE_SECONDS)
                gradients_of_step(self._stage, self._seed, self._step.value, rank)
                for parameter, place in zip(self._parameters, self._shared[rank - 1], strict=True):
                    if parameter.grad is not None:
                        place.copy_(parameter.grad)
                        parameter.grad = None
                barrier.wait(PATIENCE_SECONDS)
        except BrokenBarrierError:
            return  # the training ended, or its process is gone

from __future__ import annotations

import pytest

from fabula.backends.host.failures import describe, to_error
from fabula.backends.host.messages import Failed
from fabula.errors import (
    BackendFailed,
    InvalidRequest,
    ModelCrashed,
    ModelOutOfMemory,
    ModelOutputInvalid,
    ModelUnavailable,
)


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "run_id", "error_class", "usable"),
    [
        (MemoryError(), 1, ModelOutOfMemory, False),
        (OutOfMemoryError("tried to allocate"), 1, ModelOutOfMemory, False),
        (OutOfMemoryError("tried to allocate"), 0, ModelOutOfMemory, False),
        (RuntimeError("MPS backend out of memory (…)\nsecond line"), 1, ModelOutOfMemory, False),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, ModelOutOfMemory, False),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED"), 1, ModelOutOfMemory, False),
        (OSError(12, "Cannot allocate memory"), 1, ModelOutOfMemory, False),
        (RuntimeError("could not create a primitive"), 1, ModelOutOfMemory, False),
        (RuntimeError("could not create a primitive descriptor for a matmul"), 1, ModelCrashed, False),
        (ValueError("out of memory lane"), 1, ModelCrashed, False),
        (RuntimeError("device-side assert"), 1, ModelCrashed, False),
        (RuntimeError("device-side assert"), 0, ModelUnavailable, False),
        (ModelUnavailable("no folder"), 0, ModelUnavailable, False),
        (InvalidRequest("too long"), 1, InvalidRequest, True),
        (ModelOutputInvalid("no JSON"), 1, ModelOutputInvalid, True),
    ],
)
def test_an_exception_in_the_child_becomes_its_class_in_the_parent(
    error: Exception, run_id: int, error_class: type[Exception], usable: bool
) -> None:
    """The class crosses the pipe, and whether the model can go on."""
    failed = describe(error, run_id)

    assert (error_class, usable) == (type(to_error(failed, "m")), failed.usable)
    assert "\n" not in to_error(failed, "m").message


def test_a_code_that_the_parent_does_not_know_is_still_a_failure() -> None:
    """A newer child does not crash an older parent."""
    assert BackendFailed is type(to_error(Failed(1, "NEW_CODE", "why", usable=False), "m"))

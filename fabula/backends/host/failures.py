"""How a failure crosses the pipe: an exception in the child becomes a code, and the code an error of Fabula's.

It must not import a model library: an out-of-memory error is known by its name and its words.
"""

from __future__ import annotations

from fabula.backends.host.messages import Failed
from fabula.errors import (
    BackendFailed,
    FabulaError,
    InvalidRequest,
    ModelCrashed,
    ModelOutOfMemory,
    ModelOutputInvalid,
    ModelUnavailable,
)

# After these the model is as good as before; after any other failure it is loaded afresh.
_HARMLESS = (InvalidRequest, ModelOutputInvalid)

_CLASSES: dict[str, type[FabulaError]] = {
    cls.code: cls
    for cls in (InvalidRequest, ModelUnavailable, ModelOutOfMemory, ModelCrashed, ModelOutputInvalid, BackendFailed)
}

# What torch says on cuda, cpu and mps, and the libraries beneath it.
_OUT_OF_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "_status_alloc_failed",
    # oneDNN, which computes on cpu, has one sentence for all faults; what else there may be it finds out earlier, when
    # it creates the primitive's descriptor.
    "could not create a primitive",
)
_NOT_MEMORY = "could not create a primitive descriptor"


def describe(error: Exception, run_id: int) -> Failed:
    """Return the message that tells the parent of an exception in the child; `run_id` 0 is the load."""
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, FabulaError):
        return Failed(run_id, error.code, error.message, usable=isinstance(error, _HARMLESS))
    if is_out_of_memory(error):
        return Failed(run_id, ModelOutOfMemory.code, f"out of memory ({_first_line(said)})", usable=False)
    if run_id == 0:
        return Failed(run_id, ModelUnavailable.code, f"cannot be loaded ({said})", usable=False)
    return Failed(run_id, ModelCrashed.code, f"failed in the middle of its work ({said})", usable=False)


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an exception means that the machine or the accelerator has no memory left."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower().replace(_NOT_MEMORY, "")
    return isinstance(error, (RuntimeError, OSError)) and any(words in said for words in _OUT_OF_MEMORY_WORDS)


def to_error(failed: Failed, model: str) -> FabulaError:
    """Return the error that the parent raises for a failure in the child; the message names the model."""
    error_class = _CLASSES.get(failed.code, BackendFailed)
    if error_class is ModelOutOfMemory:
        return ModelOutOfMemory(
            f"The model {model} is {failed.message}. Choose a smaller model, ask for less at a time, or free memory.",
            model=model,
        )
    if error_class in _HARMLESS:
        return error_class(failed.message, model=model)
    return error_class(f"The model {model}: {failed.message}", model=model)


def _first_line(text: str) -> str:
    return text.splitlines()[0]

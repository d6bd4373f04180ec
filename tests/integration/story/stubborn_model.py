"""A model in a host's child that answers by the book, but for what the test has written into a file.

What it is told to do is done the hard way: SIGTERM is ignored, and a sleep in C keeps the interpreter's lock, as a
stuck kernel does. Only SIGKILL ends that.
"""

from __future__ import annotations

import ctypes
import json
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.backends.text_request import TextRequest
from tests.integration.story.scripts import PIECES, Script, _outline

FACTORY = "tests.integration.story.stubborn_model:load"

LOADING = "sleeps while it loads"
STUCK = "is stuck in C behind its third sentence"
"""Both touch a file beside the one with the whims when it falls asleep."""
SLOW = "takes its time for each sentence"


@dataclass(frozen=True, slots=True)
class StubbornModel:
    """A model, loaded.

    Attributes:
        whims: The file that says what it does.
    """

    whims: Path

    @property
    def details(self) -> JsonObject:
        """Nothing worth knowing."""
        return {}

    def run(self, work: Work) -> None:
        """Write one answer; see `fabula.backends.transformers_child.CausalModel.run`."""
        request = TextRequest.from_json(work.request)
        if request.schema is None:
            self._chapter(work, len(request.prefix))
        elif "chapters" in request.schema["properties"]:
            work.emit({"text": _outline(Script(""), request.schema)})
        else:
            work.emit({"text": json.dumps({"accepted": True, "findings": []})})
        work.emit({"text": "", "finish": "stop"})

    def _chapter(self, work: Work, begin: int) -> None:
        length = 0
        for index, piece in enumerate(PIECES):
            if index == 3 and STUCK in self.whims.read_text():
                self.whims.with_suffix(".asleep").touch()
                _sleep_in_c()
            if SLOW in self.whims.read_text():
                time.sleep(0.1)
            length += len(piece)
            if length > begin:
                work.emit({"text": piece[-min(len(piece), length - begin) :]})


def load(config: JsonObject) -> StubbornModel:
    """Load it; the host's factory."""
    whims = Path(config["whims"])
    if LOADING in whims.read_text():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        whims.with_suffix(".asleep").touch()
        time.sleep(3600)
    return StubbornModel(whims)


def _sleep_in_c() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the lock

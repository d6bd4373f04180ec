"""A language model that says what a test has written down, and waits where the test wants it to.

It implements the `TextModel` port; the author, the stages, the worker and all that is around them are the real ones.
A story names its script in its premise: "script:NAME".
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field

from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.errors import FabulaError

PIECES = (
    "Ann came down to the harbour before the gulls were up. ",
    "Nine boats lay there, and the smallest was green. ",
    "She counted them once with her finger and once with her eyes. ",
    "The tenth was missing, as it was every Thursday.\n\n",
    "“Where does it go?” she asked the old man who mended nets. ",
    "He pointed at the fog with his needle and said nothing. ",
    "So Ann took the green boat and rowed. ",
    "At noon there were ten again, and one of them was wet inside.",
)
"""Some seventy words, no two sentences alike."""


@dataclass(slots=True)
class Script:
    """What happens in one story.

    Attributes:
        name: As the premise names it.
        pieces: What every chapter says.
        hold_before: The piece before which the writing waits for `go`; None: it never waits.
        failure: Raised once before the piece `hold_before`, or at the outline where that is None.
        rejections: How often the critic refuses the draft.
        chapters: How many the outline has.
        held: Set when the writing waits.
        go: Lets it go on.
        chapters_begun: How often a chapter was begun.
    """

    name: str
    pieces: tuple[str, ...] = PIECES
    hold_before: int | None = None
    failure: FabulaError | None = None
    rejections: int = 0
    held: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    outlines: int = 0
    chapters_begun: int = 0

    @property
    def premise(self) -> str:
        """The premise of a story that goes by this script."""
        return f"Ann counts boats. script:{self.name}"


@dataclass(slots=True)
class ScriptedModel:
    """Answers by the script that the conversation names. Implements `TextModel`."""

    scripts: dict[str, Script] = field(default_factory=dict)
    name: str = "scripted"
    continues: bool = True

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: JsonSchema | None = None,
        prefix: str = "",
    ) -> AsyncGenerator[str, None]:
        """Yield the script's answer."""
        script = self._script(messages)
        if schema is None:
            async for piece in _chapter(script, len(prefix)):
                yield piece
            return
        yield _outline(script, schema) if "chapters" in schema["properties"] else _review(script)

    async def close(self) -> None:
        """Hold nothing, release nothing."""

    def _script(self, messages: Sequence[Message]) -> Script:
        found = re.search(r"script:(\w+)", messages[-1].content)
        return self.scripts[found[1]] if found else Script("")


async def _chapter(script: Script, begin: int) -> AsyncGenerator[str, None]:
    script.chapters_begun += 1
    length = 0
    for index, piece in enumerate(script.pieces):
        if index == script.hold_before:
            script.held.set()
            await script.go.wait()
            _fail_once(script)
        length += len(piece)
        if length > begin:
            yield piece[-min(len(piece), length - begin) :]
            await asyncio.sleep(0)


def _outline(script: Script, schema: JsonSchema) -> str:
    script.outlines += 1
    if script.hold_before is None:
        _fail_once(script)
    count = schema["properties"]["chapters"]["minItems"]
    chapter = {"title": "The boats", "summary": "Ann counts.", "mentions": ["Ann"]}
    plan = dict.fromkeys(("title", "logline", "genre", "setting", "theme"), "Boats")
    return json.dumps({**plan, "cast": [{"name": "Ann", "description": "counts"}], "chapters": [chapter] * count})


def _review(script: Script) -> str:
    if not script.rejections:
        return json.dumps({"accepted": True, "findings": []})
    script.rejections -= 1
    return json.dumps({"accepted": False, "findings": [{"chapter": 1, "reason": "count again"}]})


def _fail_once(script: Script) -> None:
    if (failure := script.failure) is not None:
        script.failure = None
        raise failure

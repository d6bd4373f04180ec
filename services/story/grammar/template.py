"""The template language of the data files: text, slots and choices.

    <flag,!flag> text with {role.form}, {deck} and [one|another|] choices // a new paragraph

A passage may begin with conditions in angle brackets: all flags named must hold, those with "!" must not.
A leading "+" goes on in the paragraph before. Choices nest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


class TemplateInvalid(ValueError):
    """A template breaks the rules of the language."""


@dataclass(frozen=True, slots=True)
class Text:
    """Words that stand as they are."""

    value: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A place to fill: a role or deck, and the form wanted ("" for the usual one).

    Attributes:
        role: Whose place it is.
        form: The form wanted.
        tail: The text that follows directly, for what may be said only before a point or a space.
    """

    role: str
    form: str = ""
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Alternatives, one of which is told."""

    options: tuple[tuple[Node, ...], ...]


Node = Text | Slot | Choice


@dataclass(frozen=True, slots=True)
class Passage:
    """A parsed template.

    Attributes:
        source: The template as written; identifies the passage.
        nodes: What it consists of.
        needs: Flags that must hold.
        bars: Flags that must not hold.
        goes_on: Whether it continues the paragraph before it.
        words: About how many words it renders to.
    """

    source: str
    nodes: tuple[Node, ...]
    needs: frozenset[str]
    bars: frozenset[str]
    goes_on: bool
    words: int

    def fits(self, flags: frozenset[str]) -> bool:
        """Tell whether the passage may be used where these flags hold."""
        return self.needs <= flags and not (self.bars & flags)


_HEAD = re.compile(r"^<([a-z_!,\s]+)>\s*")
_SLOT = re.compile(r"\{([a-z_0-9]+)(?:\.([a-z]+))?\}")
_SPECIAL = re.compile(r"[{}\[\]|]")


def parse(source: str) -> Passage:
    """Parse one template.

    Raises:
        TemplateInvalid: brackets or slots are not well formed.
    """
    body, needs, bars = _conditions(" ".join(source.split()))
    goes_on = body.startswith("+")
    body = body.removeprefix("+").strip().replace(" // ", "\n\n")
    nodes, position = _nodes(body, 0, inside=False)
    if position != len(body):
        raise TemplateInvalid(f"unexpected {body[position]!r} in {source[:60]!r}")
    return Passage(source, nodes, needs, bars, goes_on, _about(nodes))


def _conditions(body: str) -> tuple[str, frozenset[str], frozenset[str]]:
    match = _HEAD.match(body)
    if match is None:
        return body, frozenset(), frozenset()
    flags = [flag.strip() for flag in match[1].split(",")]
    needs = frozenset(flag for flag in flags if not flag.startswith("!"))
    bars = frozenset(flag[1:] for flag in flags if flag.startswith("!"))
    return body[match.end() :], needs, bars


def _nodes(body: str, position: int, *, inside: bool) -> tuple[tuple[Node, ...], int]:
    """Parse until the end, or until the "|" or "]" that ends an alternative."""
    nodes: list[Node] = []
    while position < len(body):
        mark = body[position]
        if mark == "{":
            slot, position = _slot(body, position)
            nodes.append(slot)
        elif mark == "[":
            choice, position = _choice(body, position)
            nodes.append(choice)
        elif mark in "|]":
            if not inside:
                raise TemplateInvalid(f"stray {mark!r} in {body[:60]!r}")
            break
        else:
            following = _SPECIAL.search(body, position)
            end = following.start() if following else len(body)
            if end == position:
                raise TemplateInvalid(f"stray {mark!r} in {body[:60]!r}")
            nodes.append(Text(body[position:end]))
            position = end
    return _with_tails(nodes), position


def _with_tails(nodes: list[Node]) -> tuple[Node, ...]:
    """Tell every slot what text follows it."""
    following: list[Node | None] = [*nodes[1:], None] if nodes else []
    return tuple(
        Slot(node.role, node.form, after.value[:24]) if isinstance(node, Slot) and isinstance(after, Text) else node
        for node, after in zip(nodes, following, strict=True)
    )


def _slot(body: str, position: int) -> tuple[Slot, int]:
    match = _SLOT.match(body, position)
    if match is None:
        raise TemplateInvalid(f"bad slot at {body[position : position + 30]!r}")
    return Slot(match[1], match[2] or ""), match.end()


def _choice(body: str, position: int) -> tuple[Choice, int]:
    options: list[tuple[Node, ...]] = []
    position += 1
    while True:
        nodes, position = _nodes(body, position, inside=True)
        options.append(nodes)
        if position >= len(body):
            raise TemplateInvalid(f"a choice is not closed in {body[:60]!r}")
        position += 1
        if body[position - 1] == "]":
            return Choice(tuple(options)), position


def _about(nodes: tuple[Node, ...]) -> int:
    """Estimate the words a template renders to."""
    total = 0.0
    for node in nodes:
        match node:
            case Text(value):
                total += len(value.split())
            case Slot():
                total += 1.3
            case Choice(options):
                total += sum(_about(option) for option in options) / len(options)
    return round(total)

"""What the commands do that are about pictures."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from fabula.cli.calls import Commands
from fabula.cli.connection import Server
from fabula.cli.exits import Exit
from fabula.cli.faces import FACES, Face
from fabula.cli.image import ImageWishes, format_of, suffix_of
from fabula.cli.image_telling import AvatarTeller, describe
from fabula.cli.output import put, say
from fabula.cli.pane import Pane
from fabula.cli.rendering import standing
from fabula.cli.saving import STANDARD_OUTPUT, name_for, numbered, refuse_existing, save
from fabula.cli.terminal_pictures import Way, way_of
from fabula.cli.watching import to_json, view_of
from fabula.errors import Conflict, InvalidRequest
from fabula.rpc.kinds import IMAGE


@dataclass(frozen=True, slots=True)
class Output:
    """What becomes of the pictures.

    Attributes:
        file: Where they are saved; of several, where the first part of their names is from. None: not said.
        force: Whether what lies there is replaced.
        quiet: Whether nothing is told but where they are.
        preview: How the terminal shows them while they form: "auto", or a `Way`.
        label: What stands before the names of the files that were saved.
    """

    file: Path | None = None
    force: bool = False
    quiet: bool = False
    preview: str = "auto"
    label: str = ""

    @property
    def options(self) -> str:
        """The options that say the same again."""
        return (f" -o {self.file}" if self.file else "") + (" --force" if self.force else "")


class ImageCommands(Commands):
    """The commands for pictures."""

    def paint(self, wishes: ImageWishes, format_: str | None, output: Output, request_id: str, *, watch: bool) -> Exit:
        """Start pictures, watch them form, and save them."""
        if not watch and output.file is not None:
            raise InvalidRequest("Nothing is saved with --no-watch: save it later, with fabula show ID -o FILE.")
        format_ = format_of(format_, output.file)
        count = wishes.count or 1
        if output.file is None and not self.as_json and watch:
            output = Output(name_for(wishes.prompt, suffix_of(format_), count), False, output.quiet, output.preview)
        _check(output, count)
        pane = _pane(output)
        answer = self.ask(IMAGE, "StartGeneration", request_id=request_id, image=wishes.request(format_))
        if not watch:
            return self.started(answer)
        id_ = answer.generation.id
        if not output.quiet:
            say(f"{id_} (Ctrl-C leaves it running)", only_people=True)
        return self._watch(id_, 0, output, pane)

    def watch_and_save(self, id_: str, after: int, output: Output) -> Exit:
        """Watch pictures to the end of their run, and save them if that is asked for."""
        self.look(id_)
        _check(output, 1)
        pane = _pane(output)
        return self._watch(id_, after, output, pane)

    def await_avatar(self, id_: str, output: Output) -> Exit:
        """Watch an avatar, which the character service asks for, from its beginning, and save it.

        Raises:
            Unavailable: nobody paints here.
        """
        self.ask(IMAGE, "GetModel")
        _check(output, 1)
        face = replace(FACES["image"], teller=AvatarTeller)
        return self._watch(id_, 0, output, _pane(output), face, wait_for_start=True)

    def _watch(
        self,
        id_: str,
        after: int,
        output: Output,
        pane: Pane | None,
        face: Face = FACES["image"],
        *,
        wait_for_start: bool = False,
    ) -> Exit:
        view = view_of(face, as_json=self.as_json, quiet=output.quiet, pane=pane)
        followed = self.follow(id_, view, after, output.options, wait_for_start=wait_for_start)
        if followed.code is not Exit.SUCCESS:
            return followed.code
        pictures = followed.last.image.pictures
        if output.file is None:
            if not self.as_json:
                say(f"Save it with: fabula show {id_} -o FILE")
            return Exit.SUCCESS
        self._save(id_, pictures, output, pane)
        return Exit.SUCCESS

    def show(self, id_: str, output: Output) -> Exit:
        """Say what there is of pictures, or save them."""
        answer = self.call("GetGeneration", id_)
        generation, image = answer.generation, answer.image
        if self.as_json and output.file is None:
            put(to_json(answer))
            return Exit.SUCCESS
        if output.file is not None:
            if not image.pictures:
                raise Conflict(f"There is no picture yet; it is {standing(generation)}.", id=id_)
            _check(output, len(image.pictures))
            self._save(id_, image.pictures, output, _pane(output))
            return Exit.SUCCESS
        say(f"{id_}: {standing(generation)}", only_people=True)
        put(answer.request.prompt)
        if generation.HasField("failure"):
            say(f"Failed: {generation.failure.message} [{generation.failure.code}]")
        if image.pictures:
            put(describe(image))
            say(f"Save it with: fabula show {id_} -o FILE", only_people=True)
        return Exit.SUCCESS

    def models(self) -> Exit:
        """Tell what the loaded model can do."""
        model = self.ask(IMAGE, "GetModel").model
        if self.as_json:
            put(to_json(model))
            return Exit.SUCCESS
        for name, value in _facts(model):
            put(f"{name}\t{value}" if not sys.stdout.isatty() else f"{name:<12} {value}")
        return Exit.SUCCESS

    def _save(self, id_: str, pictures: Sequence[Any], output: Output, pane: Pane | None) -> None:
        assert output.file is not None  # noqa: S101 - both callers have looked
        files = numbered(output.file, len(pictures))
        refuse_existing(files, force=output.force)
        for picture, file in zip(pictures, files, strict=True):
            data = self.servers.ask(IMAGE, partial(_download, id_=id_, index=picture.index))
            if pane is not None and picture is pictures[0]:
                pane.draw(data)
            if file == STANDARD_OUTPUT:
                sys.stdout.buffer.write(data)
                continue
            save(file, data, force=output.force)
            if not self.as_json:
                put(f"{output.label}{file}")


async def _download(server: Server, id_: str, index: int) -> bytes:
    pieces = server.stream("DownloadPicture", generation_id=id_, index=index)
    return b"".join([response.data async for response in pieces])


def _check(output: Output, count: int) -> None:
    """Refuse what could not be saved in the end, before the work is begun."""
    if output.file == STANDARD_OUTPUT and count > 1:
        raise InvalidRequest(f"{count} pictures do not go to standard output: give -o a file's name.")
    if output.file is not None:
        refuse_existing(numbered(output.file, count), force=output.force)


def _pane(output: Output) -> Pane | None:
    """Return where previews are shown; None without a terminal, or where it cannot or is not to show them."""
    if output.preview != "auto" and output.preview not in tuple(Way):
        raise InvalidRequest(f"--preview {output.preview!r} is not known; there are: auto, {', '.join(Way)}.")
    if output.quiet or not sys.stderr.isatty():
        return None
    size = shutil.get_terminal_size()
    way = way_of(os.environ, size.columns) if output.preview == "auto" else Way(output.preview)
    return Pane(sys.stderr, way, size.columns, size.lines) if way is not Way.NONE else None


def _facts(model: Any) -> list[tuple[str, str]]:
    """Return what there is to know of a model, for people."""
    sides = f"sides from {model.min_side} to {model.max_side}, multiples of {model.side_multiple}"
    facts = [
        ("painter", model.name),
        ("refiner", model.refiner or "none"),
        ("size", f"{model.default_width} × {model.default_height}; {sides}"),
        ("steps", f"{model.default_steps}; high quality: {model.high_quality_steps}; at most {model.max_steps}"),
        ("guidance", f"{model.default_guidance:g}; at most {model.max_guidance:g}"),
        ("count", f"at most {model.max_count}"),
        ("schedulers", ", ".join(scheduler.name for scheduler in model.schedulers)),
        ("prompt", f"{model.prompt_tokens} tokens" if model.prompt_tokens else "any length"),
        ("source", "taken" if model.takes_source else "not taken"),
        ("previews", model.previews or "none"),
        ("runs on", ", ".join(filter(None, (model.environment.device, model.environment.dtype)))),
    ]
    return [(name, value) for name, value in facts if value]

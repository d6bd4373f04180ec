"""Opens the addresses and the plain WebSockets of families A, D and E, as far as their generators are there."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.routing import BaseRoute

from fabula.rpc.kinds import IMAGE, STORY
from gateway.doors.dialect_socket import DialectDoor
from gateway.frontends.content_pipeline import ContentPipeline
from gateway.frontends.image_tasks import ImageTaskFrontend
from gateway.frontends.workshop import Workshop
from gateway.house import House


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened.

    Attributes:
        doors: The WebSockets.
        routes: The addresses.
    """

    doors: tuple[DialectDoor, ...]
    routes: tuple[BaseRoute, ...]


def open_plain(house: House) -> Opened:
    """Open them."""
    doors: list[DialectDoor] = []
    routes: list[BaseRoute] = []
    if STORY.name in house.clients:
        workshop = Workshop(house)
        doors.append(workshop.door())
        routes += [*workshop.routes(), *ContentPipeline(house).routes()]
    if IMAGE.name in house.clients:
        pictures = ImageTaskFrontend(house)
        doors.append(pictures.door())
        routes += pictures.routes()
    return Opened(tuple(doors), tuple(routes))

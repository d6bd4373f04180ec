"""Opens the addresses and the plain WebSockets of families A, D and E, as far as their generators are there."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.rpc.kinds import IMAGE, STORY
from gateway.channels import Channel
from gateway.doors.dialect_socket import DialectDoor
from gateway.frontends.content_pipeline import ContentPipeline
from gateway.frontends.image_tasks import ImageTaskFrontend
from gateway.frontends.workshop import Workshop
from gateway.house import House
from gateway.operations import Operation


@dataclass(frozen=True, slots=True)
class Opened:
    """What was opened.

    Attributes:
        doors: The WebSockets.
        operations: What is done at the addresses.
        channels: What is said on the sockets.
    """

    doors: tuple[DialectDoor, ...]
    operations: tuple[Operation, ...]
    channels: tuple[Channel, ...]


def open_plain(house: House) -> Opened:
    """Open them."""
    doors: list[DialectDoor] = []
    operations: list[Operation] = []
    channels: list[Channel] = []
    if STORY.name in house.clients:
        workshop = Workshop(house)
        doors.append(workshop.door())
        channels.append(workshop.channel)
        operations += [*workshop.operations(), *ContentPipeline(house).operations()]
    if IMAGE.name in house.clients:
        pictures = ImageTaskFrontend(house)
        doors.append(pictures.door())
        channels.append(pictures.channel)
        operations += pictures.operations()
    return Opened(tuple(doors), tuple(operations), tuple(channels))

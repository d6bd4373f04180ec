"""From a line to a face over processes as an operator starts them, with the bundled painter, while they die."""

from __future__ import annotations

import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import NotFound
from fabula.rpc.client import Caller, Client
from fabula.rpc.kinds import CHARACTER, IMAGE
from tests.integration.character.house import Customer
from tests.integration.character.processes import process
from tests.integration.character.studio import until_avatar
from tests.integration.image import house as image_house
from tests.integration.image.processes import process as image_process
from tests.integration.image.tiny import ONE_THREAD
from tests.integration.story.house import SECRET, free_port, token

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

PAINTING_SECONDS = 240.0
"""How long a face may take once the model is loaded: seconds, where the machine is not busy."""

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_face_comes_whatever_dies(nats_url: str, tmp_path: Path) -> None:
    """The image service is away when a face is asked for, and dies with the worker in mid-painting.

    All calls need a token: the worker speaks for the character's owner, in the trace of the owner's call.
    """
    port = free_port()
    shared = {"FABULA_JWT_SECRET": SECRET}
    ours = {**shared, "FABULA_IMAGE_ADDRESS": f"127.0.0.1:{port}", "FABULA_GRAMMAR_WORDS_PER_SECOND": "0"}
    theirs = {**shared, **ONE_THREAD, "FABULA_DEVICE": "cpu", "FABULA_IMAGE_DEFAULT_STEPS": "150"}
    caller = Caller(token("ida"), f"00-{TRACE}-00f067aa0ba902b7-01")
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(process("server", nats_url, tmp_path, **ours))
        ida = Customer(Client(CHARACTER, server.channel), caller, "ida")
        async with (
            process("worker", nats_url, tmp_path, **ours) as worker,
            image_process("worker", nats_url, tmp_path, theirs) as painter,
        ):
            character = await ida.made("a brave knight of forty")
            assert pb.AVATAR_STATE_PENDING == (await ida.kept(character.id)).avatar.state
            async with image_process("server", nats_url, tmp_path, shared, port) as images:
                viewer = image_house.Customer(Client(IMAGE, images.channel), caller, "ida")
                id_ = character.avatar.generation_id
                seen = await viewer.until(id_, lambda one: one.event.progress.step >= 12, wait_for_start=True)
                otto = image_house.Customer(Client(IMAGE, images.channel), Caller(token("otto")))
                with pytest.raises(NotFound):
                    await otto.get(id_)
                for one in (painter, worker, images):
                    assert -signal.SIGKILL == await one.end(signal.SIGKILL)
        assert {TRACE} == {one.event.trace_id for one in seen if one.event.sequence}
        assert pb.AVATAR_STATE_PENDING == (await ida.kept(character.id)).avatar.state

        images = await stack.enter_async_context(image_process("server", nats_url, tmp_path, shared, port))
        painter = await stack.enter_async_context(image_process("worker", nats_url, tmp_path, theirs))
        await stack.enter_async_context(process("worker", nats_url, tmp_path, **ours))
        await painter.loaded()
        ended = (pb.AVATAR_STATE_READY, pb.AVATAR_STATE_FAILED)
        avatar = await until_avatar(ida, character.id, *ended, seconds=PAINTING_SECONDS)
        viewer = image_house.Customer(Client(IMAGE, images.channel), caller, "ida")
        found = await viewer.get(id_)
        (picture,) = await viewer.pictures(id_)

    assert (pb.AVATAR_STATE_READY, id_, "") == (avatar.state, avatar.ready_generation_id, avatar.failure)
    assert (gen.STATE_SUCCEEDED, character.seed) == (found.generation.state, found.request.seed)
    assert picture.startswith(b"\x89PNG")

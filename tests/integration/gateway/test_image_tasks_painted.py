"""Family E before an image service that really paints, by tiny pipelines like SDXL; and open to all."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fabula.journal.embedded import EmbeddedServer
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.plain_clients import told
from tests.integration.image.house import open_house
from tests.integration.image.tiny import ONE_THREAD, build, open_tiny
from tests.integration.story.house import SECRET
from tests.scripted_service import ScriptedImages, until


@pytest.mark.timeout(180)  # models are loaded
async def test_a_picture_is_watched_from_before_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clients see the same steps of base and refiner, and what `image_url` shows is the picture."""
    for name, value in ONE_THREAD.items():
        monkeypatch.setenv(name, value)
    pipelines = await asyncio.to_thread(build, tmp_path / "pipelines")
    settings: dict[str, Any] = {"generators": ("image",), "jwt_secret": SECRET}
    body = {"prompt": "a red boat", "use_generation": True, "use_refinement": True, "high_quality": False}
    async with (
        EmbeddedServer(tmp_path / "nats") as nats,
        open_tiny(pipelines) as model,
        open_house(nats.url, model) as house,
        running_gateway(f"127.0.0.1:{house.port}", **settings) as gateway,
    ):
        bob = house.customer()
        address, secret = "/ws/image-generation/task-1", bob.caller.token
        async with told(gateway, address, secret) as first, told(gateway, address, secret) as second:
            answer = await gateway.http.post(
                "/api/media/generate",
                json={**body, "task_id": "task-1", "steps": 10, "width": 64, "height": 64},
                headers={"authorization": f"Bearer {secret}"},
            )
            messages = await first.rest()
            assert messages == await second.rest()
        picture = await gateway.http.get(answer.json()["image_url"])

    steps = [each["current_step"] for each in messages if each["status"] == "generating" and each["current_step"]]
    assert sorted(set(steps)) == steps
    assert 10 == steps[-1]
    assert ["base_model", "refiner_model"] == sorted({each["current_stage"] for each in messages})
    assert "completed" == messages[-1]["status"]
    assert (64, 64) == Image.open(io.BytesIO(picture.content)).size


async def test_without_authentication_the_address_is_the_picture_s_own(
    gateway: Gateway, images: ScriptedImages
) -> None:
    """No token, any token, and no ticket."""
    headers = {"authorization": "Bearer any"}
    starting = asyncio.create_task(gateway.http.post("/api/media/generate", json={"prompt": "x"}, headers=headers))
    await until(lambda: bool(images.logs))
    ((id_, log),) = images.logs.items()
    images.paint(log, b"a picture")
    answer = await starting

    assert {"success": True, "image_url": f"/v1/images/{id_}", "message": "The picture is painted"} == answer.json()
    assert b"a picture" == (await gateway.http.get(answer.json()["image_url"])).content

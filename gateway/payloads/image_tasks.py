"""Family E, image generation. Pure."""

from __future__ import annotations

from gateway.dialects.image_tasks import BASE, REFINER
from gateway.dialects.standing import STATUSES
from gateway.payloads.schema import (
    COUNT,
    FALSE,
    PERCENT,
    SECONDS,
    TEXT,
    TIME,
    TRUE,
    Schema,
    record,
    ref,
    wishes,
    words,
)  # fmt: skip

_STATUSES = ["generating" if status == "running" else status for status in STATUSES.values() if status != "failed"]
_WISH: Schema = {"type": ["string", "null"]}
_SWITCH: Schema = {"anyOf": [{"type": ["boolean", "string", "null"]}, {"type": "integer", "enum": [0, 1]}]}
_NUMBER: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
        {"type": "string", "pattern": r"^(\s*[0-9]{1,10}\s*)?$"},
        {"type": "null"},
    ]
}

SCHEMAS: dict[str, Schema] = {
    "ImageTaskWishes": wishes(
        {
            "prompt": {**TEXT, "minLength": 1},
            "negative_prompt": _WISH,
            "use_generation": {**_SWITCH, "description": "Must not be false: without generating there is no picture."},
            "use_refinement": _SWITCH,
            "high_quality": _SWITCH,
            "task_id": {**_WISH, "description": "Yours: the same one with the same wishes is the same picture."},
            "width": _NUMBER,
            "height": _NUMBER,
            "steps": _NUMBER,
            "seed": _NUMBER,
        },
        "What a picture can be asked for.",
        required=["prompt"],
        examples=[{"prompt": "A red fox in the snow.", "use_generation": True, "task_id": "task_1", "steps": 4}],
    ),
    "ImageTaskResult": record({"success": TRUE, "image_url": TEXT, "message": TEXT}),
    "ImageTaskRefusal": record(
        {"success": FALSE, "image_url": {"type": "null"}, "message": TEXT, "error": ref("Problem")},
        description="There is no picture: what this family reads, and the error as it is told everywhere.",
    ),
    "ImageTaskProgress": record(
        {
            "type": words("progress"),
            "task_id": TEXT,
            "status": words(*_STATUSES),
            "current_step": COUNT,
            "total_steps": COUNT,
            "percentage": PERCENT,
            "current_stage": words(BASE, REFINER),
            "elapsed_time": SECONDS,
            "estimated_remaining": {**SECONDS, "description": "0 where nobody knows."},
            "message": TEXT,
            "timestamp": TIME,
        },
        description="One for each denoising step, and for each change of how the task stands.",
    ),
    "ImageTaskFailure": record(
        {"type": words("progress"), "task_id": TEXT, "status": words("failed"), "error": TEXT, "message": TEXT}
    ),
    "ImageTaskKeepAlive": record({"type": words("keep-alive")}, description="Every 30 s when there is nothing else."),
}  # fmt: skip

"""Family D, the content pipeline. Pure."""

from __future__ import annotations

from gateway.dialects.content_pipeline import (
    COMPLETE,
    DONE,
    DRAFT,
    DRAFTED,
    ERROR,
    FORMATTING,
    GENERATING,
    LOADING,
    PROGRESS,
    VALIDATING,
)  # fmt: skip
from gateway.payloads.schema import COUNT, SECONDS, TEXT, TRUE, WHOLE_PERCENT, Schema, record, ref, words

EVENTS = {
    PROGRESS: "PipelineProgress",
    DRAFT: "PipelineDraft",
    COMPLETE: "PipelineComplete",
    ERROR: "PipelineError",
}
"""The schemas of the dialect's events."""

SCHEMAS: dict[str, Schema] = {
    "PipelineProgress": record(
        {
            "stage": words(
                LOADING[0], GENERATING[0], FORMATTING[0], VALIDATING[0], "retry", DONE[0], "fail",
            ),
            "message": TEXT,
            "progress": WHOLE_PERCENT,
        }
    ),
    "PipelineDraft": record(
        {
            "stage": words(DRAFTED[0]),
            "message": TEXT,
            "progress": {"const": DRAFTED[1]},
            "draft": {**TEXT, "description": "Markdown."},
        }
    ),
    "PipelineComplete": record(
        {"success": TRUE, "output": {**TEXT, "description": "Markdown."}, "metadata": ref("PipelineMetadata")}
    ),
    "PipelineMetadata": record(
        {
            "generation_id": TEXT,
            "title": TEXT,
            "genre": TEXT,
            "word_count": COUNT,
            "chapters": COUNT,
            "attempts": {**COUNT, "minimum": 1},
            "validated": {"type": "boolean"},
            "issues": {"type": "array", "items": TEXT},
            "model": TEXT,
            "seed": COUNT,
            "elapsed_seconds": SECONDS,
        }
    ),
    "PipelineError": record(
        {"message": TEXT, "stage": {**TEXT, "description": "What failed."}, "code": {**TEXT, "description": "Stable."}}
    ),
}  # fmt: skip

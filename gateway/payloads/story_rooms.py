"""Family B, stories over Socket.IO. Pure."""

from __future__ import annotations

from gateway.dialects.story_rooms import COMPLETE, ERROR, PROGRESS, START, WHOLE, Step
from gateway.payloads.schema import (
    COUNT,
    CURSOR,
    FALSE,
    REQUEST_ID,
    STATUS,
    TEXT,
    TIME,
    TRUE,
    Schema,
    or_null,
    record,
    ref,
    wishes,
    words,
)  # fmt: skip

_STEPS = [step.value[0] for step in Step]
_PERCENTS = [step.value[1] for step in Step]
_STORY_ID: Schema = {**TEXT, "description": "The story's id."}

EVENTS = {
    START: "StoryStart",
    PROGRESS: "StoryProgress",
    COMPLETE: "StoryComplete",
    ERROR: "StoryError",
}
"""The schemas of the dialect's events."""

SCHEMAS: dict[str, Schema] = {
    "StoryStart": record({"storyId": _STORY_ID, "step": words(WHOLE), "timestamp": TIME}),
    "StoryProgress": record(
        {
            "storyId": _STORY_ID,
            "progress": {"type": "integer", "enum": _PERCENTS},
            "step": words(*_STEPS),
            "message": TEXT,
            "timestamp": TIME,
        }
    ),
    "StoryComplete": record(
        {
            "storyId": _STORY_ID,
            "generatedContent": {**TEXT, "description": "Markdown."},
            "generatedWordCount": COUNT,
            "processingTime": {**COUNT, "description": "In milliseconds."},
            "timestamp": TIME,
        }
    ),
    "StoryError": record({"storyId": _STORY_ID, "error": TEXT, "step": words(WHOLE, *_STEPS), "timestamp": TIME}),
    "StoryCursor": record(
        {"storyId": _STORY_ID, "cursor": CURSOR}, description="For who has given `auth.after` at connecting."
    ),
    "StoryWatchError": record(
        {"storyId": _STORY_ID, "error": TEXT, "code": TEXT, "retryable": {"type": "boolean"}},
        description="The story cannot be watched; how it is doing itself is not said by this.",
    ),
    "StoryJoin": wishes({"storyId": TEXT, "after": CURSOR}, "Tell of a story from a cursor on.", required=["storyId"]),
    "StoryLeave": wishes({"storyId": TEXT}, "Tell of a story no more.", required=["storyId"]),
    "StoryAcknowledgement": {
        "oneOf": [record({"success": TRUE}), record({"success": FALSE, "error": TEXT, "code": TEXT})]
    },
    "StoryUpload": wishes(
        {
            "text": {**TEXT, "description": "The text to make a story of."},
            "title": or_null(TEXT),
            "customPrompt": or_null(TEXT),
            "requestId": REQUEST_ID,
        },
        "A text, and what is wanted of it.",
        required=["text"],
    ),
    "StorySummary": record(
        _SUMMARY := {
            "storyId": _STORY_ID,
            "title": or_null(TEXT),
            "status": STATUS,
            "error": or_null(TEXT),
            "createdAt": TIME,
            "updatedAt": TIME,
            "cursor": COUNT,
        }
    ),
    "StorySheet": record(
        {
            **_SUMMARY,
            "customPrompt": or_null(TEXT),
            "fileName": or_null(TEXT),
            "generatedTitle": or_null(TEXT),
            "generatedContent": or_null(TEXT),
            "generatedWordCount": or_null(COUNT),
        },
        description="A story; what there is not yet is null.",
    ),
    "StoryList": record(
        {"stories": {"type": "array", "items": ref("StorySummary")}, "nextPageToken": or_null(TEXT)}
    ),
}  # fmt: skip

UPLOAD_FORM: Schema = {
    **SCHEMAS["StoryUpload"],
    "properties": {
        "file": {"type": "string", "format": "binary", "description": "The text file to make a story of."},
        **SCHEMAS["StoryUpload"]["properties"],
    },
    "required": [],
    "anyOf": [{"required": ["file"]}, {"required": ["text"]}],
}
"""The same as a form, with a file."""

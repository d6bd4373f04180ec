"""Family A, the Story Workshop. Pure."""

from __future__ import annotations

from gateway.payloads.schema import COUNT, PERCENT, STATUS, TEXT, TIME, Schema, record, ref, wishes

_UPDATE: dict[str, Schema] = {
    "generation_id": TEXT,
    "progress": PERCENT,
    "stage": {**TEXT, "description": "The stage at work; where none is, how the story stands."},
    "stage_detail": TEXT,
    "estimated_time_remaining": {**COUNT, "description": "In seconds; 0 where nothing is left or nobody knows."},
    "active_agents": {"type": "array", "items": TEXT},
    "timestamp": TIME,
}

_NUMBER: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
        {"type": "string", "pattern": r"^(\s*[0-9]{1,10}\s*)?$"},
        {"type": "null"},
    ]
}
_WISH: Schema = {"type": ["string", "null"]}
_PERSON = wishes(
    {
        "id": {**_WISH, "description": "Of a character of your library."},
        "name": _WISH,
        "looks": _WISH,
        "history": _WISH,
    },
    "A character: one of your library, or a new one.",
)

SCHEMAS: dict[str, Schema] = {
    "StoryWishes": wishes(
        {
            "prompt": {**_WISH, "description": "What the story is about; beside a premise, how it is to be told."},
            "premise": {**_WISH, "description": "What the story is about. One of both is needed."},
            "instructions": {**_WISH, "description": "What the author is told beside it."},
            "title": _WISH,
            "genre": _WISH,
            "tone": _WISH,
            "audience": _WISH,
            "language": _WISH,
            "length": {
                "anyOf": [
                    {"type": "integer", "minimum": 0, "maximum": 20000},
                    {"type": "string", "description": 'As "500 words", or a length by name, such as "short".'},
                    {"type": "null"},
                ]
            },
            "chapters": _NUMBER,
            "revisions": _NUMBER,
            "seed": _NUMBER,
            "characters": {
                "anyOf": [
                    {"type": "array", "items": {"anyOf": [TEXT, _PERSON]}},
                    _PERSON,
                    {**TEXT, "description": "Names or ids, with commas between them."},
                    {"type": "null"},
                ]
            },
            "request_id": {**_WISH, "description": "The same one with the same wishes is the same story."},
        },
        "What a story can be asked for. Fields may have other spellings and names, see the documentation.",
        examples=[{"prompt": "An owl keeps a lighthouse.", "length": "short", "characters": ["Ida", {"name": "Ben"}]}],
    ),
    "WorkshopStarted": record(
        {"generation_id": TEXT, "status": STATUS, "message": TEXT, "progress_url": TEXT, "status_url": TEXT}
    ),
    "WorkshopUpdate": record(_UPDATE, description="Where a story stands; each replaces the one before."),
    "WorkshopStatus": record(
        {**_UPDATE, "status": STATUS, "story": ref("WorkshopStory")},
        optional=("story",),
        description="The newest update, the status, and the story once it is complete.",
    ),
    "WorkshopStory": record(
        {
            "title": TEXT,
            "content": {**TEXT, "description": "Markdown."},
            "word_count": COUNT,
            "genre": TEXT,
            "chapters": {"type": "array", "items": ref("WorkshopChapter")},
            "model": TEXT,
            "seed": COUNT,
        }
    ),
    "WorkshopChapter": record({"number": COUNT, "title": TEXT, "content": TEXT}),
}

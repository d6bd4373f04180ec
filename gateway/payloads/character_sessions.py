"""Family C, automated character generation. Pure."""

from __future__ import annotations

from fabula.api.character.v1 import character_pb2
from gateway.dialects.character_content import AVATAR_STATUSES
from gateway.dialects.character_sessions import AVATAR, BEGUN, FINISHED
from gateway.payloads.schema import (
    COUNT,
    CURSOR,
    FALSE,
    REQUEST_ID,
    STATUS,
    TEXT,
    TIME,
    TRUE,
    WHOLE_PERCENT,
    Schema,
    or_null,
    record,
    ref,
    wishes,
    words,
)  # fmt: skip
from gateway.schemas import Schemas

_SESSION: Schema = {"type": "string", "format": "uuid", "description": "The session's id."}
_DETAILS: dict[str, Schema] = Schemas().body(character_pb2.Details.DESCRIPTOR)["properties"]
_TOLD = ("firstName", "lastName", "age", "gender", "species", "personality")
_FAILURE = record({"error": TEXT, "details": TEXT})
_AVATAR_FIELDS: dict[str, Schema] = {
    "avatarJobId": or_null(TEXT),
    "avatarStatus": words(*AVATAR_STATUSES.values()),
    "avatarUrl": {**or_null(TEXT), "description": "Relative to the gateway."},
}


def _step(step: str, progress: Schema | int, data: Schema | None = None) -> Schema:
    bar: Schema = {"const": progress} if isinstance(progress, int) else progress
    plain = {"step": words(step), "progress": bar, "message": TEXT}
    return record(plain if data is None else {**plain, "data": data})


def _finished(stage: str, data: Schema) -> Schema:
    step, progress, _ = FINISHED[stage]
    return _step(step, progress, data)


STEPS: dict[str, Schema] = {
    **{f"Character{_name.title().replace('_', '')}": _step(_name, _bar) for _name, _bar, _ in BEGUN.values()},
    "CharacterLooks": _finished("extract_description", record({"physicalDescription": TEXT, "visualStyle": TEXT})),
    "CharacterDetailsDecided": _finished("generate_details", record({name: _DETAILS[name] for name in _TOLD})),
    "CharacterHistory": _finished("generate_history", record({"history": TEXT})),
    "CharacterCompleted": _step(
        "completed",
        100,
        record({"characterId": TEXT, "character": ref("CharacterSheet"), "avatarJobId": or_null(TEXT)}),
    ),
    "CharacterError": _step("error", 0, _FAILURE),
}
"""The steps of a character, each of one shape."""

AVATAR_STEPS: dict[str, Schema] = {
    "AvatarProgress": _step(AVATAR, {**WHOLE_PERCENT, "maximum": 99}),
    "AvatarPreview": _step(
        AVATAR,
        {**WHOLE_PERCENT, "maximum": 99},
        record({"preview": {"type": "string", "pattern": "^data:image/[a-z]+;base64,", "description": "A data URL."}}),
    ),
    "AvatarReady": _step(AVATAR, 100, record({"avatarUrl": TEXT})),
    "AvatarError": _step(AVATAR, 0, _FAILURE),
}
"""The same for its avatar."""

SCHEMAS: dict[str, Schema] = {
    **STEPS,
    **AVATAR_STEPS,
    "CharacterStep": {"oneOf": [ref(name) for name in (*STEPS, *AVATAR_STEPS)]},
    "CharacterSheet": record(
        {
            "id": TEXT,
            **_DETAILS,
            "history": TEXT,
            **_AVATAR_FIELDS,
            "saved": {"type": "boolean"},
            "maker": TEXT,
            "seed": COUNT,
            "createdAt": or_null(TIME),
            "updatedAt": or_null(TIME),
            "expiresAt": or_null(TIME),
        },
        description="A character; what there is not yet is null.",
    ),
    "CharacterWishes": wishes(
        {"description": TEXT, "style": or_null(TEXT), "requestId": REQUEST_ID},
        "Who is wanted.",
        required=["description"],
        examples=[{"description": "A fox who keeps a lighthouse."}],
    ),
    "CharacterStarted": record({"sessionId": _SESSION, "message": TEXT}),
    "CharacterStanding": record(
        {
            "sessionId": _SESSION,
            "status": STATUS,
            "progress": WHOLE_PERCENT,
            "message": TEXT,
            "characterId": or_null(TEXT),
            "error": or_null(TEXT),
            "updatedAt": TIME,
        }
    ),
    "CharacterKept": record({"character": ref("CharacterSheet")}),
    "CharacterList": record(
        {"characters": {"type": "array", "items": ref("CharacterSheet")}, "nextPageToken": or_null(TEXT)}
    ),
    "CharacterAvatar": record({"characterId": TEXT, **_AVATAR_FIELDS}),
    "CharacterJoin": wishes({"sessionId": TEXT, "after": CURSOR}, "Tell of a session.", required=["sessionId"]),
    "CharacterLeave": wishes({"sessionId": TEXT}, "Tell of a session no more.", required=["sessionId"]),
    "CharacterJoined": record({"sessionId": TEXT}),
    "CharacterCursor": record(
        {"sessionId": _SESSION, "cursor": CURSOR}, description="For who has given `after` at joining."
    ),
    "CharacterAcknowledgement": {"oneOf": [record({"success": TRUE}), record({"success": FALSE, "error": TEXT})]},
}  # fmt: skip

WISHES_FORM: Schema = {
    **SCHEMAS["CharacterWishes"],
    "properties": {
        **SCHEMAS["CharacterWishes"]["properties"],
        "image": {"type": "string", "format": "binary", "description": "A picture of at most 10 MiB."},
    },
    "required": [],
    "anyOf": [{"required": ["description"]}, {"required": ["image"]}],
}
"""The same as a form, with a picture."""

"""What each family of front ends is sent, and may send, as JSON schemas: for the documents, and the tests that compare.

What is sent is exact: no further property stands in a payload. What may be sent is lenient where the family is.
"""

from __future__ import annotations

from gateway.payloads import character_sessions, content_pipeline, image_tasks, plain_sockets, story_rooms, workshop
from gateway.payloads.schema import Schema

SCHEMAS: dict[str, Schema] = {
    **plain_sockets.SCHEMAS,
    **workshop.SCHEMAS,
    **story_rooms.SCHEMAS,
    **character_sessions.SCHEMAS,
    **content_pipeline.SCHEMAS,
    **image_tasks.SCHEMAS,
}
"""All of them, by their names in both documents."""

"""fabula.api.story.v1: the story service."""

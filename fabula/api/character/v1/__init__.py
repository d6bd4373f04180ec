"""fabula.api.character.v1: the character service."""

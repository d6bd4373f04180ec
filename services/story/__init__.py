"""The story generator."""

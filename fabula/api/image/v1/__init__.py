"""Version 1, generated from protos/fabula/api/image/v1."""

"""fabula.api.generation.v1: what all services share."""

"""fabula.api.gateway.v1: frames of the native WebSocket."""

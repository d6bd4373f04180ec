"""Carries gRPC streams to browsers."""

"""gRPC: codec, servicer, bootstrap, errors, client."""

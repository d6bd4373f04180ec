"""The door of gRPC-Web: the services' own rpcs, as browsers can call them."""

from gateway.doors.grpc_web.door import GrpcWebDoor

__all__ = ["GrpcWebDoor"]

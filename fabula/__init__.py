"""Fabula: generations that can be watched, left and resumed."""

import os

# Model hosts are started by fork and exec from processes that use gRPC. Its fork handlers serve forks that go on to
# use gRPC, which none here does; they cost time and complain. Must be said before grpc is imported anywhere.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

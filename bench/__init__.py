"""Benchmarks: each beside a peer or a limit that is measured in the same run."""

import os

# Read when grpc is imported. Processes are started by exec here, which needs none of it, and it says so each time.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

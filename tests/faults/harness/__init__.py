"""What the fault tests share, on top of the end-to-end tests' own support."""

import os
import pathlib
import sys

# gRPC for Python looks at a connection that it is making only while a call waits, or this often; a
# call that fails at once because there is no connection does not wait. The default is 5 s.
os.environ.setdefault("GRPC_CLIENT_CHANNEL_BACKUP_POLL_INTERVAL_MS", "20")

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "e2e"))

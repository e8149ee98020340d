"""Who has no agents pays nothing for them: the protocol's SDK is imported at the first request, not at the start."""

import subprocess
import sys

LOOK = "import sys, atelier_gateway.app; print([name for name in ('mcp', 'mcp_types') if name in sys.modules])"


def test_the_gateway_starts_without_the_sdk() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"

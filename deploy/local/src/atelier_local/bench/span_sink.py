"""A collector that keeps nothing: it takes spans over OTLP/HTTP as one on another machine would, and forgets them.

The viewer of a local stack parses and stores each span on the same cores, which a collector elsewhere does not; with
this one beside it the bench tells what traces cost the services from what they cost the viewer.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STOP_S = 5


@contextmanager
def run_span_sink() -> Iterator[str]:
    """The address of a sink that runs, in a process of its own, for as long as this context."""
    command = [sys.executable, "-m", "atelier_local.bench.span_sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()
            process.wait(STOP_S)


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answers ``ExportTraceServiceResponse`` without a field, whose bytes are none."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: a line a request would cost more than the request."""


def main() -> None:
    """Listens on a port of loopback that is free, printed on a line of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()

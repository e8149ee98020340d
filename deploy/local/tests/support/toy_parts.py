"""Programs of a few lines that behave well or badly on purpose, for the supervisor to look after."""

import socket
import sys
from typing import Any

from atelier_local.launcher.part import Part, http_is_ok

ENV = {"PATH": "/usr/bin:/bin"}
SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
SLOW_TO_END = (
    """
import os, signal, time
def end(*args):
    time.sleep(0.2)
    with open({note!r}, "a") as note:
        print({name!r}, file=note)
    os._exit(0)
signal.signal(signal.SIGTERM, end)
"""
    + SERVER
)
AT_ONCE = SLOW_TO_END.replace("time.sleep(0.2)", "pass")
PARENT = "import subprocess, sys; subprocess.Popen(['sleep', '600'])\n" + SERVER


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def server(name: str = "toy", code: str = SERVER, **more: Any) -> Part:
    """A part that answers HTTP."""
    port = free_port()
    command = (sys.executable, "-S", "-c", code, str(port))
    return Part(name=name, command=command, env=ENV, probe=lambda: http_is_ok(port, "/"), **more)


def task(name: str, code: str) -> Part:
    """A part that ends by itself."""
    return Part(name=name, command=(sys.executable, "-S", "-c", code), env=ENV)

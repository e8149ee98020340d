"""One process, several listeners: each request knows the socket that took it, and one signal ends all of them."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

from atelier_telemetry.http_process import bind_socket

SERVICE = """
import json, sys
from atelier_telemetry import server
from atelier_telemetry.http_process import serve
from atelier_telemetry.shutdown import Shutdown

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        print("over", flush=True)
        return await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(scope["server"][1]).encode()})

first, second, server.TICK_S = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
serve(app, host="127.0.0.1", port=first, also=[("127.0.0.1", second)], stop=Shutdown(), drain_s=0)
"""


def run_service(first: int, second: int, tick_s: float = 1.0, **options: Any) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", SERVICE, str(first), str(second), str(tick_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)


def free_ports() -> tuple[int, int]:
    with bind_socket("127.0.0.1", 0) as one, bind_socket("127.0.0.1", 0) as other:
        return one.getsockname()[1], other.getsockname()[1]


def request_status(port: int) -> int:
    """What answers there once it does."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/")
            return int(json.loads(connection.getresponse().read()))
        except ConnectionRefusedError:
            time.sleep(0.02)  # it has not begun to listen
        finally:
            connection.close()


def test_a_process_says_on_request_where_its_threads_are_and_goes_on() -> None:
    first, second = free_ports()
    with run_service(first, second, stderr=subprocess.PIPE) as service:
        try:
            request_status(first)
            service.send_signal(signal.SIGUSR1)
            assert service.stderr is not None
            assert "most recent call first" in service.stderr.readline()
            assert request_status(first) == first
        finally:
            service.send_signal(signal.SIGTERM)


@pytest.mark.stack
def test_a_connection_is_kept_for_longer_than_clients_keep_theirs() -> None:
    client_s = httpx.Limits().keepalive_expiry
    assert client_s is not None
    first, second = free_ports()
    with run_service(first, second) as service:
        try:
            request_status(first)
            connection = http.client.HTTPConnection("127.0.0.1", first, timeout=30)
            for pause_s in (0.0, client_s + 1.0):
                time.sleep(pause_s)
                connection.request("GET", "/")
                assert json.loads(connection.getresponse().read()) == first
            connection.close()
        finally:
            service.send_signal(signal.SIGTERM)


def test_each_listener_is_told_by_its_own_port_and_one_signal_ends_both() -> None:
    first, second = free_ports()
    with run_service(first, second) as service:
        try:
            assert [request_status(first), request_status(second)] == [first, second]
        finally:
            service.send_signal(signal.SIGTERM)
        printed, _ = service.communicate(timeout=30)

    assert printed == "over\n"
    for port in (first, second):
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_signal_is_not_waited_out_and_the_date_of_answers_goes_on() -> None:
    first, second = free_ports()
    with run_service(first, second, tick_s=1_000_000) as frozen:
        try:
            request_status(first)
        finally:
            frozen.send_signal(signal.SIGTERM)
        assert frozen.communicate(timeout=30)[0] == "over\n"

    with run_service(first, second) as ticking:
        try:
            request_status(first)
            dates = {httpx.get(f"http://127.0.0.1:{first}").headers["date"]}
            while len(dates) < 3:
                dates.add(httpx.get(f"http://127.0.0.1:{first}").headers["date"])
        finally:
            ticking.send_signal(signal.SIGTERM)

"""Which ports a stack may choose, and what a claim keeps others from."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from atelier_local.launcher.ports import PREFERRED, choose_ports, claim_ports, port_range


@pytest.mark.parametrize(
    ("ephemeral", "expected"),
    [
        ("32768\t60999\n", PREFERRED),
        ("16000 65535", range(10_000, 16_000)),
        ("1024 60999", range(61_000, 65_000)),
        ("1024 65535", PREFERRED),
        ("", PREFERRED),
    ],
)
def test_ports_lie_beside_those_of_outgoing_connections_where_they_can(
    tmp_path: Path, ephemeral: str, expected: range
) -> None:
    file = tmp_path / "ip_local_port_range"
    file.write_text(ephemeral)

    assert port_range(file) == expected


def test_a_claimed_port_is_chosen_by_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = choose_ports(["one"], set()).values()
    monkeypatch.setattr("random.choice", lambda _: port)
    (claim,) = claim_ports([port]).values()

    with claim:
        assert claim_ports([port]) == {}
        assert choose_ports(["other"], set())["other"] > port


def test_a_claim_lasts_as_long_as_a_process_that_it_was_passed_to() -> None:
    (port,) = choose_ports(["one"], set()).values()
    (claim,) = claim_ports([port]).values()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[claim.fileno()])
    claim.close()
    try:
        assert claim_ports([port]) == {}
    finally:
        child.communicate(b"\n")

    with claim_ports([port])[port]:
        pass


def test_a_port_where_somebody_listens_is_not_claimed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        assert claim_ports([port]) == {}

    for claim in claim_ports([port]).values():
        claim.close()

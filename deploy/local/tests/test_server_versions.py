"""Which server a profile runs on, and what is said of versions that are not there or do not fit its data."""

import subprocess
from pathlib import Path

import pytest

from atelier_local.errors import MissingPart, StackError
from atelier_local.launcher import rabbitmq_node
from atelier_local.launcher.profile import open_profile
from atelier_local.launcher.stack import Stack
from atelier_local.server_versions import debian_archive, installation, matrix, releases


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "servers"
    monkeypatch.setattr(releases, "SERVERS", folder)
    return folder


def _unpacked_rabbitmq(servers: Path, version: str) -> Path:
    script = servers / f"rabbitmq-{version}" / f"usr/lib/rabbitmq/lib/rabbitmq_server-{version}.6/sbin/rabbitmq-server"
    script.parent.mkdir(parents=True)
    script.touch()
    return script


def test_a_profile_keeps_the_versions_it_was_made_with(tmp_path: Path) -> None:
    open_profile("one", tmp_path, {"rabbitmq": "4.0"})

    assert open_profile("one", tmp_path).servers == {"rabbitmq": "4.0"}
    assert open_profile("one", tmp_path, {"rabbitmq": "4.0"}).servers == {"rabbitmq": "4.0"}


@pytest.mark.parametrize("made_with", [{}, {"rabbitmq": "4.0"}])
def test_a_profile_of_other_versions_is_refused_by_name(tmp_path: Path, made_with: dict[str, str]) -> None:
    open_profile("one", tmp_path, made_with)

    with pytest.raises(StackError, match=r"one was made with .*; for RabbitMQ 4.3 clean it first"):
        open_profile("one", tmp_path, {"rabbitmq": "4.3"})


def test_the_environment_chooses_for_a_new_stack(
    servers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RABBITMQ", "4.0")
    monkeypatch.setenv("POSTGRES", "15")

    assert Stack("one", root=tmp_path).profile.servers == {"rabbitmq": "4.0", "postgres": "15"}


def test_a_word_that_is_no_version_is_refused() -> None:
    with pytest.raises(StackError, match="RABBITMQ=latest is no version"):
        releases.chosen({"RABBITMQ": "latest"})


def test_an_unpacked_server_runs_with_its_own_erlang(servers: Path) -> None:
    script = _unpacked_rabbitmq(servers, "4.3")

    found = releases.rabbitmq("4.3")

    assert found.script == script
    assert found.path.startswith(f"{servers}/rabbitmq-4.3/usr/lib/erlang/bin:")


ERL = """#!/bin/sh
if [ -z "$ERL_ROOTDIR" ]; then
    ROOTDIR=/usr/lib/erlang
fi
echo "$ROOTDIR"
"""


@pytest.mark.parametrize("folder", ["bin", "erts-17.1/bin"])
def test_both_start_scripts_of_an_unpacked_erlang_start_that_one(servers: Path, folder: str) -> None:
    home = servers / "rabbitmq-4.3"
    script = home / "usr/lib/erlang" / folder / "erl"
    script.parent.mkdir(parents=True)
    script.write_text(ERL)
    script.chmod(0o755)

    debian_archive.point_erlang_to(home, home)

    assert subprocess.run([script], capture_output=True, text=True, env={}).stdout == f"{home}/usr/lib/erlang\n"


def test_setup_mends_the_erlang_of_a_server_that_was_unpacked_before(servers: Path) -> None:
    _unpacked_rabbitmq(servers, "4.9")
    script = servers / "rabbitmq-4.9/usr/lib/erlang/erts-17.1/bin/erl"
    script.parent.mkdir(parents=True)
    script.write_text(ERL)

    installation.install("rabbitmq", "4.9")
    mended = script.read_text()
    installation.install("rabbitmq", "4.9")

    assert f"ROOTDIR={servers}/rabbitmq-4.9/usr/lib/erlang\n" in mended
    assert script.read_text() == mended


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("4.0", "cluster_partition_handling = pause_minority"),
        ("4.3", "consumer_disconnected_timeout = 5000"),
        ("4.10", "consumer_disconnected_timeout = 5000"),
    ],
)
def test_a_node_of_a_cluster_gets_only_the_settings_that_its_version_has(
    servers: Path, tmp_path: Path, version: str, wanted: str
) -> None:
    _unpacked_rabbitmq(servers, version)
    profile = open_profile("cluster", tmp_path, {"rabbitmq": version})

    rabbitmq_node.configure(profile, "rabbitmq", {})

    lines = (tmp_path / "cluster/rabbitmq/rabbitmq.conf").read_text().splitlines()
    assert [line for line in lines if line.startswith(("cluster_partition", "consumer_"))] == [wanted]


def test_newest_is_the_version_it_stood_for_when_it_was_installed(servers: Path) -> None:
    _unpacked_rabbitmq(servers, "4.3")
    (servers / "rabbitmq-newest").symlink_to("rabbitmq-4.3")

    assert releases.resolved({"rabbitmq": "newest"}) == {"rabbitmq": "4.3"}


@pytest.mark.parametrize("version", ["4.9", "newest"])
def test_a_missing_version_is_named_with_the_command_that_installs_it(servers: Path, version: str) -> None:
    with pytest.raises(MissingPart, match=rf"RabbitMQ {version} is not installed.*make setup RABBITMQ={version}"):
        releases.rabbitmq(releases.resolved({"rabbitmq": version})["rabbitmq"])


def test_a_series_is_what_people_call_a_version() -> None:
    assert releases.series("rabbitmq", "4.0.5-6+deb13u2") == "4.0"
    assert releases.series("postgres", "18.6-3") == "18"


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("....\n223 passed in 167.67s (0:02:47)\n", (223, 0)),
        ("FAILED a - 3 passed\n== 2 failed, 5 passed, 1 warning, 1 error in 3.10s ==\n", (5, 3)),
        ("Traceback: no tests\n", (0, 0)),
    ],
)
def test_the_matrix_counts_what_passed_and_what_failed(output: str, expected: tuple[int, int]) -> None:
    assert matrix.counts(output) == expected


def test_the_matrix_goes_on_where_it_was_broken_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run_suite(rabbitmq: str, postgres: str, suite: str) -> matrix.Result:
        ran.append(f"{rabbitmq}/{postgres}/{suite}")
        if len(ran) == 2:
            raise StackError("broken off")
        return matrix.Result(rabbitmq, postgres, suite, 1, 0, 1.0, matrix._commit(), "today")

    monkeypatch.setattr(matrix, "STATE", tmp_path / "matrix.json")
    monkeypatch.setattr(matrix, "PAGE", tmp_path / "matrix.md")
    monkeypatch.setattr(matrix, "_run_suite", run_suite)
    with pytest.raises(StackError):
        matrix.run(["4.3/15"])

    assert matrix.run(["4.3/15"])
    suites = [f"4.3/15/{suite}" for suite in matrix.SUITES]
    assert ran == [*suites[:2], *suites[1:]]
    assert (tmp_path / "matrix.md").read_text().count("1 passed") == len(suites)


def test_the_table_keeps_what_was_run_elsewhere_until_it_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_suite(rabbitmq: str, postgres: str, suite: str) -> matrix.Result:
        return matrix.Result(f"{rabbitmq}.9", f"{postgres}.9", suite, 2, 0, 1.0, matrix._commit(), "today")

    monkeypatch.setattr(matrix, "STATE", tmp_path / "matrix.json")
    monkeypatch.setattr(matrix, "PAGE", tmp_path / "matrix.md")
    monkeypatch.setattr(matrix, "_run_suite", run_suite)
    elsewhere = [f"| 4.3.6 | {postgres} | messaging | 1 passed | 9 s | then |" for postgres in ("18.1", "15.18")]
    (tmp_path / "matrix.md").write_text("\n".join(elsewhere))

    matrix.run(["4.3/18/messaging"])

    rows = [line for line in (tmp_path / "matrix.md").read_text().splitlines() if "passed" in line]
    assert rows == [elsewhere[1], "| 4.3.9 | 18.9 | messaging | 2 passed | 1 s | today |"]

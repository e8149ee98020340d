"""Which parts a plan comes to, and what is said when one cannot be had."""

from pathlib import Path

import pytest
from yarl import URL

from atelier_local.errors import MissingPart, StackError
from atelier_local.launcher import trace_viewer
from atelier_local.launcher.assembly import assemble
from atelier_local.launcher.environment import Plan
from atelier_local.launcher.profile import Profile, open_profile
from atelier_local.server_versions import releases
from atelier_messaging.addresses import addresses_of


@pytest.fixture
def mine(tmp_path: Path) -> Profile:
    return open_profile("one", tmp_path)


def test_a_missing_broker_is_named_with_the_command_that_installs_it(
    mine: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(releases, "RABBITMQ_SCRIPTS", "nowhere/rabbitmq-server")

    with pytest.raises(MissingPart, match=r"RabbitMQ is not installed.*apt-get install .* rabbitmq-server"):
        assemble(mine, Plan(only=("rabbitmq",)))


def test_a_broker_given_from_outside_need_not_be_installed(mine: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releases, "RABBITMQ_SCRIPTS", "nowhere/rabbitmq-server")

    drawn = assemble(mine, Plan(only=("rabbitmq",), given={"ATELIER_AMQP_URL": "amqp://elsewhere/"}))

    assert [(part.name, part.command) for part in drawn.parts] == [("rabbitmq", ())]


def test_a_missing_trace_viewer_is_named_and_skipped(
    mine: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(trace_viewer, "REPOSITORY", tmp_path)

    drawn = assemble(mine, Plan(only=("objectstore", "traces")))

    assert [part.name for part in drawn.parts] == ["objectstore"]
    assert "make setup" in drawn.skipped["traces"]


def test_a_service_waits_for_its_own_migration(mine: Profile) -> None:
    migration, service = assemble(mine, Plan(only=("billing",))).parts

    assert migration.name in service.needs
    assert migration.needs == ("postgres",)


def test_a_part_that_does_not_exist_is_refused(mine: Profile) -> None:
    with pytest.raises(StackError, match="there is no part teapot"):
        assemble(mine, Plan(only=("teapot",)))


def test_a_profile_called_cluster_has_three_brokers_and_its_services_know_them_all(tmp_path: Path) -> None:
    mine = open_profile("cluster", tmp_path)

    parts = {part.name: part for part in assemble(mine, Plan(only=("rabbitmq", "billing"))).parts}

    assert [name for name in parts if name.startswith("rabbitmq")] == ["rabbitmq", "rabbitmq-2", "rabbitmq-3"]
    known = [URL(address) for address in addresses_of(parts["billing"].env["ATELIER_AMQP_URL"])]
    assert {address.port for address in known} == {mine.ports[node] for node in mine.brokers}
    assert {address.user for address in known} == {"billing"}
    assert set(mine.brokers) <= set(parts["billing"].needs)


def test_a_new_node_joins_the_others_and_one_with_data_waits_for_nobody(tmp_path: Path) -> None:
    mine = open_profile("cluster-of-mine", tmp_path)

    def needs() -> dict[str, tuple[str, ...]]:
        return {part.name: part.needs for part in assemble(mine, Plan(only=("rabbitmq",))).parts if part.name != "epmd"}

    assert needs()["rabbitmq-3"] == ("epmd", "rabbitmq", "rabbitmq-2")
    for node in mine.brokers:
        (mine.home / node / "data").mkdir(parents=True)
    assert set(needs().values()) == {("epmd",)}

"""Which process gets which setting."""

import stat
import subprocess
from pathlib import Path

import pytest

from atelier_contracts.image_models import HOSTED_PROVIDERS
from atelier_local.errors import StackError
from atelier_local.launcher import environment
from atelier_local.launcher.environment import Plan
from atelier_local.launcher.profile import SERVICES, Profile, open_profile
from atelier_messaging.addresses import user_of

ALL = ("rabbitmq", "postgres", "objectstore", "traces", *SERVICES)


@pytest.fixture
def mine(tmp_path: Path) -> Profile:
    return open_profile("one", tmp_path)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_told_its_own_database_and_no_owner(service: str, mine: Profile) -> None:
    known = environment.service_environment(service, mine, Plan(), ALL)

    assert [name for name in known if name.endswith("DATABASE_URL")] == [f"ATELIER_{service.upper()}_DATABASE_URL"]
    others = {secret for name, secret in mine.secrets.items() if "_password" in name}
    others -= {mine.secrets[f"{service}_app_password"], mine.secrets[f"amqp_{service}_password"]}
    assert not any(secret in value for secret in others for value in known.values())


def test_a_migration_is_told_the_owner_and_nothing_else(mine: Profile) -> None:
    known = environment.migration_environment("billing", mine, Plan())

    assert list(known) == ["ATELIER_BILLING_OWNER_DATABASE_URL"]
    assert mine.secrets["billing_owner_password"] in known["ATELIER_BILLING_OWNER_DATABASE_URL"]


@pytest.mark.parametrize("service", ["session", "billing"])
def test_services_without_pictures_get_no_key_of_the_store(service: str, mine: Profile) -> None:
    known = environment.service_environment(service, mine, Plan(), ALL)

    assert mine.secrets["s3_secret_key"] not in known.values()


def test_only_the_gateway_signs_uploads_and_with_an_identity_of_their_own(mine: Profile) -> None:
    for service in SERVICES:
        known = environment.service_environment(service, mine, Plan(), ALL)
        assert ("ATELIER_S3_UPLOAD_SECRET_KEY" in known) == (service == "gateway")
        assert (mine.secrets["s3_upload_secret_key"] in known.values()) == (service == "gateway")
    assert mine.secrets["s3_upload_access_key"] != mine.secrets["s3_access_key"]


def test_only_the_gateway_may_make_users_and_keys(mine: Profile) -> None:
    for service in SERVICES:
        known = environment.service_environment(service, mine, Plan(), ALL)
        assert ("ATELIER_ADMIN_TOKEN" in known) == ("ATELIER_KEY_PEPPER" in known) == (service == "gateway")


def test_only_render_is_told_the_keys_of_providers(mine: Profile) -> None:
    keys = {"ATELIER_OPENAI_API_KEY": "sk-theirs", "ATELIER_GOOGLE_API_KEY": "also-theirs"}
    plan = Plan(given=environment.external_settings(keys, mine))

    for service in SERVICES:
        known = environment.service_environment(service, mine, plan, ALL)
        assert (keys.items() <= known.items()) == (service == "render")
        assert ("sk-theirs" in known.values()) == ("also-theirs" in known.values()) == (service == "render")


@pytest.mark.parametrize("provider", HOSTED_PROVIDERS)
def test_every_setting_of_a_hosted_provider_reaches_render(provider: str, mine: Profile) -> None:
    setting = {f"ATELIER_{provider.upper()}_ANY_SETTING": "as given"}
    plan = Plan(given=environment.external_settings(setting, mine))

    assert setting.items() <= environment.service_environment("render", mine, plan, ALL).items()


def test_an_address_from_outside_replaces_ours(mine: Profile) -> None:
    outside = {
        "ATELIER_AMQP_URL": "amqp://u:p@broker.example:5672/",
        "ATELIER_DATABASE_URL": "postgresql://boss:pw@db.example:5433/postgres?sslmode=require",
        "ATELIER_S3_ENDPOINT": "https://s3.example",
        "ATELIER_S3_ACCESS_KEY": "theirs",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel.example:4318",
    }
    plan = Plan(given=environment.external_settings(outside, mine))

    known = environment.service_environment("render", mine, plan, ALL)

    assert known["ATELIER_AMQP_URL"] == outside["ATELIER_AMQP_URL"]
    assert known["ATELIER_S3_ENDPOINT"] == "https://s3.example"
    assert known["ATELIER_S3_ACCESS_KEY"] == "theirs"
    assert known["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://otel.example:4318"
    password = mine.secrets["render_app_password"]
    url = f"postgresql://render_app:{password}@db.example:5433/render?sslmode=require"
    assert known["ATELIER_RENDER_DATABASE_URL"] == url


def test_each_service_has_a_user_of_its_own_at_the_broker_and_a_person_the_operators(mine: Profile) -> None:
    users = {
        service: environment.service_environment(service, mine, Plan(), ALL)["ATELIER_AMQP_URL"] for service in SERVICES
    } | {"atelier": environment.user_environment(mine, Plan(), ALL, {})["ATELIER_AMQP_URL"]}

    assert {name: user_of(url) for name, url in users.items()} == {name: name for name in users}
    assert len({url.rpartition("@")[0].rpartition(":")[2] for url in users.values()}) == 5  # passwords


def test_one_service_may_be_given_a_way_of_its_own_to_the_broker(mine: Profile) -> None:
    plan = Plan(extra={"ATELIER_GATEWAY_AMQP_URL": "amqp://gateway:p@127.0.0.1:1/"})

    known = {
        service: environment.service_environment(service, mine, plan, ALL)["ATELIER_AMQP_URL"] for service in SERVICES
    }

    assert [service for service in SERVICES if known[service] == "amqp://gateway:p@127.0.0.1:1/"] == ["gateway"]


def test_brokers_from_outside_may_be_several_and_must_be_addresses(mine: Profile) -> None:
    both = {"ATELIER_AMQP_URL": "amqp://u:p@one.example,two.example:5673/"}

    assert environment.external_settings(both, mine) == both
    with pytest.raises(StackError, match="ATELIER_AMQP_URL does not name brokers"):
        environment.external_settings({"ATELIER_AMQP_URL": "amqp://u:p@one.example:port/"}, mine)


def test_a_sourced_env_file_does_not_couple_two_stacks(mine: Profile, tmp_path: Path) -> None:
    other = open_profile("two", tmp_path)
    sourced = environment.user_environment(other, Plan(), ALL, {}) | {"ATELIER_LOG_LEVEL": "debug"}

    given = environment.external_settings(sourced, mine)

    assert given == {"ATELIER_LOG_LEVEL": "debug"}


def test_tuning_and_extras_reach_the_services(mine: Profile) -> None:
    plan = Plan(given={"ATELIER_RENDER_LEASE_S": "9"}, extra={"ATELIER_SIMULATOR": "off"})

    known = environment.service_environment("render", mine, plan, ALL)

    assert known["ATELIER_RENDER_LEASE_S"] == "9"
    assert known["ATELIER_SIMULATOR"] == "off"
    assert environment.service_environment("render", mine, Plan(), ALL)["ATELIER_RENDER_LEASE_S"] == "5"


def test_without_a_viewer_nobody_is_told_to_send_traces(mine: Profile) -> None:
    known = environment.service_environment("billing", mine, Plan(), ("rabbitmq", "postgres"))

    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in known
    assert environment.user_environment(mine, Plan(), (), {})["ATELIER_TRACES_URL"] == ""


def test_a_shell_that_sources_the_env_file_exports_every_value(mine: Profile) -> None:
    values = environment.user_environment(mine, Plan(extra={"ODD": 'it\'s $HOME; "x"'}), ALL, {"render": 42})

    environment.write_env_file(mine, values)

    plain_text = subprocess.run(
        ["sh", "-c", f". {mine.env_file} && env -0"], env={}, capture_output=True, check=True, text=True
    ).stdout
    exported = dict(line.split("=", 1) for line in plain_text.split("\0") if line)
    assert values.items() <= exported.items()
    assert exported["ATELIER_RENDER_PID"] == "42"
    assert stat.S_IMODE(mine.env_file.stat().st_mode) == 0o600


def test_a_person_is_told_where_operators_are_served_and_it_is_not_where_clients_are(mine: Profile) -> None:
    known = environment.user_environment(mine, Plan(), ALL, {})
    gateway = environment.service_environment("gateway", mine, Plan(), ALL)

    assert known["ATELIER_OPERATIONS_URL"].endswith(f":{gateway['ATELIER_OPERATIONS_PORT']}")
    assert known["ATELIER_OPERATIONS_URL"] != known["ATELIER_URL"]

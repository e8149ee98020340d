"""Settings: what must not be run is refused at start-up, by name."""

import pytest
from pydantic import ValidationError

from atelier_gateway.settings import Settings

from .support.settings import GOOD, settings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = settings(monkeypatch, ATELIER_SIMULATOR="on")

    assert read.storage.bucket == "pictures"
    assert (read.simulator, read.environment, read.admission_s) == ("on", "local", 5.0)


def test_the_deadlines_are_the_settled_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settled question 8: admission, the synchronous wait, the whole generation."""
    read = settings(monkeypatch)

    assert (read.admission_s, read.sync_wait_s, read.generation_deadline_s) == (5, 30, 900)


def test_the_simulator_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="ATELIER_SIMULATOR"):
        settings(monkeypatch, ATELIER_SIMULATOR="on", ATELIER_ENVIRONMENT="production")


def test_without_a_token_of_the_settings_there_is_no_first_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATELIER_ADMIN_TOKEN", raising=False)
    given = {name: value for name, value in GOOD.items() if name != "ATELIER_ADMIN_TOKEN"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    assert Settings().admin_token is None


def test_operators_and_clients_do_not_share_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="ATELIER_OPERATIONS_PORT"):
        settings(monkeypatch, ATELIER_OPERATIONS_PORT="8000")


def test_an_environment_of_an_older_version_has_a_listener_for_operators_on_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = settings(monkeypatch)

    assert (read.operations_host, read.operations_port) == ("127.0.0.1", 8090)


def test_webhooks_to_this_machine_are_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="ATELIER_WEBHOOK_LOOPBACK"):
        settings(monkeypatch, ATELIER_WEBHOOK_LOOPBACK="on", ATELIER_ENVIRONMENT="production")


@pytest.mark.parametrize("name", ["JWKS_URL", "JWT_ISSUER", "JWT_AUDIENCE"])
def test_half_an_outside_issuer_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ValidationError, match="together"):
        settings(monkeypatch, **{f"ATELIER_{name}": "https://issuer.example"})


def test_no_secret_shows_when_settings_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = repr(settings(monkeypatch))

    for name in ("SERVICE_TOKEN", "ADMIN_TOKEN", "KEY_PEPPER", "S3_SECRET_KEY"):
        assert GOOD[f"ATELIER_{name}"] not in printed


def test_the_form_is_configured_by_the_names_its_seed_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"RATE_LIMIT_ENABLED": "false", "MAX_REQUESTS_PER_HOUR": "3", "QUEUE_MAX_SIZE": "7"}
    flags = {"GENERATION_ENABLED": "false", "NEW_GENERATION_ENDPOINT": "false", "ENHANCED_VALIDATION": "true"}

    read = settings(monkeypatch, **names, **flags)

    assert (read.rate_limit_enabled, read.max_requests_per_hour, read.queue_max_size) == (False, 3, 7)
    assert (read.generation_enabled, read.new_generation_endpoint, read.enhanced_validation) == (False, False, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RATE_LIMIT_ENABLED", "perhaps"),
        ("MAX_REQUESTS_PER_HOUR", "ten"),
        ("MAX_REQUESTS_PER_HOUR", "0"),
        ("QUEUE_MAX_SIZE", "-1"),
        ("GENERATION_ENABLED", ""),
        ("NEW_GENERATION_ENDPOINT", "2"),
        ("ENHANCED_VALIDATION", "tru"),
        ("ATELIER_TRUSTED_PROXIES", "10.0.0.0/99"),
        ("ATELIER_CORS_ORIGINS", "*"),
        ("ATELIER_REDIS_URL", "127.0.0.1:6379"),
        ("ATELIER_WEBHOOK_RETRIES_S", "5,soon"),
        ("ATELIER_WEBHOOK_LOOPBACK", "perhaps"),
    ],
)
def test_a_malformed_value_stops_start_up_and_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(monkeypatch, **{name: value})

    assert name.removeprefix("ATELIER_").lower() in str(refused.value).lower()

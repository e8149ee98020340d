"""A malformed setting stops start-up, names its variable, and keeps its secret."""

import pytest
from opentelemetry.sdk.trace import TracerProvider
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from atelier_telemetry import tracing
from atelier_telemetry.settings import TelemetrySettings, read

GOOD = {"ATELIER_SERVICE_TOKEN": "sixteen-characters"}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ENVIRONMENT", "SERVICE_TOKEN", "LOG_LEVEL", "TRACE_RATIO"):
        monkeypatch.delenv(f"ATELIER_{name}", raising=False)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)


def test_only_the_token_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = _settings(monkeypatch)

    assert settings.environment == "local"
    assert settings.trace_ratio == 1.0
    assert settings.otlp_endpoint is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ATELIER_ENVIRONMENT", "staging"),
        ("ATELIER_SERVICE_TOKEN", "short"),
        ("ATELIER_LOG_LEVEL", "LOUD"),
        ("ATELIER_TRACE_RATIO", "-0.1"),
        ("ATELIER_TRACE_RATIO", "1.1"),
        ("ATELIER_TRACE_RATIO", "nan"),
        ("ATELIER_TRACE_RATIO", "most"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
    ],
)
def test_a_malformed_setting_is_refused_by_name(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field = variable.removeprefix("ATELIER_").lower()

    with pytest.raises(ValidationError) as refusal:
        _settings(monkeypatch, **{variable: value})

    (problem,) = refusal.value.errors()
    assert str(problem["loc"][0]) in {field, variable}


def test_the_token_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GOOD["ATELIER_SERVICE_TOKEN"] not in repr(_settings(monkeypatch))


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4318", "https://collector.example/otlp/"])
def test_an_otlp_endpoint_is_taken_as_it_is_given(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _settings(monkeypatch, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).otlp_endpoint == endpoint


@pytest.mark.parametrize(("ratio", "recorded"), [("0", False), ("1", True)])
def test_the_ratio_decides_what_is_recorded(ratio: str, recorded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.trace.set_tracer_provider", lambda provider: None)

    provider: TracerProvider = tracing.configure("billing", _settings(monkeypatch, ATELIER_TRACE_RATIO=ratio))

    assert provider.get_tracer(__name__).start_span("work").is_recording() is recorded


def _settings(monkeypatch: pytest.MonkeyPatch, **environment: str) -> TelemetrySettings:
    for name, value in {**GOOD, **environment}.items():
        monkeypatch.setenv(name, value)
    return TelemetrySettings()


class _Toy(TelemetrySettings):
    port: int = 1

    @field_validator("port")
    @classmethod
    def _is_odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError("it must be odd")
        return value


def test_a_refused_value_ends_the_process_with_a_sentence_a_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ATELIER_SERVICE_TOKEN", "too short")
    monkeypatch.setenv("ATELIER_PORT", "4")

    with pytest.raises(SystemExit) as ended:
        read(_Toy)

    assert str(ended.value).splitlines() == [
        "ATELIER_SERVICE_TOKEN: Value should have at least 16 items after validation, not 9",
        "ATELIER_PORT: it must be odd",
    ]


class _Store(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATELIER_STORE_")
    bucket: str


class _WithStore(_Toy):
    store: _Store = Field(default_factory=_Store)


def test_a_variable_of_a_group_inside_is_named_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_SERVICE_TOKEN", "a service token of tests")

    with pytest.raises(SystemExit, match=r"^ATELIER_STORE_BUCKET: Field required$"):
        read(_WithStore)


def test_settings_that_are_right_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_SERVICE_TOKEN", "a service token of tests")

    assert read(_Toy).port == 1

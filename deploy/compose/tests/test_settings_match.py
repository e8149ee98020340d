"""docker-compose.yml and the settings models agree: every name is read, and no required one is missing."""

import importlib
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import AliasChoices, Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

Compose = dict[str, Any]

SERVICES = ("gateway", "session", "billing", "render")
PREFIXES = ("ATELIER_", "OTEL_")
CONTAINERS = [
    *((service, f"atelier_{service}.settings") for service in SERVICES),
    *((f"migrate-{service}", f"atelier_{service}.migration_settings") for service in SERVICES),
]
Names = frozenset[str]
FIXED = {
    "ATELIER_{}_HOST": "an address inside the container",
    "ATELIER_{}_PORT": "an address inside the container; PUBLISH_ settings move what is published",
    "ATELIER_OPERATIONS_HOST": "as above",
    "ATELIER_OPERATIONS_PORT": "as above",
    "ATELIER_AMQP_URL": "each service has a user of its own under this one name; another broker by an override file",
    "ATELIER_{}_DATABASE_URL": "the database and the role are made by this file; another one by an override file",
    "ATELIER_SESSION_URL": "another container",
    "ATELIER_BILLING_URL": "another container",
    "ATELIER_RENDER_URL": "another container",
    "ATELIER_OPERATIONS_URL": "another container",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "another container; session and billing reach no collector outside",
    "ATELIER_DEV_ISSUER_KEY_FILE": "where a secret is mounted",
    "ATELIER_SIGNING_KEYS_FILE": "where a secret is mounted",
    "ATELIER_PROVENANCE_FILE": "where a folder is mounted",
    "ATELIER_LOG_CHECKPOINT_FILE": "where a volume is mounted",
}
"""Names that ``.env`` cannot give, and why."""
OTHERS = {("render", "ATELIER_S3_UPLOAD_ACCESS_KEY"), ("render", "ATELIER_S3_UPLOAD_SECRET_KEY")}
"""The storage library reads them, and only the gateway signs uploads."""
INNERMOST = re.compile(r"\$\{(\w+)(?::[-?]([^{}]*))?\}")


def settings_models(module: types.ModuleType) -> list[type[BaseSettings]]:
    """Every settings class the module defines or takes in from a library."""
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, BaseSettings) and value is not BaseSettings
    ]


def fields_of(model: type[BaseSettings]) -> Iterator[tuple[Names, FieldInfo]]:
    """(environment names that set the field, the field); groups of settings inside settings are opened."""
    prefix = model.model_config.get("env_prefix", "")
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseSettings):
            yield from fields_of(inner)
        else:
            yield environment_names(name, field, prefix), field


def environment_names(name: str, field: FieldInfo, prefix: str) -> Names:
    alias = field.validation_alias
    if alias is None:
        return frozenset({(prefix + name).upper()})
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
    return frozenset(str(choice).upper() for choice in choices if isinstance(choice, str))


def disagreements(given: typing.Collection[str], models: list[type[BaseSettings]]) -> list[str]:
    """Each environment name that no field reads, and each required field that no name sets."""
    fields = [pair for model in models for pair in fields_of(model)]
    read = {name for names, _ in fields for name in names}
    unread = [
        f"{name} is read by no settings field" for name in given if name.startswith(PREFIXES) and name not in read
    ]
    missing = {
        f"{' or '.join(sorted(names))} is required and not given"
        for names, field in fields
        if field.is_required() and not names & set(given)
    }
    return sorted(unread) + sorted(missing)


class Store(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATELIER_S3_")
    bucket: str


class Toy(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="ATELIER_")
    amqp_url: str
    log_level: str = "INFO"
    endpoint: str | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    host: str = Field(validation_alias=AliasChoices("ATELIER_TOY_HOST", "HOST"))
    store: Store = Field(default_factory=Store)


TOY_ENVIRONMENT = {"ATELIER_AMQP_URL", "ATELIER_TOY_HOST", "ATELIER_S3_BUCKET", "OTEL_EXPORTER_OTLP_ENDPOINT"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (TOY_ENVIRONMENT, []),
        (TOY_ENVIRONMENT | {"PATH"}, []),
        (TOY_ENVIRONMENT | {"ATELIER_LOG_LEVLE"}, ["ATELIER_LOG_LEVLE is read by no settings field"]),
        (TOY_ENVIRONMENT - {"ATELIER_S3_BUCKET"}, ["ATELIER_S3_BUCKET is required and not given"]),
        (TOY_ENVIRONMENT - {"ATELIER_TOY_HOST"}, ["ATELIER_TOY_HOST or HOST is required and not given"]),
    ],
)
def test_a_name_nobody_reads_and_a_required_one_missing_are_found(given: set[str], expected: list[str]) -> None:
    assert disagreements(given, [Toy]) == expected


@pytest.mark.parametrize(("container", "module"), CONTAINERS)
def test_the_environment_of_a_container_is_what_its_service_reads(
    compose: Compose, container: str, module: str
) -> None:
    models = settings_models(importlib.import_module(module))

    assert models
    assert disagreements(compose["services"][container]["environment"].keys(), models) == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_that_a_service_reads_can_be_given_by_env(compose: Compose, service: str) -> None:
    fixed = {name.format(service.upper()) for name in FIXED}
    given = {
        name
        for name, value in compose["services"][service]["environment"].items()
        if value is None or re.search(rf"\$\{{{name}\b", value)
    }
    models = settings_models(importlib.import_module(f"atelier_{service}.settings"))
    read = {names for model in models for names, _ in fields_of(model)}

    lost = {name for names in read if not names & (given | fixed) for name in names if (service, name) not in OTHERS}
    assert lost == set()
    assert given & fixed == set()


@pytest.mark.parametrize("service", SERVICES)
def test_a_migration_is_given_the_owners_address_and_nothing_else(compose: Compose, service: str) -> None:
    given = compose["services"][f"migrate-{service}"]["environment"]

    assert list(given) == [f"ATELIER_{service.upper()}_OWNER_DATABASE_URL"]


def interpolate(value: str, variables: Mapping[str, str]) -> str:
    """``value`` as the engine would fill it in: inner ``${NAME:-default}`` before outer."""
    while match := INNERMOST.search(value):
        value = value[: match.start()] + variables.get(match[1], match[2] or "") + value[match.end() :]
    return value


def settings_with(
    compose: Compose, container: str, module: str, variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> BaseSettings:
    """The settings of a container whose ``.env`` holds ``variables``."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    for name, value in compose["services"][container]["environment"].items():
        filled = variables.get(name) if value is None else interpolate(value, variables)
        if filled is not None:
            monkeypatch.setenv(name, filled)
    loaded = importlib.import_module(module)
    settings: BaseSettings = (loaded.MigrationSettings if container.startswith("migrate-") else loaded.Settings)()
    return settings


@pytest.mark.parametrize(("container", "module"), CONTAINERS)
def test_the_settings_accept_the_values_a_container_gets(
    compose: Compose, container: str, module: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_with(compose, container, module, variables, monkeypatch)

    assert getattr(settings, "environment", "local") == "local"


@pytest.mark.parametrize("service", SERVICES)
def test_an_env_that_does_not_name_an_environment_is_production(
    compose: Compose, service: str, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = {name: value for name, value in variables.items() if name != "ATELIER_ENVIRONMENT"}

    settings = settings_with(compose, service, f"atelier_{service}.settings", older, monkeypatch)

    assert getattr(settings, "environment", None) == "production"


def test_the_addresses_that_clients_get_and_the_proxies_that_are_believed_are_those_of_env(
    compose: Compose, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = {"ATELIER_S3_PUBLIC_ENDPOINT": "https://objects.example.com", "ATELIER_TRUSTED_PROXIES": "10.0.0.0/8"}

    settings: Any = settings_with(compose, "gateway", "atelier_gateway.settings", variables | domain, monkeypatch)

    assert str(settings.storage.public_endpoint) == "https://objects.example.com/"
    assert [str(network) for network in settings.proxies] == ["10.0.0.0/8"]

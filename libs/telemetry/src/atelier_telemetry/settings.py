"""Settings every service has: where it runs, how loud it is, where its spans go."""

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Model = TypeVar("Model", bound=BaseSettings)


def read(model: type[Model]) -> Model:
    """The settings as the environment has them. Ends the process with a sentence for each value that is refused, which
    names its variable and does not repeat it."""
    try:
        return model()
    except ValidationError as error:
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        prefix = _prefix_of(error.title)
        raise SystemExit("\n".join(_sentence(dict(detail), prefix) for detail in errors)) from None


def _prefix_of(name: str) -> str:
    """Of the settings class of that name: a group of settings inside settings has a prefix of its own."""
    classes: list[type[BaseSettings]] = [BaseSettings]
    for known in classes:
        classes += known.__subclasses__()
    return next((known.model_config.get("env_prefix", "") for known in classes if known.__name__ == name), "ATELIER_")


def _sentence(error: Mapping[str, Any], prefix: str) -> str:
    """Of one error: the variable, and what is wrong with it."""
    said = str(error["msg"]).removeprefix("Value error, ")
    place = "_".join(map(str, error["loc"])).upper()
    if not place or "ATELIER_" in said:
        return said
    return f"{place if place.startswith(('ATELIER_', 'OTEL_')) else f'{prefix}{place}'}: {said}"


class TelemetrySettings(BaseSettings):
    """Read from the environment; a malformed value stops start-up and names the variable."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_", extra="ignore", frozen=True)

    environment: Literal["local", "production"] = "local"
    """``production`` refuses the simulator, the development token issuer and webhooks over plain HTTP."""
    service_token: SecretStr = Field(min_length=16)
    """Bearer token of the internal read APIs."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    drain_s: float = Field(default=1.0, ge=0.0, le=60.0)
    """Seconds for which a stopping process still answers requests while its readiness probe says 503."""
    trace_ratio: float = Field(default=1.0, ge=0.0, le=1.0)
    """Share of new traces that are recorded; a sampled parent is always followed."""
    otlp_endpoint: str | None = Field(
        default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT", pattern=r"^(https?://.+)?$"
    )
    """Base URL of an OTLP/HTTP receiver; absent or empty, spans are made but not exported."""

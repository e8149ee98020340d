"""What the gateway reads from its environment; a malformed or missing value stops start-up and names the variable."""

from pathlib import Path
from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, model_validator

from atelier_messaging import BrokerSettings
from atelier_storage.settings import StorageSettings
from atelier_telemetry.settings import TelemetrySettings


class Settings(BrokerSettings, TelemetrySettings):
    """Settings of one gateway process; every name is prefixed ``ATELIER_`` (storage: ``ATELIER_S3_``)."""

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8000, ge=1, le=65_535)
    gateway_database_url: SecretStr
    """The app role's: it owns nothing."""
    gateway_owner_database_url: SecretStr | None = None
    """The owner's; read by ``migrate`` only."""
    public_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8000")
    """Where clients reach us; the root of the links in replies."""

    session_url: AnyHttpUrl
    billing_url: AnyHttpUrl
    render_url: AnyHttpUrl

    admin_token: SecretStr = Field(min_length=16)
    key_pepper: SecretStr = Field(min_length=16)
    """HMAC secret of the API keys: with the table alone no key can be checked, let alone made."""
    dev_issuer_key_file: Path | None = None
    """PEM of the development issuer's P-256 key; looked at with local settings only."""
    jwks_url: AnyHttpUrl | None = None
    jwt_issuer: str | None = None
    jwt_audience: str | None = None

    simulator: Literal["on", "off"] = "off"
    admission_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds a POST waits for the saga's answer."""
    generation_deadline_s: int = Field(default=900, ge=1, le=86_400)
    """Seconds a whole generation may take unless the request says otherwise."""
    body_bytes_max: int = Field(default=1_048_576, ge=1_024)

    storage: StorageSettings = Field(default_factory=lambda: StorageSettings())

    @model_validator(mode="after")
    def _no_simulator_in_production(self) -> Self:
        if self.environment == "production" and self.simulator == "on":
            raise ValueError("ATELIER_SIMULATOR=on is refused with ATELIER_ENVIRONMENT=production")
        return self

    @model_validator(mode="after")
    def _outside_issuer_is_whole(self) -> Self:
        parts = (self.jwks_url, self.jwt_issuer, self.jwt_audience)
        if any(parts) and not all(parts):
            raise ValueError(
                "ATELIER_JWKS_URL, ATELIER_JWT_ISSUER and ATELIER_JWT_AUDIENCE are set together or not at all"
            )
        return self

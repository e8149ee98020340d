"""What the gateway reads from its environment; a malformed or missing value stops start-up and names the variable."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from atelier_gateway.media.image_hosts import allowed_hosts
from atelier_gateway.media.upload_rules import UploadRules
from atelier_gateway.web.client_ip import Network, networks
from atelier_gateway.webhooks.retry_policy import waits
from atelier_messaging import BrokerSettings
from atelier_storage.settings import StorageSettings
from atelier_telemetry.settings import TelemetrySettings


class Settings(BrokerSettings, TelemetrySettings):
    """Settings of one gateway process; all are named ``ATELIER_…`` (storage: ``ATELIER_S3_…``) but seed 002's own."""

    model_config = SettingsConfigDict(populate_by_name=True)

    gateway_host: str = "127.0.0.1"
    gateway_port: int = Field(default=8000, ge=1, le=65_535)
    operations_host: str = "127.0.0.1"
    """Where ``/metrics``, the named health and the admin API answer; never an address that strangers reach."""
    operations_port: int = Field(default=8090, ge=1, le=65_535)
    gateway_database_url: SecretStr
    """The app role's: it owns nothing."""
    public_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8000")
    """Where clients reach us; the root of the links in replies."""

    session_url: AnyHttpUrl
    billing_url: AnyHttpUrl
    render_url: AnyHttpUrl
    standing_after_s: float = Field(default=60.0, gt=0)
    """Seconds without news after which the session is asked where a generation stands."""
    standing_check_every_s: float = Field(default=10.0, gt=0)

    admin_token: SecretStr | None = Field(default=None, min_length=16)
    """The token of the first operator, an admin; without it there is none, and those whom it made go on."""
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
    sync_wait_s: float = Field(default=30.0, gt=0, le=300)
    """Seconds a synchronous answer waits for the end of a generation."""
    generation_deadline_s: int = Field(default=900, ge=1, le=86_400)
    """Seconds a whole generation may take unless the request says otherwise."""
    body_bytes_max: int = Field(default=1_048_576, ge=1_024)

    redis_url: SecretStr | None = None
    """Where request limits are counted; without it, in the gateway's Postgres (``rate_limits``)."""
    trusted_proxies: str = ""
    """CIDRs, comma-separated, whose ``X-Forwarded-For`` is believed (``web/client_ip.py``)."""
    bodies_bytes_max: int = Field(default=72 * 1024 * 1024, ge=26 * 1024 * 1024)
    """Bytes of all request bodies that this process holds at once; beyond the first 64 KiB of each. Past it: 503."""
    native_requests_per_minute: int = Field(default=600, ge=1)
    """Creates and quotes of one owner on the native surface."""
    failed_logins_per_minute: int = Field(default=100, ge=1)
    """Wrong credentials from one address, on all surfaces together."""

    rate_limit_enabled: bool = Field(default=True, validation_alias="RATE_LIMIT_ENABLED")
    """Off: no request limit anywhere; failed logins stay limited."""
    max_requests_per_hour: int = Field(default=10, ge=1, validation_alias="MAX_REQUESTS_PER_HOUR")
    """Accepted form requests an hour, a user (002.4)."""
    story_generations_per_hour: int = Field(default=60, ge=1)
    """Accepted narrations an hour, a user (001.6)."""
    queue_max_size: int = Field(default=50, ge=1, validation_alias="QUEUE_MAX_SIZE")
    """Pending generations of the form, of all users together (002.4)."""
    generation_enabled: bool = Field(default=True, validation_alias="GENERATION_ENABLED")
    new_generation_endpoint: bool = Field(default=True, validation_alias="NEW_GENERATION_ENDPOINT")
    """Either of the two off: the form answers 503 (002.4)."""
    enhanced_validation: bool = Field(default=False, validation_alias="ENHANCED_VALIDATION")
    """On: the form's image URLs must be reachable before it answers 201."""
    image_hosts: str = "res.cloudinary.com/image/upload/"
    """Hosts whose pictures the form takes, comma-separated, each with what a path must hold there (002.6)."""
    form_aspect_ratios: str = "1:1,16:9,9:16,3:2,2:3"
    """What the form's model can draw here, comma-separated; another ratio is a MODEL_ERROR (002.7)."""
    banned_words: str = "explicit,violent,harmful"
    """Comma-separated; the form refuses a prompt that holds one (002.7)."""
    uploads_unused_max: int = Field(default=1_000, ge=1)
    """Uploads of one owner that nothing is made of."""
    uploads_unused_bytes_max: int = Field(default=8 * 1024**3, ge=1)
    """Their bytes together; one whose size nobody knows yet counts 25 MiB."""
    uploads_unused_life_s: int = Field(default=86_400, ge=60)
    """Seconds after which such an upload is removed."""
    tenant_pending_max: int = Field(default=1_000, ge=1)
    """Pending generations of one tenant, on all surfaces together."""
    pending_max: int = Field(default=20_000, ge=1)
    """Pending generations of everybody, on all surfaces together."""

    webhook_loopback: Literal["on", "off"] = "off"
    """On: webhooks may lead to this machine's own servers; for developers and tests, refused in production."""
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """Seconds a receiver has to answer."""
    webhook_retries_s: str = "5,30,120,600,3600,10800,21600,43200,86400"
    """Seconds before each further try, comma-separated; then a delivery has failed."""
    webhook_concurrency: int = Field(default=64, ge=4, le=1_000)
    """Webhooks on their way at once in one process; at most a quarter of them one owner's."""
    webhook_patience_days: int = Field(default=5, ge=1)
    """An endpoint that has taken nothing for so long is switched off."""
    webhook_kept_days: int = Field(default=30, ge=1)
    """What was told is remembered for so long."""

    storage: StorageSettings = Field(default_factory=lambda: StorageSettings())

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks(text)
        return text

    @field_validator("image_hosts")
    @classmethod
    def _are_hosts(cls, text: str) -> str:
        allowed_hosts(text)
        return text

    @field_validator("form_aspect_ratios")
    @classmethod
    def _are_ratios(cls, text: str) -> str:
        if not re.fullmatch(r"[1-9]\d?:[1-9]\d?(,[1-9]\d?:[1-9]\d?)*", text):
            raise ValueError("aspect ratios are written 1:1,16:9")
        return text

    @field_validator("webhook_retries_s")
    @classmethod
    def _are_waits(cls, text: str) -> str:
        waits(text)
        return text

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("ATELIER_REDIS_URL starts with redis:// or rediss://")
        return url

    @property
    def form_ratios(self) -> frozenset[str]:
        """``form_aspect_ratios``, read."""
        return frozenset(self.form_aspect_ratios.split(","))

    @property
    def proxies(self) -> tuple[Network, ...]:
        """``trusted_proxies``, read."""
        return networks(self.trusted_proxies)

    @model_validator(mode="after")
    def _operators_have_their_own_port(self) -> Self:
        if self.operations_port == self.gateway_port:
            raise ValueError("ATELIER_OPERATIONS_PORT and ATELIER_GATEWAY_PORT are two ports: only one is public")
        return self

    @property
    def upload_rules(self) -> UploadRules:
        """What an owner may have lying about."""
        return UploadRules(self.uploads_unused_max, self.uploads_unused_bytes_max, self.uploads_unused_life_s)

    @model_validator(mode="after")
    def _no_simulator_in_production(self) -> Self:
        if self.environment == "production" and self.simulator == "on":
            raise ValueError("ATELIER_SIMULATOR=on is refused with ATELIER_ENVIRONMENT=production")
        return self

    @model_validator(mode="after")
    def _no_loopback_in_production(self) -> Self:
        if self.environment == "production" and self.webhook_loopback == "on":
            raise ValueError("ATELIER_WEBHOOK_LOOPBACK=on is refused with ATELIER_ENVIRONMENT=production")
        return self

    @model_validator(mode="after")
    def _outside_issuer_is_whole(self) -> Self:
        parts = (self.jwks_url, self.jwt_issuer, self.jwt_audience)
        if any(parts) and not all(parts):
            raise ValueError(
                "ATELIER_JWKS_URL, ATELIER_JWT_ISSUER and ATELIER_JWT_AUDIENCE are set together or not at all"
            )
        return self

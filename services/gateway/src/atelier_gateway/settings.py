"""What the gateway reads from its environment; a malformed or missing value stops start-up and names the variable."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from atelier_contracts.value_objects import DELIVERY_WINDOW_S_MAX
from atelier_gateway.media.image_hosts import parse_allowed_hosts
from atelier_gateway.media.upload_rules import UploadRules
from atelier_gateway.web.client_ip import Network, networks
from atelier_gateway.web.cors import parse_origins
from atelier_gateway.webhooks.retry_policy import parse_retry_delays
from atelier_messaging import BrokerSettings
from atelier_storage.settings import StorageSettings
from atelier_telemetry.settings import TelemetrySettings


class Settings(BrokerSettings, TelemetrySettings):
    """Settings of one gateway process; all are named ``ATELIER_…`` (storage: ``ATELIER_S3_…``) but seed 002's own."""

    model_config = SettingsConfigDict(populate_by_name=True)

    gateway_host: str = "127.0.0.1"
    """Address that the public API binds to."""
    gateway_port: int = Field(default=8000, ge=1, le=65_535)
    """Port of the public API."""
    operations_host: str = "127.0.0.1"
    """Address of ``/metrics``, health by part and the admin API; never one that strangers can reach."""
    operations_port: int = Field(default=8090, ge=1, le=65_535)
    """Port of the operations listener."""
    gateway_database_url: SecretStr
    """Postgres, as the app role, which owns no table."""
    public_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8000")
    """Address at which clients reach the gateway; root of the links in answers."""

    session_url: AnyHttpUrl
    """The session's internal HTTP API."""
    billing_url: AnyHttpUrl
    """Billing's internal HTTP API."""
    render_url: AnyHttpUrl
    """Render's internal HTTP API."""
    standing_after_s: float = Field(default=60.0, gt=0)
    """Seconds without news after which the state of a generation is fetched from the session."""
    standing_check_every_s: float = Field(default=10.0, gt=0)
    """Seconds between those checks."""
    unconfirmed_after_s: float = Field(default=60.0, gt=0)
    """Seconds after which an operator's grant, correction or cap that billing has not answered is sent again, a cancel
    whose generation has not ended, and a request that was accepted while the session was unreachable and has not begun;
    doubled each time."""

    admin_token: SecretStr | None = Field(default=None, min_length=16)
    """Token of the first operator, an admin. Unset: no first operator; operators that exist keep their access."""
    key_pepper: SecretStr = Field(min_length=16)
    """HMAC secret of the API keys: without it the stored keys can neither be checked nor forged."""
    dev_issuer_key_file: Path | None = None
    """PEM file with the P-256 key of the development token issuer; read only with local settings."""
    jwks_url: AnyHttpUrl | None = None
    """Key set (JWKS) of the issuer of user tokens."""
    jwt_issuer: str | None = None
    """Expected ``iss`` of user tokens."""
    jwt_audience: str | None = None
    """Expected ``aud`` of user tokens."""

    trace_page: str = ""
    """Address of a trace in your viewer, with ``{trace_id}``; the console links to it."""
    log_page: str = ""
    """Address of logs in your viewer, with ``{generation_id}``, ``{request_id}`` or ``{trace_id}``; the console links
    to it."""

    simulator: Literal["on", "off"] = "off"
    """Whether ``X-Atelier-Simulate`` is accepted; refused in production."""
    admission_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds that a POST waits for the saga to admit or decline the request."""
    sync_wait_s: float = Field(default=30.0, gt=0, le=300)
    """Seconds that a synchronous answer waits for the end of a generation."""
    generation_deadline_s: int = Field(default=900, ge=1, le=86_400)
    """Seconds a whole generation may take unless the request says otherwise."""
    delivery_window_s: int = Field(default=86_400, ge=1, le=DELIVERY_WINDOW_S_MAX)
    """Seconds in which the outputs of a generation that is charged on delivery are to be taken; a request may shorten
    it. Shorter than outputs are kept."""
    body_bytes_max: int = Field(default=1_048_576, ge=1_024)
    """Bytes of a request body without pictures."""

    redis_url: SecretStr | None = None
    """Redis that counts request limits; by default they are counted in the Postgres of the gateway."""
    trusted_proxies: str = ""
    """CIDRs, comma-separated, whose ``X-Forwarded-For`` is believed."""
    play: Literal["on", "off"] = "on"
    """Whether the public API has the page ``/play``, which tries it out in a browser."""
    cors_origins: str = ""
    """Origins, comma-separated, whose pages may call the public API from a browser."""
    bodies_bytes_max: int = Field(default=72 * 1024 * 1024, ge=26 * 1024 * 1024)
    """Bytes of all request bodies that this process holds at once; beyond the first 64 KiB of each. Past it: 503."""
    native_requests_per_minute: int = Field(default=600, ge=1)
    """Creates and quotes of one owner a minute on the native surface."""
    client_token_minutes_max: int = Field(default=60, ge=1, le=1_440)
    """The longest life of a client token, in minutes."""
    client_token_requests_per_minute: int = Field(default=30, ge=1)
    """Creates, quotes and uploads of one client token a minute; they count among its owner's, too."""
    failed_logins_per_minute: int = Field(default=100, ge=1)
    """Wrong credentials from one address a minute, on all surfaces together."""

    rate_limit_enabled: bool = Field(default=True, validation_alias="RATE_LIMIT_ENABLED")
    """Off: no request limit anywhere; failed logins stay limited."""
    max_requests_per_hour: int = Field(default=10, ge=1, validation_alias="MAX_REQUESTS_PER_HOUR")
    """Accepted form requests of one user an hour."""
    story_generations_per_hour: int = Field(default=60, ge=1)
    """Accepted narrations of one user an hour."""
    queue_max_size: int = Field(default=50, ge=1, validation_alias="QUEUE_MAX_SIZE")
    """Pending generations of the form surface, of all users together."""
    generation_enabled: bool = Field(default=True, validation_alias="GENERATION_ENABLED")
    """Off: the form surface answers 503."""
    new_generation_endpoint: bool = Field(default=True, validation_alias="NEW_GENERATION_ENDPOINT")
    """Off: the form surface answers 503, too."""
    enhanced_validation: bool = Field(default=False, validation_alias="ENHANCED_VALIDATION")
    """On: the image URLs of the form must be reachable before it answers 201."""
    image_hosts: str = "res.cloudinary.com/image/upload/"
    """Hosts whose pictures the form accepts, comma-separated, each with the text that a path must contain there."""
    form_aspect_ratios: str = "1:1,16:9,9:16,3:2,2:3"
    """Aspect ratios that the model of the form supports, comma-separated; another one is a MODEL_ERROR."""
    banned_words: str = "explicit,violent,harmful"
    """Words, comma-separated, that the form refuses in a prompt."""
    uploads_unused_max: int = Field(default=1_000, ge=1)
    """Unused uploads of one owner."""
    uploads_unused_bytes_max: int = Field(default=8 * 1024**3, ge=1)
    """Bytes of the unused uploads of one owner; an unknown size counts 25 MiB."""
    uploads_unused_life_s: int = Field(default=86_400, ge=60)
    """Seconds after which an unused upload is deleted."""
    tenant_pending_max: int = Field(default=1_000, ge=1)
    """Pending generations of one tenant, on all surfaces together."""
    pending_max: int = Field(default=20_000, ge=1)
    """Pending generations of all tenants, on all surfaces together."""
    batch_rows_at_once: int = Field(default=32, ge=1, le=500)
    """Rows of one batch that are under way at once; of each owner one batch is made at a time."""
    batch_rows_max: int = Field(default=50_000, ge=1, le=100_000)
    """Rows that a batch may have."""
    batches_kept_days: int = Field(default=30, ge=1, le=3_650)
    """Days for which ended batches, and the files of batches, are kept at most."""
    streams_max: int = Field(default=500, ge=1)
    """Event streams (SSE) open at once in one process."""
    streams_of_owner_max: int = Field(default=20, ge=1)
    """Event streams of one owner open at once in one process."""

    webhook_loopback: Literal["on", "off"] = "off"
    """On: webhooks may call servers on this machine. For development and tests, refused in production."""
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """Seconds that a receiver has to answer."""
    webhook_retries_s: str = "5,30,120,600,3600,10800,21600,43200,86400"
    """Seconds before each retry, comma-separated; after the last one the delivery has failed."""
    webhook_concurrency: int = Field(default=64, ge=4, le=1_000)
    """Webhook deliveries in flight at once in one process; at most a quarter of them for one owner."""
    webhook_patience_days: int = Field(default=5, ge=1)
    """Days after which an endpoint that accepted nothing is disabled."""
    webhook_kept_days: int = Field(default=30, ge=1)
    """Days for which deliveries are kept."""

    public_events_kept_days: int = Field(default=90, ge=1)
    """Days for which public events can be replayed to subscribers."""

    disputes: Literal["off", "evidence", "review"] = "evidence"
    """Whether customers may dispute outputs. ``evidence``: what evidence proves is refunded, all else declined;
    ``review``: all else is left to an operator."""
    dispute_days: int = Field(default=14, ge=1, le=3_650)
    """Days after the end of a generation in which its outputs can be disputed."""
    dispute_refunds_per_month: int = Field(default=20, ge=0)
    """Disputes of one owner that are refunded without an operator in 30 days."""
    dispute_evidence_s: float = Field(default=5.0, gt=0, le=60)
    """Seconds that examining the disputed outputs may take; what is not examined by then is left to an operator."""

    storage: StorageSettings = Field(default_factory=lambda: StorageSettings())

    @field_validator("trace_page", "log_page")
    @classmethod
    def _is_page(cls, text: str) -> str:
        if text and not re.fullmatch(r"https?://[^\s\"<>]+", text):
            raise ValueError("an address that begins with http:// or https:// is required")
        return text

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks(text)
        return text

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        parse_origins(text)
        return text

    @field_validator("image_hosts")
    @classmethod
    def _are_hosts(cls, text: str) -> str:
        parse_allowed_hosts(text)
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
        parse_retry_delays(text)
        return text

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://")):
            raise ValueError("ATELIER_REDIS_URL starts with redis:// or rediss://")
        return url

    @property
    def public_root(self) -> str:
        """``public_url`` without a slash at its end: the root of the links in responses."""
        return str(self.public_url).rstrip("/")

    @property
    def form_ratios(self) -> frozenset[str]:
        """``form_aspect_ratios``, read."""
        return frozenset(self.form_aspect_ratios.split(","))

    @property
    def origins(self) -> tuple[str, ...]:
        """``cors_origins``, read."""
        return parse_origins(self.cors_origins)

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

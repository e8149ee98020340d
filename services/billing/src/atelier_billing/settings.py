"""Settings of billing."""

from pathlib import Path
from typing import Self

from pydantic import AnyHttpUrl, Field, SecretStr, model_validator

from atelier_messaging import BrokerSettings
from atelier_storage import settings as storage
from atelier_telemetry.settings import TelemetrySettings

LOG_STORE_S_MAX = 5.0
"""Seconds for one operation there: the log is locked for so long."""


class Settings(BrokerSettings, TelemetrySettings):
    """Read from the environment, prefix ``ATELIER_``."""

    billing_database_url: SecretStr
    """Postgres, as the app role, which owns no table."""
    billing_host: str = "127.0.0.1"
    """Address that the internal HTTP API binds to."""
    billing_port: int = Field(default=8082, ge=1, le=65_535)
    """Port of the internal HTTP API."""
    billing_expire_every_s: float = Field(default=30.0, gt=0)
    """Seconds between sweeps for expired grants."""
    billing_checkpoint_every_s: float = Field(default=5.0, gt=0)
    """Seconds between steps of the checkpoint from which ``ledger verify`` starts."""
    billing_issue_every_s: float = Field(default=1.0, gt=0)
    """Seconds between batches of receipts and of entries in the log; a receipt that is read earlier is issued then."""
    signing_keys_file: Path
    """PEM file: the Ed25519 private key that signs receipts, then those that signed before it."""
    log_origin: str = Field(default="localhost/atelier", pattern=r"^[!-*,-~]{1,200}$")
    """Name of this installation's log, by custom a host and a path that are yours; it stands in each receipt."""
    log_checkpoint_every_s: float = Field(default=10.0, gt=0)
    """Seconds between signed checkpoints of the log, while it grows."""
    log_verify_every_s: float = Field(default=86_400.0, ge=0)
    """Seconds between verifications of the whole log, in slices beside all else; 0: none by itself."""
    log_checkpoint_url: AnyHttpUrl | None = None
    """Address that each checkpoint is POSTed to; its receiver keeps them."""
    log_s3_endpoint: storage.Origin | None = None
    """Object store that also keeps the last checkpoint, best one of its own; set together with the next three."""
    log_s3_access_key: str | None = Field(default=None, min_length=1)
    """Identity of billing there; it puts and gets one object."""
    log_s3_secret_key: SecretStr | None = None
    """Secret of that identity."""
    log_s3_bucket: str | None = Field(default=None, pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
    """Bucket of the checkpoint."""
    log_s3_region: str = Field(default="us-east-1", pattern=r"^[a-z0-9-]+$")
    """Region that requests are signed for."""
    log_s3_lock_days: int = Field(default=0, ge=0, le=36_500)
    """Days for which each checkpoint is locked there; more than 0 needs a bucket with object lock."""
    log_checkpoint_file: Path | None = None
    """File that keeps the last checkpoint outside the database; one that the log does not continue is not replaced."""

    @model_validator(mode="after")
    def _log_store_is_whole(self) -> Self:
        parts = (self.log_s3_endpoint, self.log_s3_access_key, self.log_s3_secret_key, self.log_s3_bucket)
        if any(parts) and not all(parts):
            raise ValueError("ATELIER_LOG_S3_ENDPOINT, _ACCESS_KEY, _SECRET_KEY and _BUCKET are set together or not")
        return self

    @property
    def log_store(self) -> storage.StorageSettings | None:
        """The object store of the checkpoints; None where none is set."""
        if not (self.log_s3_endpoint and self.log_s3_access_key and self.log_s3_secret_key and self.log_s3_bucket):
            return None
        return storage.StorageSettings.model_construct(
            endpoint=self.log_s3_endpoint,
            access_key=self.log_s3_access_key,
            secret_key=self.log_s3_secret_key,
            bucket=self.log_s3_bucket,
            region=self.log_s3_region,
            connect_timeout_s=LOG_STORE_S_MAX,
            timeout_s=LOG_STORE_S_MAX,
            threads=1,
        )

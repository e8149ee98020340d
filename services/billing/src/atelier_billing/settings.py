"""Settings of billing."""

from pathlib import Path

from pydantic import Field, SecretStr

from atelier_messaging import BrokerSettings
from atelier_telemetry.settings import TelemetrySettings


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
    log_checkpoint_file: Path | None = None
    """File that keeps the last checkpoint outside the database; one that the log does not continue is not replaced."""

"""Settings of billing."""

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

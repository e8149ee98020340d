"""Settings of billing."""

from pydantic import Field, SecretStr

from atelier_messaging import BrokerSettings
from atelier_telemetry.settings import TelemetrySettings


class Settings(BrokerSettings, TelemetrySettings):
    """Read from the environment, prefix ``ATELIER_``."""

    billing_database_url: SecretStr
    """As the app role, which owns nothing."""
    billing_host: str = "127.0.0.1"
    billing_port: int = Field(default=8082, ge=1, le=65_535)
    billing_expire_every_s: float = Field(default=30.0, gt=0)
    """Seconds between sweeps for expired grants."""
    billing_checkpoint_every_s: float = Field(default=5.0, gt=0)
    """Seconds between steps of the checkpoint from which ``ledger verify`` starts."""

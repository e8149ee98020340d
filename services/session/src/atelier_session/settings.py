"""Settings of the session service."""

from pydantic import AnyHttpUrl, Field, SecretStr

from atelier_messaging import BrokerSettings
from atelier_telemetry.settings import TelemetrySettings


class Settings(BrokerSettings, TelemetrySettings):
    """Read from the environment, prefix ``ATELIER_``. Durations in seconds."""

    session_database_url: SecretStr
    """As the app role, which owns nothing."""
    session_host: str = "127.0.0.1"
    session_port: int = Field(default=8081, ge=1, le=65_535)
    session_stop_grace_s: float = Field(default=30.0, gt=0)
    """How long render may take to answer a cancel before the credits go back without its answer."""
    session_resend_s: float = Field(default=30.0, gt=0)
    """How long billing or render may take to answer before a command is sent again; doubled each time."""
    billing_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8082")
    """Billing's internal HTTP: asked about holds whose settlement stands still."""
    session_timer_every_s: float = Field(default=1.0, gt=0)
    """How often the clocks in the database are looked at."""

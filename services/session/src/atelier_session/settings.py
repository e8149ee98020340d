"""Settings of the session service."""

from pydantic import AnyHttpUrl, Field, SecretStr

from atelier_messaging import BrokerSettings
from atelier_telemetry.settings import TelemetrySettings


class Settings(BrokerSettings, TelemetrySettings):
    """Read from the environment, prefix ``ATELIER_``. Durations in seconds."""

    session_database_url: SecretStr
    """Postgres, as the app role, which owns no table."""
    session_host: str = "127.0.0.1"
    """Address that the internal HTTP API binds to."""
    session_port: int = Field(default=8081, ge=1, le=65_535)
    """Port of the internal HTTP API."""
    session_stop_grace_s: float = Field(default=30.0, gt=0)
    """Seconds that render may take to answer a cancel before the credits are returned without its answer."""
    session_resend_s: float = Field(default=30.0, gt=0)
    """Seconds that billing or render may take to answer before a command is sent again; doubled each time."""
    billing_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8082")
    """Billing's internal HTTP API, read for holds whose settlement is overdue."""
    session_timer_every_s: float = Field(default=1.0, gt=0)
    """Seconds between looks at the timers in the database."""
    session_log_keep_days: int = Field(default=90, ge=0, le=3_650)
    """Days after which the saga log, which ``explain`` shows, and the requests of ended sagas are deleted; 0:
    never. Sagas are kept."""
    render_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8083")
    """Render's internal HTTP API, read by reconciliation."""
    operations_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:8090")
    """The gateway's operations listener, read by reconciliation, and queried for what was delivered when a delivery
    window is over."""
    reconcile_every_s: float = Field(default=30.0, ge=0)
    """Seconds between comparisons of the latest generations' records in all services; 0: never by itself."""
    reconcile_recent_s: float = Field(default=3_600.0, gt=0)
    """How old a generation may be for these, in seconds."""
    reconcile_share: float = Field(default=0.03, gt=0, le=1)
    """Most of the time that these may take in one process, 1 being all of it; runs follow later where it is used up."""
    reconcile_full_every_s: float = Field(default=86_400.0, ge=0)
    """Seconds between comparisons of all generations' records; 0: never by itself."""
    reconcile_bytes_every_s: float = Field(default=604_800.0, ge=0)
    """Seconds between comparisons that also read every artefact's bytes; 0: never by itself."""
    reconcile_settle_s: float = Field(default=15.0, gt=0)
    """Seconds that a generation's records must be unchanged before they are compared."""

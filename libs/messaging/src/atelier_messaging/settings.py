"""Settings of the bus, of each service's database pool, and of what migrates its tables."""

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from atelier_contracts.partitions import PARTITIONS_MAX
from atelier_messaging.addresses import addresses_of


class BrokerSettings(BaseSettings):
    """Read from the environment; a malformed value stops start-up and names the variable."""

    # A value that is refused may hold a password.
    model_config = SettingsConfigDict(env_prefix="ATELIER_", extra="ignore", frozen=True, hide_input_in_errors=True)

    amqp_url: SecretStr
    """Brokers: a comma-separated list of AMQP URLs or hosts. Secret, for it holds the password."""
    installation: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{1,64}$")
    """Name of this installation. A virtual host or database that belongs to another one is refused at start-up."""
    partitions: int = Field(default=1, ge=1, le=PARTITIONS_MAX)
    """Queues among which the session's and billing's messages are divided, by generation and by account, so that
    several processes share them in order. The same for all services and for the topology."""
    prefetch: int = Field(default=200, ge=1, le=2_000)
    """Frames a consumer may hold unacknowledged, per queue."""
    batch_max: int = Field(default=100, ge=1, le=1_000)
    """Frames handled together in one batch, at most."""

    database_statement_cache: int = Field(default=100, ge=0, le=10_000)
    """Prepared statements a database connection keeps; 0 behind a pooler that does not carry them."""
    database_connections_max: int = Field(default=8, ge=2, le=200)
    """Connections to its database that a process opens at most."""

    @field_validator("amqp_url")
    @classmethod
    def _names_brokers(cls, value: SecretStr) -> SecretStr:
        try:
            addresses_of(value.get_secret_value())
        except ValueError as error:
            raise ValueError(f"ATELIER_AMQP_URL does not name brokers: {error}") from None
        return value


class OwnerSettings(BaseSettings):
    """How each service's migration reads the owner's address, which is all that it reads."""

    model_config = SettingsConfigDict(env_prefix="ATELIER_", extra="ignore", frozen=True, hide_input_in_errors=True)

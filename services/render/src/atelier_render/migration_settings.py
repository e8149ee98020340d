"""What ``python -m atelier_render migrate`` reads: a migration has no use for any secret of the service."""

from pydantic import SecretStr

from atelier_messaging.settings import OwnerSettings


class MigrationSettings(OwnerSettings):
    """Read from the environment, prefix ``ATELIER_``."""

    render_owner_database_url: SecretStr
    """Postgres, as the role that owns the tables; read by the migration alone."""

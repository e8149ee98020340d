"""``python -m atelier_billing`` serves; ``python -m atelier_billing migrate`` brings the tables up to date."""

import sys
from pathlib import Path

from atelier_billing.app import create_app
from atelier_billing.migration_settings import MigrationSettings
from atelier_billing.settings import Settings
from atelier_telemetry.http_process import serve
from atelier_telemetry.settings import read
from atelier_telemetry.shutdown import Shutdown


def main(arguments: list[str]) -> None:
    """Serves until SIGTERM, or migrates once."""
    if arguments == ["migrate"]:
        from atelier_messaging.migrations import upgrade

        owner = read(MigrationSettings).billing_owner_database_url
        upgrade(Path(__file__).parent / "migrations", owner.get_secret_value())
        return
    settings = read(Settings)
    stop = Shutdown()
    serve(
        create_app(settings, stop),
        host=settings.billing_host,
        port=settings.billing_port,
        stop=stop,
        drain_s=settings.drain_s,
    )


if __name__ == "__main__":
    main(sys.argv[1:])

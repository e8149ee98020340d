"""``python -m atelier_gateway`` serves; ``python -m atelier_gateway migrate`` brings the tables up to date."""

import sys
from pathlib import Path

from atelier_gateway.migration_settings import MigrationSettings
from atelier_gateway.settings import Settings
from atelier_telemetry.settings import read


def main(arguments: list[str]) -> None:
    """Serves until a stop signal, or migrates once."""
    if arguments == ["migrate"]:
        from atelier_messaging.migrations import upgrade

        owner = read(MigrationSettings).gateway_owner_database_url
        upgrade(Path(__file__).parent / "migrations", owner.get_secret_value())
        return
    settings = read(Settings)
    from atelier_gateway.app import create_app
    from atelier_telemetry.http_process import serve
    from atelier_telemetry.shutdown import Shutdown

    stop, operations = Shutdown(), (settings.operations_host, settings.operations_port)
    serve(
        create_app(settings, stop),
        host=settings.gateway_host,
        port=settings.gateway_port,
        also=[operations],
        stop=stop,
        drain_s=settings.drain_s,
    )


if __name__ == "__main__":
    main(sys.argv[1:])

"""``python -m atelier_gateway`` serves; ``python -m atelier_gateway migrate`` brings the tables up to date."""

import sys
from pathlib import Path

from atelier_gateway.settings import Settings
from atelier_telemetry.settings import read


def main(arguments: list[str]) -> None:
    """Serves until told to stop, or migrates once."""
    settings = read(Settings)
    if arguments == ["migrate"]:
        from atelier_messaging.migrations import upgrade

        assert settings.gateway_owner_database_url, "migrate needs ATELIER_GATEWAY_OWNER_DATABASE_URL"
        upgrade(Path(__file__).parent / "migrations", settings.gateway_owner_database_url.get_secret_value())
        return
    from atelier_gateway.app import create_app
    from atelier_telemetry.serve import serve
    from atelier_telemetry.stop import Stop

    stop, operations = Stop(), (settings.operations_host, settings.operations_port)
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

"""``python -m atelier_render`` serves; ``python -m atelier_render migrate`` brings the tables up to date."""

import sys
from pathlib import Path

from atelier_render.app import create_app
from atelier_render.migration_settings import MigrationSettings
from atelier_render.settings import Settings
from atelier_telemetry.http_process import serve
from atelier_telemetry.settings import read
from atelier_telemetry.shutdown import Shutdown


def main(arguments: list[str]) -> None:
    """Serves until stopped, or migrates once."""
    if arguments == ["migrate"]:
        from atelier_messaging.migrations import upgrade

        owner = read(MigrationSettings).render_owner_database_url
        upgrade(Path(__file__).parent / "migrations", owner.get_secret_value())
        return
    settings = read(Settings)
    stop = Shutdown()
    serve(
        create_app(settings, stop),
        host=settings.render_host,
        port=settings.render_port,
        stop=stop,
        drain_s=settings.drain_s,
    )


if __name__ == "__main__":
    main(sys.argv[1:])

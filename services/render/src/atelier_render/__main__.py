"""``python -m atelier_render`` serves; ``python -m atelier_render migrate`` brings the tables up to date."""

import sys
from pathlib import Path

from atelier_render.app import create_app
from atelier_render.settings import Settings
from atelier_telemetry.serve import serve
from atelier_telemetry.settings import read
from atelier_telemetry.stop import Stop


def main(arguments: list[str]) -> None:
    """Serves until told to stop, or migrates once."""
    settings = read(Settings)
    if arguments == ["migrate"]:
        from atelier_messaging.migrations import upgrade

        assert settings.render_owner_database_url, "migrate needs ATELIER_RENDER_OWNER_DATABASE_URL"
        upgrade(Path(__file__).parent / "migrations", settings.render_owner_database_url.get_secret_value())
        return
    stop = Stop()
    serve(
        create_app(settings, stop),
        host=settings.render_host,
        port=settings.render_port,
        stop=stop,
        drain_s=settings.drain_s,
    )


if __name__ == "__main__":
    main(sys.argv[1:])

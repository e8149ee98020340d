"""What the process is, before it does anything: small, and never pretending in production."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from atelier_render.app import _content_rules
from atelier_render.settings import Settings

ENVIRONMENT = {
    "ATELIER_SERVICE_TOKEN": "t" * 16,
    "ATELIER_AMQP_URL": "amqp://broker",
    "ATELIER_RENDER_DATABASE_URL": "postgresql://database",
    "ATELIER_S3_ENDPOINT": "http://store:9000",
    "ATELIER_S3_ACCESS_KEY": "key",
    "ATELIER_S3_SECRET_KEY": "secret",
    "ATELIER_S3_BUCKET": "bucket",
    "ATELIER_SIMULATOR": "on",
}
HEAVY = ("sqlmodel", "sqlalchemy", "alembic", "cv2", "numpy", "PIL")


def test_the_running_service_carries_neither_the_orm_nor_an_image_library() -> None:
    check = f"import sys, atelier_render.app; print([m for m in {HEAVY} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_settings_come_from_the_environment_the_stores_too(environment: pytest.MonkeyPatch) -> None:
    settings = Settings()

    assert (settings.storage.bucket, settings.simulator, settings.render_lease_s) == ("bucket", "on", 15.0)


def test_a_lost_answer_is_asked_after_for_two_minutes_and_locally_for_ten_seconds(
    environment: pytest.MonkeyPatch,
) -> None:
    """Settled question 8; the simulator's timeout counts as known after the attempt's ten seconds."""
    assert (Settings().reconcile_s, Settings().render_attempt_s) == (10, 10)
    environment.setenv("ATELIER_SIMULATOR", "off")
    environment.setenv("ATELIER_ENVIRONMENT", "production")
    assert Settings().reconcile_s == 120
    environment.setenv("ATELIER_RENDER_RECONCILE_S", "3")
    assert Settings().reconcile_s == 3


def test_the_simulator_is_refused_in_production(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ATELIER_ENVIRONMENT", "production")

    with pytest.raises(ValidationError, match="ATELIER_SIMULATOR=on is refused"):
        Settings()


def test_moderators_are_there_as_configured_and_an_empty_name_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ATELIER_MODERATION_URL", "")
    environment.setenv("ATELIER_MODERATION_TOKEN", "")
    assert _moderators(Settings()) == []

    environment.setenv("ATELIER_CONTENT_BANNED_WORDS", "gore, blood bath")
    environment.setenv("ATELIER_MODERATION_URL", "http://inside/judge")
    environment.setenv("ATELIER_MODERATION_OPENAI", "on")
    with pytest.raises(ValidationError, match="ATELIER_MODERATION_OPENAI=on needs ATELIER_OPENAI_API_KEY"):
        Settings()
    environment.setenv("ATELIER_OPENAI_API_KEY", "a key")
    assert _moderators(Settings()) == ["banned words", "moderation service", "openai"]


def _moderators(settings: Settings) -> list[str]:
    return [moderator.name for moderator in _content_rules(settings)._moderators]

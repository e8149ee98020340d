"""Settings read from a valid environment."""

import pytest

from atelier_gateway.settings import Settings

GOOD = {
    "ATELIER_AMQP_URL": "amqp://127.0.0.1/",
    "ATELIER_SERVICE_TOKEN": "a service token of tests",
    "ATELIER_GATEWAY_DATABASE_URL": "postgresql://127.0.0.1/gateway",
    "ATELIER_SESSION_URL": "http://127.0.0.1:1",
    "ATELIER_BILLING_URL": "http://127.0.0.1:2",
    "ATELIER_RENDER_URL": "http://127.0.0.1:3",
    "ATELIER_ADMIN_TOKEN": "an admin token of tests",
    "ATELIER_KEY_PEPPER": "the pepper of the tests",
    "ATELIER_S3_ENDPOINT": "http://127.0.0.1:9000",
    "ATELIER_S3_ACCESS_KEY": "access",
    "ATELIER_S3_SECRET_KEY": "the canary",
    "ATELIER_S3_BUCKET": "pictures",
}


def settings(monkeypatch: pytest.MonkeyPatch, **changes: str) -> Settings:
    for name, value in {**GOOD, **changes}.items():
        monkeypatch.setenv(name, value)
    return Settings()

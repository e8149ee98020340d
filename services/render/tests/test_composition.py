"""Providers are there where they are configured, and the log says in one line which are and why others are not."""

import logging
from datetime import date
from typing import Any, cast

import pytest

from atelier_imaging.pool import ImageWorkers
from atelier_render import model_watch
from atelier_render import provider_factory as composition
from atelier_render.providers.local.images import Local
from atelier_render.providers.registry import HOSTED
from atelier_render.settings import Settings
from atelier_telemetry import metrics

BASE = {
    "amqp_url": "amqp://nowhere",
    "service_token": "a token of the tests",
    "render_database_url": "postgresql://nowhere",
    "storage": {"endpoint": "http://nowhere", "access_key": "a", "secret_key": "s", "bucket": "pictures"},
}
NAMES = [hosted.name for hosted in HOSTED]
KEYS = {name: {"api_key": f"secret-of-{name}"} for name in NAMES}


async def create_and_log(caplog: pytest.LogCaptureFixture, **more: Any) -> tuple[list[str], str]:
    """Names of the providers, and what was logged."""
    images = ImageWorkers(workers=1)
    with caplog.at_level(logging.INFO, composition.__name__):
        providers = composition.create_providers(Settings(**(BASE | more)), images)
    await composition.close_providers(providers)
    await images.close()
    (record,) = [record for record in caplog.records if record.name == composition.__name__]
    resorts = [provider.name for provider in providers if provider.capabilities.last_resort]
    assert resorts == (["local", "narration"] if more.get("environment") == "production" else [])
    return [provider.name for provider in providers], record.getMessage()


async def test_without_keys_there_is_what_needs_none(caplog: pytest.LogCaptureFixture) -> None:
    names, line = await create_and_log(caplog, **{name: {"api_key": ""} for name in NAMES})

    assert names == ["local", "narration"]
    assert ", ".join(f"{name} (ATELIER_{name.upper()}_API_KEY is not set)" for name in NAMES) in line


async def test_with_keys_all_are_there_and_no_key_is_told(caplog: pytest.LogCaptureFixture) -> None:
    names, line = await create_and_log(
        caplog, **KEYS | {"google": KEYS["google"] | {"base_url": "http://127.0.0.1:9/"}}
    )

    assert names == ["local", "narration", *NAMES]
    assert "openai at https://api.openai.com/v1, google at http://127.0.0.1:9, " in line
    assert "; not configured: none" in line
    assert not [own for own in KEYS.values() if own["api_key"] in line]


async def test_in_production_what_is_built_in_stands_in_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    names, _ = await create_and_log(caplog, **KEYS, environment="production")

    assert names == ["local", "narration", *NAMES]


async def test_what_providers_hold_is_let_go_of_at_the_end() -> None:
    class Holding:
        closed = False

        async def close(self) -> None:
            self.closed = True

    holding: Any = Holding()

    await composition.close_providers([holding, Local(cast(Any, None))])

    assert holding.closed


async def test_a_model_that_ends_within_thirty_days_is_counted_and_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    images = ImageWorkers(workers=1)
    configured: dict[str, Any] = {**BASE, **KEYS}
    providers = composition.create_providers(Settings(**configured), images)
    today = [date(2026, 11, 2)]

    with caplog.at_level(logging.WARNING, model_watch.__name__):
        model_watch.watch_models(providers, lambda: today[0])

    assert "model gpt-image-1.5 ends on 2026-12-01, gpt-image-2.6-flare makes it from then on" in caplog.messages
    assert not [message for message in caplog.messages if "gpt-image-2.6" in message.split(" ends on ")[0]]
    days = metrics.MODEL_DAYS_LEFT.labels("gpt-image-1.5").collect
    assert [sample.value for metric in days() for sample in metric.samples] == [29]
    today[0] = date(2026, 12, 2)
    assert [sample.value for metric in days() for sample in metric.samples] == [-1]
    await composition.close_providers(providers)
    await images.close()

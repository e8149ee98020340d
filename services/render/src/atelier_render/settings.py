"""Settings of render."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AnyHttpUrl, BeforeValidator, Field, PositiveInt, SecretStr, model_validator
from pydantic_settings import NoDecode

from atelier_messaging import BrokerSettings
from atelier_render.cost_table import CostTable, read_cost_table
from atelier_render.provider_settings import ProviderSettings
from atelier_render.providers.openai.declaration import OPENAI
from atelier_storage.settings import StorageSettings
from atelier_telemetry.settings import TelemetrySettings

EMPTY_IS_NONE = BeforeValidator(lambda given: given or None)
"""An environment that passes a name on has it empty where it is not set."""


def _pairs(given: object) -> object:
    if not isinstance(given, str):
        return given
    return {name.strip(): number for name, _, number in (pair.partition("=") for pair in given.split(",") if pair)}


class Settings(ProviderSettings, BrokerSettings, TelemetrySettings):
    """Read from the environment, prefix ``ATELIER_``; the object store's own, prefix ``ATELIER_S3_``."""

    storage: StorageSettings = Field(default_factory=lambda: StorageSettings())
    render_database_url: SecretStr
    """Postgres, as the app role, which owns no table."""
    render_host: str = "127.0.0.1"
    """Address that the internal HTTP API binds to."""
    render_port: int = Field(default=8083, ge=1, le=65_535)
    """Port of the internal HTTP API."""
    render_lease_s: float = Field(default=15.0, ge=1.0, le=600.0)
    """Seconds without a heartbeat after which another worker may take a job; heartbeats are sent three times as
    often."""
    render_concurrency: int = Field(default=8, ge=1, le=256)
    """Attempts under way at once in this process."""
    render_tenant_slots_max: int = Field(default=0, ge=0)
    """Jobs of one tenant that may run at once in all processes together, even while workers are idle; 0: any number.
    Give every process the same value."""
    render_narrators: int = Field(default=2, ge=1, le=64)
    """Texts that are turned into speech at once, each in a process of its own."""
    render_image_workers: int = Field(default=2, ge=1, le=64)
    """Processes for image work; started with the first picture."""
    render_attempt_s: float = Field(default=10.0, gt=0)
    """Seconds after which a simulated timeout counts as a known failure."""
    render_reconcile_s: Annotated[float | None, EMPTY_IS_NONE] = Field(default=None, gt=0)
    """Seconds to look up a submission whose answer was lost at its provider; 120 by default, 10 with local
    settings."""
    render_provider_tries: int = Field(default=4, ge=1, le=20)
    """Submissions to one provider within one attempt, as long as its errors are transient."""
    render_retry_after_max_s: float = Field(default=30.0, ge=0)
    """Longest ``Retry-After`` of a provider that is waited for; beyond it the next provider is called."""
    render_provider_calls: Annotated[dict[str, PositiveInt], NoDecode, BeforeValidator(_pairs)] = Field(default={})
    """Concurrent calls to each remote provider in this process, as in ``openai=2,google=8``; 4 for one that is not
    named."""
    render_spool_dir: Path | None = None
    """Folder for pictures that wait while the object store is unavailable; without it they are lost with the
    process."""
    render_retention_days: int = Field(default=0, ge=0, le=3_650)
    """Days after which outputs are deleted; 0: kept until their owner deletes them."""
    render_jobs_keep_days: int = Field(default=90, ge=0, le=3_650)
    """Days after which an ended job is deleted, without its outputs; 0: never."""
    render_sweep_every_s: float = Field(default=3_600.0, ge=0)
    """Seconds between sweeps for objects without a row; 0: never. Switch it off while a database backup is restored."""
    render_sweep_grace_s: float = Field(default=86_400.0, ge=60.0)
    """Seconds that an object must be old before a sweep may take it."""
    render_costs_file: Annotated[Path | None, EMPTY_IS_NONE] = None
    """TOML file of what providers charge and what a credit is worth; without it usage is recorded, and no cost."""
    provenance: Literal["on", "off"] = "on"
    """Whether outputs carry machine-readable marks of origin. Off is for places without that duty."""
    provenance_file: Annotated[Path | None, EMPTY_IS_NONE] = None
    """PEM file with the certificate chain that outputs are signed with, the signer's first, and its private key
    (Ed25519, or ECDSA with P-256). With local settings a missing one is made; unset, each process makes its own."""
    content_banned_words: str = ""
    """Words and phrases, comma-separated, that no prompt or text may contain."""
    moderation_url: Annotated[AnyHttpUrl | None, EMPTY_IS_NONE] = None
    """Moderation service that judges each request before it goes to a provider."""
    moderation_token: Annotated[SecretStr | None, EMPTY_IS_NONE] = None
    """Bearer token for the moderation service."""
    moderation_timeout_s: float = Field(default=5.0, gt=0, le=60.0)
    """Seconds to wait for one of its answers."""
    moderation_openai: Literal["on", "off"] = "off"
    """Whether OpenAI's moderation endpoint judges each request too; needs ``ATELIER_OPENAI_API_KEY``."""
    moderation_when_away: Literal["refuse", "allow"] = "refuse"
    """What happens while moderation is unavailable: ``refuse`` retries until the deadline and then fails, ``allow``
    goes on without it."""
    simulator: Literal["on", "off"] = "off"
    """Whether requests may be rendered by the simulator; never in production."""

    @cached_property
    def cost_table(self) -> CostTable | None:
        """The table in ``render_costs_file``. Raises UnusableCosts."""
        return read_cost_table(self.render_costs_file) if self.render_costs_file else None

    @property
    def reconcile_s(self) -> float:
        """``render_reconcile_s``, or its default here."""
        return self.render_reconcile_s or (10.0 if self.environment == "local" else 120.0)

    @model_validator(mode="after")
    def _who_asks_openai_has_a_key(self) -> Self:
        if self.moderation_openai == "on" and self.of_provider(OPENAI).api_key is None:
            raise ValueError("ATELIER_MODERATION_OPENAI=on needs ATELIER_OPENAI_API_KEY")
        return self

    @model_validator(mode="after")
    def _no_pretence_in_production(self) -> Self:
        if self.environment == "production" and self.simulator == "on":
            raise ValueError("ATELIER_SIMULATOR=on is refused where ATELIER_ENVIRONMENT=production")
        return self

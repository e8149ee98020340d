"""What an operator writes down about a worker: where it is, the shared secret, what it offers, how patient we are."""

from base64 import b64decode
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator
from pydantic_core import from_json
from pydantic_settings import NoDecode

from atelier_contracts import Kind
from atelier_contracts.value_objects import N_MAX
from atelier_render.providers.protocol import Mode, Offer
from atelier_render.providers.registry import RESERVED_NAMES

MIB = 1024 * 1024
SECRET_PREFIX = "whsec_"  # noqa: S105 - how every one begins
SECRET_BYTES_MIN = 24
Words = tuple[Annotated[str, Field(min_length=1, max_length=100)], ...]


class StrictModel(BaseModel):
    """Part of the operator's description; a word we do not know is a slip of the pen, so it is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WorkerOffer(StrictModel):
    """One row of what the worker makes. The first of each list is the default; an empty list accepts any value and
    passes it on as it is."""

    kind: Kind
    modes: tuple[Mode, ...] = ()
    models: Words = ()
    sizes: Words = ()
    styles: Words = ()
    qualities: Words = ()
    formats: Words = ()
    n_max: int = Field(default=N_MAX, ge=1, le=N_MAX)
    note: str = Field(default="", max_length=200)

    def offer(self) -> Offer:
        """The same in the words of the provider protocol."""
        return Offer(**self.model_dump())


class WorkerConfiguration(StrictModel):
    """One worker, which clients and receipts know as a provider of this name."""

    name: str = Field(pattern="^[a-z][a-z0-9-]{0,31}$")
    url: str
    """Base URL; ``/jobs`` is added to it."""
    secrets: tuple[SecretStr, ...] = Field(min_length=1, max_length=3)
    """Standard Webhooks secrets (``whsec_`` and base64 of 24 bytes or more), the current one first; requests are
    signed with all of them, so that a worker can change over without a gap."""
    offers: tuple[WorkerOffer, ...] = Field(min_length=1, max_length=50)
    connect_s: float = Field(default=3.0, gt=0, le=30)
    """Seconds to reach it."""
    answer_s: float = Field(default=30.0, gt=0, le=600)
    """Seconds for one whole answer."""
    job_s: float = Field(default=300.0, gt=0, le=3_600)
    """Seconds for one job from being taken to being done; past that it is cancelled."""
    poll_s: float = Field(default=2.0, gt=0, le=60)
    """Seconds between two polls, where the worker does not ask for others by Retry-After."""
    inputs_bytes_max: int = Field(default=50 * MIB, ge=1, le=256 * MIB)
    """All inputs of a job together."""
    answer_bytes_max: int = Field(default=64 * MIB, ge=1024, le=512 * MIB)
    """One answer; what is larger is to be given by URL."""
    connections_max: int = Field(default=16, ge=1, le=256)

    @field_validator("url")
    @classmethod
    def _plain(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url} is not an http or https URL")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("the URL of a worker carries no credentials, query or fragment")
        return url.rstrip("/")

    @field_validator("name")
    @classmethod
    def _not_ours(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError(f"{name} is the name of a built-in provider")
        return name

    @field_validator("secrets")
    @classmethod
    def _strong(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in secrets:
            text = secret.get_secret_value()
            if not text.startswith(SECRET_PREFIX):
                raise ValueError(f"a worker's secret begins with {SECRET_PREFIX}")
            if len(b64decode(text.removeprefix(SECRET_PREFIX), validate=True)) < SECRET_BYTES_MIN:
                raise ValueError(f"a worker's secret is base64 of at least {SECRET_BYTES_MIN} bytes")
        return secrets

    @property
    def origin(self) -> str:
        """``host:port``, as the fetcher's allow-list has it."""
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = (parts.hostname or "").lower()
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _read(given: Any) -> Any:
    """JSON as it is, or the path of a file with it; nothing is no workers."""
    if not isinstance(given, str):
        return given
    text = given.strip()
    if not text:
        return ()
    return from_json(text if text.startswith("[") else Path(text).read_text())


def _check_unique_names(workers: tuple[WorkerConfiguration, ...]) -> tuple[WorkerConfiguration, ...]:
    names = [worker.name for worker in workers]
    if len(set(names)) < len(names):
        raise ValueError("two workers have the same name")
    return workers


Workers = Annotated[
    tuple[WorkerConfiguration, ...], NoDecode, BeforeValidator(_read), AfterValidator(_check_unique_names)
]
"""A settings field: the workers as JSON, or the path of a JSON file."""

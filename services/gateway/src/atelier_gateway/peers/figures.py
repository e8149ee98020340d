"""The figures of all four services as their metrics say them. One that does not answer leaves a gap with its reason."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from atelier_contracts.routes import SERVICES
from atelier_gateway.peers.client import PeerClient, PeerUnavailable

OWN = "gateway"
READ = (
    "atelier_outbox_pending",
    "atelier_reconcile_findings",
    "atelier_log_verified_timestamp_seconds",
    "atelier_log_verification_failed",
    "atelier_log_contradicted",
    "atelier_log_checkpoint_unwritten",
    "atelier_render_jobs",
    "atelier_provider_breaker_state",
    "atelier_provider_exposure_micros",
    "atelier_provider_exposed_submissions",
    "atelier_provider_reconciling",
    "atelier_provider_outcomes_total",
)
"""The samples that are asked for: the rest of a page of metrics is neither written nor parsed."""
PAGE = "/metrics?" + "&".join(f"name[]={name}" for name in READ)


@dataclass(frozen=True, slots=True)
class Figure:
    """One value of a metric."""

    name: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """The figures of one process of a service; ``reason``: why there are none."""

    service: str
    figures: tuple[Figure, ...] = ()
    reason: str | None = None

    def find(self, name: str) -> float | None:
        """The value of a metric without labels; None where it is not there."""
        return next((figure.value for figure in self.figures if figure.name == name), None)

    def by_label(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one of its labels, added up over the others."""
        sums: dict[str, float] = {}
        for figure in self.figures:
            if figure.name == name:
                sums[figure.labels.get(label, "")] = sums.get(figure.labels.get(label, ""), 0.0) + figure.value
        return sums


async def collect(peers: PeerClient) -> dict[str, ServiceFigures]:
    """The figures of each service, by its name."""
    found = await asyncio.gather(*(_ask(peers, service) for service in SERVICES if service != OWN))
    own = ServiceFigures(OWN, tuple(parse(generate_latest(REGISTRY.restricted_registry(READ)).decode())))
    return {each.service: each for each in (own, *found)}


def parse(text: str) -> Iterator[Figure]:
    """Those that are read, of a page in Prometheus' text format."""
    lines = [line for line in text.splitlines() if line.startswith(READ)]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            yield Figure(sample.name, sample.labels, sample.value)


async def _ask(peers: PeerClient, service: str) -> ServiceFigures:
    try:
        return ServiceFigures(service, tuple(parse(await peers.get_text(service, PAGE))))
    except (PeerUnavailable, ValueError) as error:
        return ServiceFigures(service, reason=str(error).partition(": ")[2] or str(error))

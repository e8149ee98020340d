"""The figures that the gateway asks of all services are metrics that are declared."""

from prometheus_client import REGISTRY

import atelier_telemetry.metrics  # noqa: F401 - declares them
from atelier_gateway.peers import figures
from atelier_gateway.peers.figures import Figure


def test_each_sample_that_is_asked_for_is_of_a_declared_metric() -> None:
    declared = {family.name for family in REGISTRY.collect()}

    assert [name for name in figures.READ if name.removesuffix("_total") not in declared] == []


def test_a_page_of_an_older_service_that_shows_everything_is_read_for_the_same_samples() -> None:
    page = '# TYPE other_total counter\nother_total 3.0\natelier_render_jobs{state="waiting"} 2.0\n'

    assert list(figures.parse(page)) == [Figure("atelier_render_jobs", {"state": "waiting"}, 2.0)]

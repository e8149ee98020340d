"""Dashboards, alerts, scrapes and the collector name only what exists: metrics, labels, targets, data sources."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from atelier_telemetry import metrics
from atelier_telemetry.tracing import EXEMPLAR_LABEL

Compose = dict[str, Any]

SERIES = re.compile(r"\batelier_\w+")
MATCHED_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPED_LABELS = re.compile(r"\b(?:by|without)\s*\(([^)]*)\)")
TARGET_LABELS = {"job", "service", "instance", "le"}
"""What Prometheus adds to every series, and ``le``, which every histogram's buckets have."""
SUFFIXES: dict[type[MetricWrapperBase], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_sum", "_count"),
}

COMPOSE_DIR = Path(__file__).resolve().parents[1]
DASHBOARDS = sorted((COMPOSE_DIR / "grafana/dashboards").glob("*.json"))


def list_metrics() -> dict[str, set[str]]:
    """Name of every series that a service can expose → its labels."""
    found: dict[str, set[str]] = {}
    for metric in vars(metrics).values():
        if isinstance(metric, MetricWrapperBase):
            [family] = metric.describe()
            found |= {family.name + suffix: set(metric._labelnames) for suffix in SUFFIXES[type(metric)]}
    return found


def expressions(dashboard: Path) -> list[str]:
    panels = json.loads(dashboard.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def alert_rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((COMPOSE_DIR / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def find_unknown_words(expression: str) -> list[str]:
    """Series that no service exposes, and labels that none of the named series has."""
    known = list_metrics()
    series = set(SERIES.findall(expression))
    problems = [f"no such series: {name}" for name in sorted(series - known.keys())]
    labels = set(MATCHED_LABEL.findall(expression))
    for group in GROUPED_LABELS.findall(expression):
        labels |= {label.strip() for label in group.split(",")}
    possible = TARGET_LABELS.union(*(known.get(name, set()) for name in series))
    return problems + [f"no such label: {name}" for name in sorted(labels - possible) if series]


@pytest.mark.parametrize(
    "expression",
    [
        "rate(atelier_messages_eaten_total[5m])",
        "atelier_batch_seconds",
        "sum by (tenant) (atelier_outbox_pending)",
        'atelier_render_jobs{provider="local"}',
    ],
)
def test_a_word_that_is_not_declared_is_found(expression: str) -> None:
    assert find_unknown_words(expression)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_and_label_of_a_dashboard_is_declared(dashboard: Path) -> None:
    used = expressions(dashboard)

    assert len(used) > 10
    assert [(expression, find_unknown_words(expression)) for expression in used if find_unknown_words(expression)] == []


def test_every_metric_and_label_of_an_alert_is_declared() -> None:
    rules = alert_rules()

    assert rules
    assert [
        (rule["alert"], find_unknown_words(rule["expr"])) for rule in rules if find_unknown_words(rule["expr"])
    ] == []


def test_every_declared_metric_is_shown_on_a_dashboard() -> None:
    shown = {name for dashboard in DASHBOARDS for text in expressions(dashboard) for name in SERIES.findall(text)}
    stems = {re.sub(r"_(bucket|sum|count)$", "", name) for name in list_metrics()}

    assert sorted(stem for stem in stems if not any(name.startswith(stem) for name in shown)) == []


def test_the_two_dashboards_have_their_own_ids_and_only_provisioned_data_sources() -> None:
    provisioned = yaml.safe_load((COMPOSE_DIR / "grafana/datasources/datasources.yaml").read_text())
    known = {source["uid"] for source in provisioned["datasources"]}
    parsed = [json.loads(path.read_text()) for path in DASHBOARDS]

    assert [dashboard["title"] for dashboard in parsed] == ["Delivery and renders", "Money and sagas"]
    assert len({dashboard["uid"] for dashboard in parsed}) == len(parsed)
    for dashboard in parsed:
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        assert {panel["datasource"]["uid"] for panel in panels} <= known
        assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_a_panel_of_durations_leads_to_traces_by_the_label_that_services_write(compose: Compose) -> None:
    [prometheus, jaeger] = yaml.safe_load((COMPOSE_DIR / "grafana/datasources/datasources.yaml").read_text())[
        "datasources"
    ]
    targets = [
        target
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", [])
    ]

    assert prometheus["jsonData"]["exemplarTraceIdDestinations"] == [
        {"name": EXEMPLAR_LABEL, "datasourceUid": jaeger["uid"]}
    ]
    assert any(
        option.startswith("--enable-feature=exemplar-storage")
        for option in compose["services"]["prometheus"]["command"]
    )
    for name in ("admission", "generation", "render", "webhook"):
        asked = [target for target in targets if f"atelier_{name}_seconds_bucket" in target["expr"]]
        assert asked and all(target.get("exemplar") for target in asked)


def test_prometheus_scrapes_every_process_of_every_service_at_the_port_it_listens_on(compose: Compose) -> None:
    config = yaml.safe_load((COMPOSE_DIR / "prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    asked = {name: group["port"] for group in jobs["atelier"]["dns_sd_configs"] for name in group["names"]}
    fixed = {target for job in jobs.values() for group in job.get("static_configs", []) for target in group["targets"]}

    listening = {
        name: int(compose["services"][name]["environment"][f"ATELIER_{setting}_PORT"])
        for name, setting in (
            ("gateway", "OPERATIONS"),
            ("session", "SESSION"),
            ("billing", "BILLING"),
            ("render", "RENDER"),
            ("render-gpu", "RENDER"),
        )
    }
    assert asked == listening
    assert {target.split(":")[0] for target in fixed} <= compose["services"].keys()
    assert {target for group in jobs["rabbitmq"]["static_configs"] for target in group["targets"]} == {"rabbitmq:15692"}


def test_a_service_without_any_process_is_down_although_it_has_no_address() -> None:
    [rule] = [rule for rule in alert_rules() if rule["alert"] == "ServiceDown"]

    for service in ("gateway", "session", "billing", "render"):
        assert f'absent(up{{job="atelier", service="{service}"}})' in rule["expr"]


def test_alerts_are_sent_to_the_alertmanager_and_every_severity_has_a_receiver(compose: Compose) -> None:
    prometheus = yaml.safe_load((COMPOSE_DIR / "prometheus/prometheus.yml").read_text())
    [group] = prometheus["alerting"]["alertmanagers"]
    told = yaml.safe_load((COMPOSE_DIR / "alertmanager/alertmanager.yml").read_text())
    receivers = {receiver["name"] for receiver in told["receivers"]}

    assert group["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    assert "alertmanager" in compose["services"]
    assert {rule["labels"]["severity"] for rule in alert_rules()} <= receivers
    assert {told["route"]["receiver"], *(route["receiver"] for route in told["route"]["routes"])} == receivers


def test_the_broker_serves_the_metrics_that_prometheus_asks_for() -> None:
    plugins = (COMPOSE_DIR / "rabbitmq/enabled_plugins").read_text().strip()

    assert plugins == "[rabbitmq_management,rabbitmq_prometheus]."


def test_the_collector_limits_memory_first_batches_last_and_drops_no_part_of_a_trace(compose: Compose) -> None:
    config = yaml.safe_load((COMPOSE_DIR / "otel/collector.yaml").read_text())
    pipeline = config["service"]["pipelines"]["traces"]

    assert pipeline["processors"] == ["memory_limiter", "batch"]
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == config[kind].keys()  # nothing defined and unused, nothing used and undefined
    assert set(config["service"]["extensions"]) == config["extensions"].keys()
    host, _, port = config["exporters"]["otlp/jaeger"]["endpoint"].partition(":")
    assert host in compose["services"]
    assert port == "4317"


def test_services_send_spans_where_the_collector_listens(compose: Compose) -> None:
    config = yaml.safe_load((COMPOSE_DIR / "otel/collector.yaml").read_text())
    port = config["receivers"]["otlp"]["protocols"]["http"]["endpoint"].rpartition(":")[2]

    for name in ("gateway", "session", "billing", "render"):
        environment = compose["services"][name]["environment"]
        assert environment["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://otel-collector:{port}"

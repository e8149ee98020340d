"""Asks a running stack which metrics of the alerts and dashboards it exports.

``python deploy/checks/exported_metrics.py`` asks the four services of the local stack (``--profile NAME`` another one,
or ``NAME=URL`` for each address), with ``--broker URL`` also RabbitMQ's plugin. Ends with 1 where a metric is not
exported at all. One that is declared may have no sample before its first event: what brings it is printed.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from atelier_local.errors import StackError
from atelier_local.launcher.stack import Stack

COMPOSE_DIR = Path(__file__).resolve().parents[1] / "compose"
SERVICES = ("gateway", "session", "billing", "render")
BROKER = "broker"
BROKER_PATHS = ("/metrics", "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count")
"""What ``deploy/compose/prometheus/prometheus.yml`` asks of the broker."""
TIMEOUT_S = 10.0

BROUGHT_BY = {
    "atelier_admission_seconds": "a create",
    "atelier_batch_messages": "a message",
    "atelier_batch_seconds": "a message",
    "atelier_content_checks_total": "a request with a text that is judged",
    "atelier_credit_declined_total": "a create without enough credits",
    "atelier_credits_moved_total": "a grant or a generation",
    "atelier_deliveries_total": "an output that is taken of a generation that is charged on delivery",
    "atelier_disputes_total": "a dispute that is decided",
    "atelier_eta_p90_total": "a render that took time",
    "atelier_eta_ratio": "a render that took time",
    "atelier_generation_seconds": "a generation that ends",
    "atelier_generations_ended_total": "a generation that ends",
    "atelier_log_checkpoint_unwritten": "a checkpoint, where a store outside keeps it",
    "atelier_messages_consumed_total": "a message",
    "atelier_oldest_open_seconds": "fifteen seconds",
    "atelier_part_ready": "the first scrape",
    "atelier_projection_healed_total": "an event that was lost",
    "atelier_provider_breaker_state": "a remote provider that has a key",
    "atelier_provider_cost_micros_total": "a submission at a declared price",
    "atelier_provider_exposed_submissions": "a submission whose outcome is not known",
    "atelier_provider_exposure_micros": "a submission whose outcome is not known, at a declared price",
    "atelier_provider_failovers_total": "a job that goes on at the next provider",
    "atelier_provider_reconciling": "an answer of a provider that is lost",
    "atelier_reconcile_findings": "the first round of reconciliation",
    "atelier_render_jobs": "a second",
    "atelier_render_objects_removed_total": "an object that is removed",
    "atelier_render_seconds": "a render attempt that ends",
    "atelier_render_unmarked_total": "an output that could not be marked",
    "atelier_renders_total": "a render attempt that ends",
    "atelier_requests_total": "a request",
    "atelier_saga_lost_races_total": "a message that comes too late",
    "atelier_saga_timers_total": "a deadline or a resend",
    "atelier_saga_transitions_total": "a generation",
    "atelier_sagas_unanswered": "fifteen seconds",
    "atelier_subscription_consumers": "a subscription",
    "atelier_subscription_waiting": "a subscription",
    "rabbitmq_detailed_queue_consumers": "a queue",
    "rabbitmq_detailed_queue_messages_ready": "a queue",
    "rabbitmq_detailed_queue_messages_unacked": "a queue",
}
"""What brings the first sample of a metric that has none at the start."""

_NAME = re.compile(r"\b(?:atelier|rabbitmq)_\w+")
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


class Exposition(NamedTuple):
    """What one target exports: the metrics that it declares, and those of them that have a sample."""

    declared: frozenset[str]
    sampled: frozenset[str]


class Finding(NamedTuple):
    """A metric that a rule or a panel uses and that has no sample. ``cause`` is None where nobody declares it."""

    metric: str
    used_by: tuple[str, ...]
    cause: str | None


def load_rules() -> list[dict[str, Any]]:
    """The alert rules that are shipped."""
    groups = yaml.safe_load((COMPOSE_DIR / "prometheus/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def load_expressions() -> list[tuple[str, str]]:
    """Dashboard with panel, and expression, of every target of the dashboards."""
    found: list[tuple[str, str]] = []
    for path in sorted((COMPOSE_DIR / "grafana/dashboards").glob("*.json")):
        panels = json.loads(path.read_text())["panels"]
        found += [(f"{path.stem}: {p['title']}", target["expr"]) for p in panels for target in p.get("targets", [])]
    return found


def list_used() -> dict[str, tuple[str, ...]]:
    """Each metric that a rule or a panel names, as it is declared, and which ones do."""
    texts = [(rule["alert"], rule["expr"]) for rule in load_rules()] + load_expressions()
    used: dict[str, list[str]] = {}
    for place, expression in texts:
        for name in sorted({_SUFFIX.sub("", name) for name in _NAME.findall(expression)}):
            used.setdefault(name, []).append(place)
    return {name: tuple(dict.fromkeys(places)) for name, places in sorted(used.items())}


def read_exposition(text: str) -> Exposition:
    """What a target's text says. Names of counters end with ``_total``."""
    declared, sampled = set(), set()
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        declared.add(name)
        sampled |= {name} if family.samples else set()
    return Exposition(frozenset(declared), frozenset(sampled))


def find_missing(used: Mapping[str, tuple[str, ...]], expositions: Iterable[Exposition]) -> list[Finding]:
    """The metrics without a sample at any target."""
    targets = list(expositions)
    declared: frozenset[str] = frozenset().union(*(target.declared for target in targets))
    sampled: frozenset[str] = frozenset().union(*(target.sampled for target in targets))
    return [
        Finding(name, places, BROUGHT_BY.get(name, "nothing that is known") if name in declared else None)
        for name, places in used.items()
        if name not in sampled
    ]


def ask(url: str, paths: Iterable[str] = ("/metrics",)) -> Exposition:
    """What a target exports at these paths. Raises httpx.HTTPError."""
    with httpx.Client(timeout=TIMEOUT_S, trust_env=False) as http:
        texts = [http.get(f"{url.rstrip('/')}{path}").raise_for_status().text for path in paths]
    parts = [read_exposition(text) for text in texts]
    return Exposition(
        frozenset().union(*(part.declared for part in parts)), frozenset().union(*(part.sampled for part in parts))
    )


def addresses_of(profile: str) -> dict[str, str]:
    """Where the services of a local stack serve their metrics. Raises StackError where it is not up."""
    stack = Stack(profile)
    if stack.status() is None:
        raise StackError(f"the stack {profile} is not up")
    ports = stack.profile.ports | {"gateway": stack.profile.ports["operations"]}
    return {service: f"http://127.0.0.1:{ports[service]}" for service in SERVICES}


def main(arguments: list[str]) -> int:
    """Prints what has no sample; 1 where something is not exported, 2 where a target does not answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("addresses", nargs="*", metavar="NAME=URL", help="where each service serves its metrics")
    parser.add_argument("--profile", default="default", help="the local stack to ask; default: %(default)s")
    parser.add_argument("--broker", metavar="URL", help="where RabbitMQ serves its metrics, as http://127.0.0.1:15692")
    given = parser.parse_args(arguments)
    used = list_used()
    if not given.broker:
        used = {name: places for name, places in used.items() if not name.startswith("rabbitmq_")}
    try:
        addresses = dict(each.split("=", 1) for each in given.addresses) or addresses_of(given.profile)
        expositions = [ask(url) for url in addresses.values()]
        if given.broker:
            expositions.append(ask(given.broker, BROKER_PATHS))
    except (httpx.HTTPError, StackError, ValueError) as error:
        sys.stderr.write(f"asking for the metrics failed: {error}\n")
        return 2
    findings = find_missing(used, expositions)
    for finding in findings:
        state = f"no sample yet; it comes with {finding.cause}" if finding.cause else "NOT EXPORTED"
        sys.stdout.write(f"{finding.metric}  {state}  ({', '.join(finding.used_by)})\n")
    absent = [finding for finding in findings if finding.cause is None]
    left_out = "" if given.broker else "; the broker's were not asked for (--broker)"
    sys.stdout.write(
        f"{len(used)} metrics are used: {len(used) - len(findings)} have samples, {len(findings) - len(absent)} none "
        f"yet, {len(absent)} are not exported{left_out}\n"
    )
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The Kubernetes manifests: valid by its own schemas, closed, fed with what the services read, in step with compose."""

import importlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from atelier_contracts.routes import SERVICES
from atelier_local.backup.installation import S3, VALUES, backup_variable
from atelier_telemetry.server import END_S_MAX

from .test_observability import find_unknown_words
from .test_settings_match import PREFIXES, disagreements, settings_models

Manifest = dict[str, Any]

FOLDER = Path(__file__).resolve().parents[2] / "kubernetes"
VERSION = "1.37"
NO_SCHEMA = {"ScaledObject", "ServiceMonitor"}
"""Kinds that KEDA and the Prometheus operator bring."""
OPERATORS = FOLDER / "operators"
"""Examples of what operators make, in a namespace of its own: ``test_operator_examples.py``."""
MANIFESTS: list[Manifest] = [
    document
    for file in sorted(FOLDER.rglob("*.yaml"))
    if file.parent != OPERATORS
    for document in yaml.safe_load_all(file.read_text())
    if document
]
WORKLOADS = [manifest for manifest in MANIFESTS if manifest["kind"] in ("Deployment", "Job", "CronJob")]
DEPLOYMENTS = [manifest for manifest in WORKLOADS if manifest["kind"] == "Deployment"]


def name_of(manifest: Manifest) -> str:
    name: str = manifest["metadata"]["name"]
    return name


def _names(manifests: list[Manifest]) -> list[str]:
    return [f"{manifest['kind']} {name_of(manifest)}" for manifest in manifests]


def pod_of(manifest: Manifest) -> Manifest:
    """The pod that a workload makes."""
    spec = manifest["spec"]["jobTemplate"]["spec"] if manifest["kind"] == "CronJob" else manifest["spec"]
    pod: Manifest = spec["template"]["spec"]
    return pod


def container_of(manifest: Manifest) -> Manifest:
    containers: list[Manifest] = pod_of(manifest)["containers"]
    [container] = containers
    return container


def named(kind: str, name: str) -> Manifest:
    [found] = [manifest for manifest in MANIFESTS if manifest["kind"] == kind and name_of(manifest) == name]
    return found


def environment_of(manifest: Manifest) -> dict[str, str | None]:
    """What the container gets; None for what a secret holds."""
    container = container_of(manifest)
    given: dict[str, str | None] = {}
    for source in container.get("envFrom", []):
        given |= named("ConfigMap", source["configMapRef"]["name"])["data"]
    for entry in container.get("env", []):
        from_map = entry.get("valueFrom", {}).get("configMapKeyRef")
        given[entry["name"]] = named("ConfigMap", from_map["name"])["data"][from_map["key"]] if from_map else None
        given[entry["name"]] = entry.get("value", given[entry["name"]])
    return given


def secret_keys_of(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """(secret, key) of each that the pod refers to."""
    for entry in container_of(manifest).get("env", []):
        if reference := entry.get("valueFrom", {}).get("secretKeyRef"):
            yield reference["name"], reference["key"]
    for volume in pod_of(manifest)["volumes"]:
        for item in volume.get("secret", {}).get("items", []):
            yield volume["secret"]["secretName"], item["key"]
        for source in volume.get("projected", {}).get("sources", []):
            for item in source["secret"]["items"]:
                yield source["secret"]["name"], item["key"]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=_names(MANIFESTS))
def test_every_manifest_is_what_kubernetes_takes(manifest: Manifest) -> None:
    assert manifest["kind"] == "Namespace" or manifest["metadata"]["namespace"] == "atelier"
    if manifest["kind"] not in NO_SCHEMA:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_a_word_that_kubernetes_does_not_know_is_found() -> None:
    wrong = {**named("Service", "gateway"), "specs": {}}

    with pytest.raises(kubernetes_validate.ValidationError, match="specs"):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


@pytest.mark.parametrize("manifest", WORKLOADS, ids=_names(WORKLOADS))
def test_every_pod_is_unprivileged_read_only_bounded_and_without_a_token_of_the_cluster(manifest: Manifest) -> None:
    pod, container = pod_of(manifest), container_of(manifest)

    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)


@pytest.mark.parametrize("manifest", DEPLOYMENTS, ids=_names(DEPLOYMENTS))
def test_every_service_drains_is_probed_and_is_replaced_without_a_gap(manifest: Manifest) -> None:
    container, drain_s = container_of(manifest), float(environment_of(manifest)["ATELIER_DRAIN_S"] or 0)

    assert manifest["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > drain_s + END_S_MAX
    assert manifest["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    paths = {probe: container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}
    assert paths == {"startup": "/health/live", "readiness": "/health/ready", "liveness": "/health/live"}
    # Probes go to a declared port, which is the one that the settings open.
    [port] = {container[f"{probe}Probe"]["httpGet"]["port"] for probe in ("startup", "readiness", "liveness")}
    service = manifest["spec"]["template"]["metadata"]["labels"]["atelier/service"]
    [declared] = [entry["containerPort"] for entry in container["ports"] if entry["name"] == port]
    assert str(declared) == environment_of(manifest)[f"ATELIER_{service.upper()}_PORT"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_two_processes_and_keeps_one_when_a_node_is_emptied(service: str) -> None:
    budget = named("PodDisruptionBudget", service)["spec"]

    assert named("Deployment", service)["spec"]["replicas"] == 2
    assert (budget["maxUnavailable"], budget["selector"]) == (1, named("Deployment", service)["spec"]["selector"])


@pytest.mark.parametrize("manifest", DEPLOYMENTS, ids=_names(DEPLOYMENTS))
def test_the_environment_of_a_pod_is_what_its_service_reads(manifest: Manifest) -> None:
    service = manifest["spec"]["template"]["metadata"]["labels"]["atelier/service"]
    models = settings_models(importlib.import_module(f"atelier_{service}.settings"))

    assert disagreements(environment_of(manifest).keys(), models) == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_settings_accept_the_values_of_a_pod(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    addresses = {"AMQP_URL": "amqp://a:b@c:5672/", "DATABASE_URL": "postgresql://a:b@c:5432/d"}
    for name, value in environment_of(named("Deployment", service)).items():
        held = next((address for end, address in addresses.items() if name.endswith(end)), f"{len(name)}-" * 12)
        monkeypatch.setenv(name, held if value is None else value)

    settings = importlib.import_module(f"atelier_{service}.settings").Settings()

    assert settings.environment == "production"


@pytest.mark.parametrize("service", SERVICES)
def test_a_migration_job_gets_the_owners_address_and_nothing_else(service: str) -> None:
    assert list(environment_of(named("Job", f"migrate-{service}"))) == [f"ATELIER_{service.upper()}_OWNER_DATABASE_URL"]


def test_secrets_are_referred_to_and_each_is_on_the_page(root: Path) -> None:
    page = (root / "docs/operations/kubernetes.md").read_text()
    keys = {pair for manifest in WORKLOADS for pair in secret_keys_of(manifest)}
    listed = {
        (secret, key)
        for secret, row in re.findall(r"^\| `(atelier-\w+)` \| (.*?) \|", page, re.MULTILINE)
        for key in re.findall(r"`([\w.-]+)`", row)
    }

    assert [manifest for manifest in MANIFESTS if manifest["kind"] == "Secret"] == []
    assert listed == keys


def test_a_secret_reaches_the_pods_that_read_it_alone() -> None:
    holders: dict[tuple[str, str], set[str]] = {}
    for manifest in WORKLOADS:
        for pair in secret_keys_of(manifest):
            holders.setdefault(pair, set()).add(name_of(manifest))

    for service in SERVICES:
        others = {"render-gpu", "backup"} if service == "render" else {"backup"}
        assert {name for (secret, _), names in holders.items() if secret == f"atelier-{service}" for name in names} <= {
            service,
            *others,
        }
        assert holders["atelier-owners", f"{service}-database-url"] == {f"migrate-{service}"}
    assert holders["atelier-operator", "amqp-url"] == {"topology"}
    assert holders["atelier-operator", "s3-secret-key"] == {"bucket"}
    assert holders["atelier-storage", "secret-key"] == {"gateway", "render", "render-gpu", "backup"}
    kept = {
        pair for pair, names in holders.items() if "backup" in names and pair[0] in {f"atelier-{s}" for s in SERVICES}
    }
    assert kept == {
        ("atelier-gateway", "key-pepper"),
        ("atelier-billing", "signing-keys.pem"),
        ("atelier-render", "provenance.pem"),
    }


def test_images_and_memory_are_those_of_the_compose_file(compose: dict[str, Any]) -> None:
    for manifest in WORKLOADS:
        other, container = compose["services"][name_of(manifest)], container_of(manifest)
        memory = other["deploy"]["resources"]["limits"]["memory"]
        assert container["image"] == other["image"]
        assert container["command"] == [word.replace("$$", "$") for word in other["command"]]
        if name_of(manifest) != "bucket":
            assert container["resources"]["limits"]["memory"] == f"{memory}i", name_of(manifest)


def test_a_nightly_backup_gets_what_the_command_reads() -> None:
    given = environment_of(named("CronJob", "backup"))

    assert {*map(backup_variable, SERVICES), *S3, *VALUES, "ATELIER_SIGNING_KEYS_FILE"} <= given.keys()
    assert named("CronJob", "backup")["spec"]["concurrencyPolicy"] == "Forbid"
    assert given["ATELIER_LOG_ORIGIN"] == environment_of(named("Deployment", "billing"))["ATELIER_LOG_ORIGIN"]


def test_session_and_billing_have_no_way_out_of_the_cluster_and_the_operators_port_is_for_two(root: Path) -> None:
    for service in ("session", "billing"):
        assert "ipBlock" not in str(named("NetworkPolicy", service)["spec"]["egress"])
    callers = [rule["from"] for rule in named("NetworkPolicy", "gateway")["spec"]["ingress"] if 8090 in _ports(rule)]
    assert ("ingress-nginx" in str(callers), len(callers)) == (False, 2)
    assert named("NetworkPolicy", "everything")["spec"]["podSelector"] == {}
    assert "ingress" not in named("NetworkPolicy", "everything")["spec"]


def _ports(rule: Manifest) -> set[int]:
    return {entry["port"] for entry in rule["ports"]}


def test_what_is_scaled_exists_and_is_scaled_by_metrics_that_exist() -> None:
    for scaled in [manifest for manifest in MANIFESTS if manifest["kind"] == "ScaledObject"]:
        target = named("Deployment", scaled["spec"]["scaleTargetRef"]["name"])
        assert scaled["spec"]["minReplicaCount"] == target["spec"]["replicas"]
        for trigger in scaled["spec"]["triggers"]:
            assert find_unknown_words(trigger["metadata"].get("query", "")) == []


def test_each_service_is_reached_and_scraped_at_a_port_that_its_pods_have() -> None:
    monitor = named("ServiceMonitor", "atelier")["spec"]
    scraped = set()
    for manifest in [manifest for manifest in MANIFESTS if manifest["kind"] == "Service"]:
        service = manifest["spec"]["selector"]["atelier/service"]
        declared = {(p["name"], p["containerPort"]) for p in container_of(named("Deployment", service))["ports"]}
        assert {(port["targetPort"], port["port"]) for port in manifest["spec"]["ports"]} <= declared
        if manifest["metadata"]["labels"]["atelier/scraped"] == "yes":
            [port] = manifest["spec"]["ports"]
            scraped.add((service, port["name"]))
    assert scraped == {("gateway", "operations"), ("session", "http"), ("billing", "http"), ("render", "http")}
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} == {"http", "operations"}

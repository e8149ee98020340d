"""Kinds that operators bring to a cluster, by the schemas that npm has, and the examples of a database and a broker."""

import json
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from atelier_local import node_packages

from .test_kubernetes import MANIFESTS, NO_SCHEMA, OPERATORS, VERSION, Manifest, container_of, name_of, pod_of

PROGRAMS = Path(__file__).parent / "crds"
EXAMPLES: list[Manifest] = [
    document for file in sorted(OPERATORS.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())
]
WITHOUT_ANY = {"RabbitmqCluster"}
"""Kinds of which no registry has a schema."""
Faults = Callable[[Iterable[Manifest]], list[str | None]]


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    """What the schemas have against each manifest."""
    home, node = tmp_path_factory.mktemp("crds"), node_packages.find_node()
    assert not (reason := node_packages.install(PROGRAMS, home)), reason
    assert node is not None

    def find(manifests: Iterable[Manifest]) -> list[str | None]:
        command = [str(node / "bin/node"), str(home / "validate.mjs")]
        done = subprocess.run(command, input=json.dumps(list(manifests)), capture_output=True, text=True, check=True)
        found: list[str | None] = json.loads(done.stdout)
        return found

    return find


def test_what_operators_read_is_of_their_kinds(faults: Faults) -> None:
    custom = [each for each in MANIFESTS if each["kind"] in NO_SCHEMA]
    custom += [each for each in EXAMPLES if each["kind"] == "Cluster"]

    assert {each["kind"] for each in custom} == {*NO_SCHEMA, "Cluster"}
    assert dict(zip(map(name_of, custom), faults(custom), strict=True)) == dict.fromkeys(map(name_of, custom))


def test_a_value_of_a_wrong_kind_and_a_missing_one_are_found(faults: Faults) -> None:
    [cluster] = [each for each in EXAMPLES if each["kind"] == "Cluster"]
    [scaled] = [each for each in MANIFESTS if each["kind"] == "ScaledObject" and name_of(each) == "render"]
    wrong = [
        {**cluster, "spec": {**cluster["spec"], "instances": "three"}},
        {**scaled, "spec": {**scaled["spec"], "triggers": [{"type": "cpu"}]}},
        {**cluster, "kind": "Clusters"},
    ]

    instances, trigger, kind = faults(wrong)

    assert "spec/instances" in str(instances)
    assert "metadata" in str(trigger)
    assert "no schema of" in str(kind)


def test_the_rest_of_an_example_is_what_kubernetes_takes() -> None:
    rest = [each for each in EXAMPLES if each["kind"] not in {"Cluster", *WITHOUT_ANY}]

    assert [each["kind"] for each in rest] == ["Namespace", "Job"]
    for manifest in rest:
        kubernetes_validate.validate(manifest, VERSION, strict=True)
    [job] = [each for each in rest if each["kind"] == "Job"]
    assert pod_of(job)["automountServiceAccountToken"] is False
    assert container_of(job)["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_databases_job_runs_composes_script_on_the_example_with_composes_image(root: Path) -> None:
    [job] = [each for each in EXAMPLES if each["kind"] == "Job"]
    [cluster] = [each for each in EXAMPLES if each["kind"] == "Cluster"]
    container = container_of(job)
    known = {entry["name"]: entry for entry in container["env"]}

    assert known["PGHOST"]["value"] == f"{name_of(cluster)}-rw"
    assert known["PGPASSWORD"]["valueFrom"]["secretKeyRef"]["name"] == f"{name_of(cluster)}-superuser"
    assert (root / "deploy/compose/postgres" / Path(container["command"][1]).name).exists()
    compose = yaml.safe_load((root / "docker-compose.yml").read_text())
    assert container["image"] == compose["services"]["postgres"]["image"]

"""What docker-compose.yml promises about every container: hardened, bounded, loopback only, no secret in the tree."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import annotated_types

from atelier_contracts.routes import SERVICES
from atelier_gateway.app import IMAGE_WORKERS
from atelier_gateway.settings import Settings
from atelier_render.settings import Settings as RenderSettings
from atelier_storage.upload_identity import upload_policy
from atelier_telemetry.server import END_S_MAX
from atelier_telemetry.settings import TelemetrySettings

Compose = dict[str, Any]

VARIABLE = re.compile(r"\$\{(\w+)(:\?|:-)")
RUNS_ONCE = {
    "minio-volume",
    "bucket",
    "topology",
    "migrate-gateway",
    "migrate-session",
    "migrate-billing",
    "migrate-render",
}
ITSELF_BYTES = 150 * 1024**2
IMAGE_CHILD_BYTES = 700 * 1024**2
"""Measured peak of one that looks at, or makes a still of, a picture of 49 megapixels."""
NO_SHELL_TO_CHECK_WITH = {"otel-collector"}
ROOT_FOR_ONE_ACT = {"minio-volume": ["CHOWN"]}


def test_every_container_is_read_only_without_capabilities_and_not_root(compose: Compose) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service.get("cap_add", []) == ROOT_FOR_ONE_ACT.get(name, []), name
        runs_as_root = str(service["user"]).split(":")[0] in {"0", "root"}
        assert runs_as_root == (name in ROOT_FOR_ONE_ACT), name


def test_every_container_has_a_bound_on_processor_memory_and_processes(compose: Compose) -> None:
    for name, service in compose["services"].items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}, name


def test_every_lasting_container_is_restarted_and_says_whether_it_is_healthy(compose: Compose) -> None:
    for name, service in compose["services"].items():
        assert service["restart"] == ("no" if name in RUNS_ONCE else "unless-stopped"), name
        assert ("healthcheck" in service) == (name not in RUNS_ONCE | NO_SHELL_TO_CHECK_WITH), name


def test_a_container_waits_for_health_or_completion_never_for_a_mere_start(compose: Compose) -> None:
    for name, service in compose["services"].items():
        for other, wait in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if other in RUNS_ONCE else "service_healthy"
            assert wait["condition"] == expected, f"{name} waits for {other}"


def test_ports_are_published_on_the_loopback_interface_only(compose: Compose) -> None:
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert published
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_postgres_is_in_an_internal_network_with_the_services_alone(compose: Compose) -> None:
    members = {name for name, service in compose["services"].items() if "data" in service.get("networks", [])}

    assert compose["networks"]["data"] == {"internal": True}
    services = {"gateway", "session", "billing", "render"}
    assert members == services | {f"migrate-{name}" for name in services} | {"postgres"}


def test_only_what_must_reach_others_or_publishes_a_port_has_a_way_out(compose: Compose) -> None:
    outward = {name for name, network in compose["networks"].items() if not network.get("internal")}
    has_a_way_out = {
        name
        for name, service in compose["services"].items()
        if service.get("network_mode") != "none" and outward & set(service.get("networks", outward))
    }
    publishes = {name for name, service in compose["services"].items() if service.get("ports")}

    assert has_a_way_out == publishes | {"gateway", "render"}
    assert not has_a_way_out & {"session", "billing", "postgres"}


def test_a_service_has_time_to_drain_and_to_end_before_it_is_killed(compose: Compose) -> None:
    [drain_s_max] = [
        bound.le
        for bound in TelemetrySettings.model_fields["drain_s"].metadata
        if isinstance(bound, annotated_types.Le)
    ]
    for name in SERVICES:
        grace_s = int(compose["services"][name]["stop_grace_period"].removesuffix("s"))
        assert grace_s > float(str(drain_s_max)) + END_S_MAX, name


def test_the_gateway_may_use_the_memory_that_the_bodies_it_lets_in_need(compose: Compose) -> None:
    """A body is held raw, as a document and decoded; its pictures are decoded by children within the same limit."""
    bodies = Settings.model_fields["bodies_bytes_max"].default

    assert memory_limit(compose, "gateway") >= ITSELF_BYTES + IMAGE_WORKERS * IMAGE_CHILD_BYTES + 4 * bodies


def test_render_may_use_the_memory_that_its_image_children_and_its_tmpfs_need(compose: Compose) -> None:
    workers = RenderSettings.model_fields["render_image_workers"].default
    [spool] = re.findall(r"size=(\d+)m", str(compose["services"]["render"]["tmpfs"]))

    assert memory_limit(compose, "render") >= ITSELF_BYTES + workers * IMAGE_CHILD_BYTES + int(spool) * 1024**2


def memory_limit(compose: Compose, name: str) -> int:
    """In bytes."""
    limit = compose["services"][name]["deploy"]["resources"]["limits"]["memory"]
    return int(limit[:-1]) * {"M": 1024**2, "G": 1024**3}[limit[-1]]


def test_the_brokers_log_in_memory_fits_its_memory(root: Path) -> None:
    lines = (root / "deploy/compose/rabbitmq/rabbitmq.conf").read_text().splitlines()

    assert "raft.wal_max_size_bytes = 64000000" in lines


def test_an_owner_password_reaches_postgres_and_its_own_migration_only(compose: Compose) -> None:
    for owner in ("gateway", "session", "billing", "render"):
        holders = {
            name
            for name, service in compose["services"].items()
            if f"{owner.upper()}_OWNER_PASSWORD" in str(service.get("environment"))
        }
        assert holders == {"postgres", f"migrate-{owner}"}


def test_a_password_of_the_broker_reaches_its_own_service_only_and_the_operators_the_topology_alone(
    compose: Compose,
) -> None:
    services = ("gateway", "session", "billing", "render")
    for service in services:
        holders = _holders(compose, f"RABBITMQ_{service.upper()}_PASSWORD")
        assert holders == {service}
    assert _holders(compose, "RABBITMQ_PASSWORD") == {"topology"}
    for service in services:
        assert compose["services"][service]["depends_on"]["topology"] == {"condition": "service_completed_successfully"}


def _holders(compose: Compose, secret: str) -> set[str]:
    return {name for name, service in compose["services"].items() if f"{{{secret}:" in str(service.get("environment"))}


def test_every_image_is_pinned_by_a_tag_that_does_not_say_latest(compose: Compose) -> None:
    for name, service in compose["services"].items():
        _, _, tag = service["image"].partition(":")
        assert tag, name
        assert "latest" not in tag, name


def test_every_secret_of_the_compose_file_is_required_and_made_by_make_env(root: Path, tmp_path: Path) -> None:
    references = VARIABLE.findall((root / "docker-compose.yml").read_text())
    required = {name for name, operator in references if operator == ":?"}
    with_default = {name for name, operator in references if operator == ":-"}

    subprocess.run(
        [root / "deploy/compose/make-env.sh", tmp_path / ".env", tmp_path / "secrets"], check=True, capture_output=True
    )
    written = {
        line.partition("=")[0] for line in (tmp_path / ".env").read_text().splitlines() if not line.startswith("#")
    }

    assert required == written - {"ATELIER_ENVIRONMENT"}
    assert not {name for name in with_default if re.search("PASSWORD|TOKEN|SECRET|PEPPER|KEY", name)}


def test_every_mounted_path_exists_or_is_made_by_make_env(compose: Compose, root: Path) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    sources = [mount["source"] if isinstance(mount, dict) else mount.split(":")[0] for mount in mounts]
    paths = [Path(source) for source in sources if source.startswith(".")]

    assert paths
    assert [path for path in paths if ".secrets" not in path.parts and not (root / path).exists()] == []


def test_scripts_that_containers_run_are_executable_for_everybody(root: Path) -> None:
    for script in (root / "deploy/compose").rglob("*.sh"):
        assert script.stat().st_mode & 0o555 == 0o555, script


def test_the_identity_for_uploads_gets_the_policy_that_the_services_expect(root: Path) -> None:
    script = (root / "deploy/compose/minio/create-bucket.sh").read_text()
    [policy] = re.findall(r"cat >/tmp/uploads.json <<POLICY\n(.*?)\nPOLICY\n", script, re.DOTALL)

    assert json.loads(policy.replace("$BUCKET", "pictures")) == upload_policy("pictures")


def test_the_identity_for_uploads_is_known_to_the_gateway_alone(compose: Compose) -> None:
    holders = {
        name for name, service in compose["services"].items() if "UPLOAD_SECRET_KEY" in str(service.get("environment"))
    }

    assert holders == {"gateway", "bucket"}

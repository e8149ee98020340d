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
from atelier_local.backup.installation import KEY_FILES, S3, VALUES, backup_variable
from atelier_render.settings import Settings as RenderSettings
from atelier_storage.upload_identity import upload_policy
from atelier_telemetry.server import END_S_MAX
from atelier_telemetry.settings import TelemetrySettings

Compose = dict[str, Any]

VARIABLE = re.compile(r"\$\{(\w+)(:\?|:-)")
RUNS_ONCE = {
    "backup",
    "objectstore-volume",
    "caddy-volume",
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
ROOT_FOR_ONE_ACT = {"objectstore-volume": ["CHOWN"], "caddy-volume": ["CHOWN"]}


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
    published = {name: service.get("ports", []) for name, service in compose["services"].items() if name != "caddy"}

    assert any(published.values())
    assert [port for ports in published.values() for port in ports if not port.startswith("127.0.0.1:")] == []


def test_the_proxy_for_the_world_is_started_by_its_profile_alone_and_reaches_nothing_but_the_two_doors(
    compose: Compose, root: Path
) -> None:
    caddy, file = compose["services"]["caddy"], (root / "deploy/compose/caddy/Caddyfile").read_text()
    members = {name for name, service in compose["services"].items() if "edge" in service.get("networks", [])}

    assert (caddy["profiles"], caddy["networks"]) == (["tls"], ["edge"])
    assert members == {"caddy", "gateway", "objectstore"}
    assert set(re.findall(r"reverse_proxy (\S+)", file)) == {"gateway:8000", "objectstore:8333"}
    assert {port.rpartition(":")[2] for port in caddy["ports"]} == set(re.findall(r"https?_port (\d+)", file))
    assert set(re.findall(r"\{\$(\w+)\}", file)) <= caddy["environment"].keys()


def test_what_a_profile_brings_is_not_waited_for_by_what_always_runs(compose: Compose) -> None:
    optional = {name for name, service in compose["services"].items() if service.get("profiles")}
    waited_for = {
        other
        for name, service in compose["services"].items()
        if name not in optional
        for other in service.get("depends_on", {})
    }

    assert optional == {"backup", "caddy", "caddy-volume", "redis", "render-gpu"}
    assert waited_for & optional == set()


def test_render_can_be_scaled(compose: Compose) -> None:
    render = compose["services"]["render"]

    assert {"ports", "container_name", "hostname"} & render.keys() == set()
    assert [mount for mount in render["volumes"] if not mount.endswith(":ro")] == []


def test_a_render_process_on_a_gpu_differs_from_others_in_its_model_alone(compose: Compose) -> None:
    plain, gpu = (compose["services"][name]["environment"] for name in ("render", "render-gpu"))

    assert {name for name in gpu if gpu[name] != plain.get(name)} == {
        "ATELIER_DIFFUSERS_MODEL",
        "ATELIER_DIFFUSERS_DEVICE",
        "HF_HOME",
    }
    assert plain.keys() <= gpu.keys()


def test_postgres_is_in_an_internal_network_with_the_services_alone(compose: Compose) -> None:
    members = {name for name, service in compose["services"].items() if "data" in service.get("networks", [])}

    assert compose["networks"]["data"] == {"internal": True}
    services = {"gateway", "session", "billing", "render"}
    assert members - {"render-gpu"} == services | {f"migrate-{name}" for name in services} | {"backup", "postgres"}


def test_only_what_must_reach_others_or_publishes_a_port_has_a_way_out(compose: Compose) -> None:
    outward = {name for name, network in compose["networks"].items() if not network.get("internal")}
    has_a_way_out = {
        name
        for name, service in compose["services"].items()
        if service.get("network_mode") != "none" and outward & set(service.get("networks", outward))
    }
    publishes = {name for name, service in compose["services"].items() if service.get("ports")}

    assert has_a_way_out == publishes | {"gateway", "render", "render-gpu"}
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
        assert holders - {"render-gpu"} == {service}
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


def test_the_last_checkpoint_of_the_log_lies_on_a_volume_that_the_database_does_not_mount(compose: Compose) -> None:
    services = compose["services"]
    file = Path(services["billing"]["environment"]["ATELIER_LOG_CHECKPOINT_FILE"])
    [volume] = [source for source, target in _mounts(services["billing"]) if Path(target) == file.parent]

    users = {name for name, service in services.items() if volume in dict(_mounts(service))}
    assert (volume in compose["volumes"], users) == (True, {"billing"})


def _mounts(service: Compose) -> list[tuple[str, str]]:
    """Source and target of each mount written in the short form."""
    written = [mount.split(":") for mount in service.get("volumes", []) if isinstance(mount, str)]
    return [(source, target) for source, target, *_ in written]


def test_scripts_that_containers_run_are_executable_for_everybody(root: Path) -> None:
    for script in (root / "deploy/compose").rglob("*.sh"):
        assert script.stat().st_mode & 0o555 == 0o555, script


def test_the_identity_for_uploads_gets_the_policy_that_the_services_expect(secrets_folder: Path) -> None:
    known = json.loads((secrets_folder / "objectstore" / "identities.json").read_text())
    policies = {policy["name"]: json.loads(policy["content"]) for policy in known["policies"]}
    [uploads] = [identity for identity in known["identities"] if identity["name"] == "uploads"]

    assert policies["put-uploads"] == upload_policy("atelier")
    assert (uploads["policyNames"], "actions" in uploads) == (["put-uploads"], False)


def test_the_identity_for_uploads_is_known_to_the_gateway_alone(compose: Compose) -> None:
    holders = {
        name for name, service in compose["services"].items() if "UPLOAD_SECRET_KEY" in str(service.get("environment"))
    }

    assert holders == {"gateway"}


def test_a_backup_gets_what_the_command_reads_and_keeps_it_on_a_volume_of_its_own(compose: Compose) -> None:
    backup = compose["services"]["backup"]
    needed = {*map(backup_variable, SERVICES), *S3, *VALUES, *KEY_FILES.values()}

    assert needed <= backup["environment"].keys()
    assert [name for name, service in compose["services"].items() if "backups" in dict(_mounts(service))] == ["backup"]
    assert (
        backup["environment"]["ATELIER_LOG_ORIGIN"]
        == compose["services"]["billing"]["environment"]["ATELIER_LOG_ORIGIN"]
    )

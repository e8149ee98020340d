"""One private RabbitMQ node: which program, in which environment, with which configuration.

The scripts below ``usr/lib/rabbitmq`` are used and not those on the PATH, which insist on the system's user and
folders. A node needs about 7 s to start, 150 MB, and idle 1 % of a core.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atelier_local.launcher.profile import Profile, write_private
from atelier_local.server_versions import releases

# Two schedulers: one a core of a big machine would cost memory for nothing. That they do not spin is the default here.
ERLANG_ARGS = "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}"
TICK_S = 8
"""Seconds after which its neighbours consider a frozen node down; the default minute would block its queues."""
DISCONNECTED_MS_MAX = 5_000
"""How long messages wait for the consumers that were connected to a node which is unavailable, from RabbitMQ 4.3 on."""
FOLDERS = ("data", "log", "generated", "schema")


def release(profile: Profile) -> releases.RabbitmqRelease:
    """The server that this profile runs on. Raises MissingPart."""
    return releases.rabbitmq(profile.servers.get(releases.RABBITMQ, ""))


def has_data(profile: Profile, node: str) -> bool:
    """Whether the node has run before."""
    return (_home(profile, node) / "data").exists()


def dist_port(profile: Profile, node: str) -> int:
    """Where a node takes the connections of others."""
    return profile.ports[node.replace("rabbitmq", "erlang")]


def environment(profile: Profile, node: str) -> dict[str, str]:
    """All of it: nothing of the caller's reaches a node, but the PATH."""
    home, ports = _home(profile, node), profile.ports
    ticking = f" -kernel net_ticktime {TICK_S}" if len(profile.brokers) > 1 else ""
    return {
        "PATH": release(profile).path,
        "LANG": "C.UTF-8",
        "HOME": str(_home(profile, profile.brokers[0])),  # where Erlang keeps the cookie, one for all nodes
        "ERL_EPMD_PORT": str(ports[f"front-{node}" if profile.has_links else "epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RABBITMQ_NODENAME": _nodename(node),
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports[node]),
        "RABBITMQ_DIST_PORT": str(dist_port(profile, node)),
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_PID_FILE": str(home / "node.pid"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
        "RABBITMQ_SCHEMA_DIR": str(home / "schema"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGS + ticking,
        # Makes the script become the node instead of waiting beside it: pid and signals are then the node's.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def configure(profile: Profile, node: str, definitions: Mapping[str, Any]) -> None:
    """Writes what the node reads at each start. With definitions given it makes no guest of its own."""
    home = _home(profile, node)
    for folder in (home, *(home / name for name in FOLDERS)):
        folder.mkdir(exist_ok=True)
    write_private(home / "definitions.json", json.dumps(definitions))
    (home / "enabled_plugins").write_text("[].\n")
    (home / "rabbitmq.conf").write_text(
        f"""listeners.tcp.1 = 127.0.0.1:{profile.ports[node]}
load_definitions = {home / "definitions.json"}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
raft.wal_max_size_bytes = 64000000
log.console = true
log.console.level = info
log.file = false
{_cluster_settings(profile)}"""
    )


def _cluster_settings(profile: Profile) -> str:
    """How a node finds the others, and that the smaller side of a split stops: its clients go to the larger one."""
    if len(profile.brokers) == 1:
        return ""
    # From 4.3 the smaller side stops of itself; and what is with consumers beyond a lost node would wait for a minute.
    split = (
        f"consumer_disconnected_timeout = {DISCONNECTED_MS_MAX}"
        if release(profile).is_at_least(4, 3)
        else "cluster_partition_handling = pause_minority"
    )
    return f"""cluster_name = {profile.name}
{split}
cluster_formation.peer_discovery_backend = classic_config
cluster_formation.classic_config.nodes.1 = {_nodename(profile.brokers[0])}
queue_leader_locator = balanced
"""


def _home(profile: Profile, node: str) -> Path:
    return profile.home / node


def _nodename(node: str) -> str:
    return f"{node.replace('rabbitmq', 'atelier')}@localhost"

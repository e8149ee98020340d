"""RabbitMQ as a private node: Debian's server, our folder, our ports, loopback only, a user a service, no guest.

Two parts. ``epmd``, Erlang's port mapper, would be started by the node itself as a daemon that outlives it; started
beforehand as our own child, it goes when we go. The scripts below ``/usr/lib/rabbitmq`` are used and not those on the
PATH, which insist on the system's user and folders. The node needs about 7 s, 150 MB, and idle 1 % of a core.
"""

import asyncio
import base64
import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
from aio_pika.connection import make_url

from atelier_local.errors import MissingPart, StackError
from atelier_local.part import Part, port_answers
from atelier_local.profile import Profile, write_private
from atelier_messaging import topology
from atelier_messaging.addresses import addresses_of
from atelier_messaging.permissions import USERS, definitions
from atelier_messaging.senders import OPERATOR

INSTALL = "sudo apt-get install --no-install-recommends rabbitmq-server  (`make setup` does that)"
SCRIPTS = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"

# Two schedulers: one a core of a big machine would cost memory for nothing. That they do not spin is the default here.
ERLANG_ARGS = "+S 2:2 -kernel inet_dist_use_interface {127,0,0,1}"


def amqp_url(profile: Profile, user: str = OPERATOR) -> str:
    """Address of the node, with a user's name and password: the operator's, or that of a service."""
    return f"amqp://{user}:{_password(profile, user)}@127.0.0.1:{profile.ports['rabbitmq']}/"


def parts(profile: Profile) -> list[Part]:
    """The port mapper and the node."""
    script, epmd = _server_script(), shutil.which("epmd")
    if epmd is None:
        raise MissingPart("RabbitMQ (its Erlang)", INSTALL)
    home, ports = profile.home / "rabbitmq", profile.ports
    env = _environment(home, ports)
    return [
        Part(
            name="epmd",
            command=(epmd, "-address", "127.0.0.1", "-port", str(ports["epmd"])),
            env=env,
            probe=lambda: port_answers(ports["epmd"]),
        ),
        Part(
            name="rabbitmq",
            command=(str(script),),
            env=env,
            needs=("epmd",),
            prepare=lambda: _configure(profile, home),
            probe=lambda: answers(amqp_url(profile)),
            settle=lambda: declare(amqp_url(profile), profile),
            url=f"amqp://127.0.0.1:{ports['rabbitmq']}/",
            stop_grace_s=20.0,
        ),
    ]


async def declare(url: str, profile: Profile) -> None:
    """Declares the topology and takes the virtual host for this stack. Raises StackError where it is another's."""
    try:
        await topology.declare_at(url, profile.secrets["installation"])
    except topology.OtherTopology as other:
        raise StackError(str(other)) from None
    except (OSError, TimeoutError, aio_pika.exceptions.AMQPError) as error:
        raise StackError(f"the topology could not be declared on the broker: {error!r}") from None


def release(profile: Profile, url: str) -> None:
    """Gives a virtual host back that outlives this stack; where the broker is away, the next stack there says so."""
    with suppress(topology.OtherTopology, OSError, TimeoutError, aio_pika.exceptions.AMQPError):
        asyncio.run(topology.release(url, profile.secrets["installation"]))


async def answers(text: str) -> bool:
    """Whether one of the brokers lets us in."""
    return any([await _answers(url) for url in addresses_of(text)])


async def _answers(url: str) -> bool:
    address = urlsplit(url)
    default = 5671 if address.scheme == "amqps" else 5672
    if not await port_answers(address.port or default, address.hostname or "127.0.0.1"):
        return False  # spares the logs what aio-pika says about a refused connection
    # Not aio_pika.connect: what it could not connect it leaves open, to be closed by the collector without a loop.
    connection = aio_pika.Connection(make_url(url))
    try:
        await connection.connect(timeout=3.0)
    except (OSError, TimeoutError, aio_pika.exceptions.AMQPError):
        return False
    finally:
        await connection.close()
    return True


def _server_script() -> Path:
    found = sorted(Path("/").glob(SCRIPTS.lstrip("/")))
    if not found:
        raise MissingPart("RabbitMQ", INSTALL)
    return found[-1]


def _environment(home: Path, ports: dict[str, int]) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(home),  # where Erlang keeps the cookie
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_CRASH_DUMP_SECONDS": "0",
        "RABBITMQ_NODENAME": "atelier@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(ports["rabbitmq"]),
        "RABBITMQ_DIST_PORT": str(ports["erlang"]),
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
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ERLANG_ARGS,
        # Makes the script become the node instead of waiting beside it: pid and signals are then the node's.
        "RUNNING_UNDER_SYSTEMD": "true",
    }


def _configure(profile: Profile, home: Path) -> None:
    for folder in (home, home / "data", home / "log", home / "generated", home / "schema"):
        folder.mkdir(exist_ok=True)
    hashes = {user: _hash(_password(profile, user)) for user in USERS}
    # Read by the node at each start. With definitions given it makes no guest of its own.
    write_private(home / "definitions.json", json.dumps(definitions(hashes)))
    (home / "enabled_plugins").write_text("[].\n")
    (home / "rabbitmq.conf").write_text(
        f"""listeners.tcp.1 = 127.0.0.1:{profile.ports["rabbitmq"]}
load_definitions = {home / "definitions.json"}
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
raft.wal_max_size_bytes = 64000000
log.console = true
log.console.level = info
log.file = false
"""
    )


def _password(profile: Profile, user: str) -> str:
    return profile.secrets["amqp_password" if user == OPERATOR else f"amqp_{user}_password"]


def _hash(password: str) -> str:
    salt = hashlib.sha256(password.encode()).digest()[:4]  # fixed by the password: a restart changes no file
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()

"""RabbitMQ as private nodes: Debian's server, our folder, our ports, loopback only, a user a service, no guest.

One node; in a profile called ``cluster`` three, which share the port mapper and the cookie. ``epmd``, Erlang's port
mapper, would be started by a node itself as a daemon that outlives it; started beforehand as our own child, it goes
when we go.
"""

import asyncio
import base64
import hashlib
import shutil
import sys
from contextlib import suppress
from urllib.parse import urlsplit

import aio_pika
from aio_pika.connection import make_url

from atelier_local.errors import MissingPart, StackError
from atelier_local.launcher import rabbitmq_node
from atelier_local.launcher.part import Part, port_is_open
from atelier_local.launcher.profile import Profile
from atelier_local.server_versions import releases
from atelier_messaging import topology
from atelier_messaging.addresses import addresses_of
from atelier_messaging.permissions import USERS, definitions
from atelier_messaging.senders import OPERATOR


def amqp_url(profile: Profile, user: str = OPERATOR) -> str:
    """The address of every node, with a user's name and password: the operator's, or that of a service."""
    nodes = ",".join(f"127.0.0.1:{profile.ports[node]}" for node in profile.brokers)
    return f"amqp://{user}:{_password(profile, user)}@{nodes}/"


def node_url(profile: Profile, node: str) -> str:
    """The operator's address of one node."""
    return f"amqp://{OPERATOR}:{_password(profile, OPERATOR)}@127.0.0.1:{profile.ports[node]}/"


def parts(profile: Profile, partitions: int = 1) -> list[Part]:
    """The port mapper and the nodes. The last one declares the topology: each queue has a member on every node then."""
    epmd = shutil.which("epmd", path=rabbitmq_node.release(profile).path)
    if epmd is None:
        raise MissingPart("RabbitMQ (its Erlang)", releases.INSTALL_RABBITMQ)
    port = profile.ports["epmd"]
    mapper = Part(
        name="epmd",
        command=(epmd, "-address", "127.0.0.1", "-port", str(port)),
        env=rabbitmq_node.environment(profile, profile.brokers[0]),
        probe=lambda: port_is_open(port),
    )
    links = [_links(profile, node) for node in profile.brokers] if profile.has_links else []
    return [mapper, *links, *(_node(profile, node, partitions) for node in profile.brokers)]


def links_of(node: str) -> str:
    """The part that carries a node's connections with the others of its cluster, where the profile has such."""
    return f"links-{node}"


def _links(profile: Profile, node: str) -> Part:
    front, inbound = profile.ports[f"front-{node}"], profile.ports[f"inbound-{node}"]
    ports = (profile.ports["epmd"], front, inbound, rabbitmq_node.dist_port(profile, node))
    return Part(
        name=links_of(node),
        command=(sys.executable, "-m", "atelier_local.launcher.broker_links", *(str(port) for port in ports)),
        env={"PATH": rabbitmq_node.release(profile).path},
        needs=("epmd",),
        probe=lambda: port_is_open(front),
    )


def _node(profile: Profile, node: str, partitions: int) -> Part:
    hashes = {user: _hash(_password(profile, user)) for user in USERS}
    return Part(
        name=node,
        command=(str(rabbitmq_node.release(profile).script),),
        env=rabbitmq_node.environment(profile, node),
        needs=(links_of(node) if profile.has_links else "epmd", *_waits_for(profile, node)),
        prepare=lambda: rabbitmq_node.configure(profile, node, definitions(hashes)),
        probe=lambda: is_ready(node_url(profile, node)),
        settle=(lambda: declare(amqp_url(profile), profile, partitions)) if node == profile.brokers[-1] else None,
        url=f"amqp://127.0.0.1:{profile.ports[node]}/",
        ready_timeout_s=60.0 * len(profile.brokers) + (partitions - 1) * topology.PARTITION_DECLARE_S,
        stop_grace_s=20.0,
    )


def _waits_for(profile: Profile, node: str) -> tuple[str, ...]:
    """A new node joins those before it. One that has been a member does not wait: after a stop of all of them none
    starts without the one that stopped last."""
    if rabbitmq_node.has_data(profile, node):
        return ()
    return profile.brokers[: profile.brokers.index(node)]


async def declare(url: str, profile: Profile, partitions: int = 1) -> None:
    """Declares the topology and takes the virtual host for this stack. Raises StackError where it is another's."""
    try:
        await topology.declare_at(url, profile.secrets["installation"], partitions)
    except topology.OtherTopology as error:
        raise StackError(str(error)) from None
    except (OSError, TimeoutError, aio_pika.exceptions.AMQPError) as error:
        raise StackError(
            f"the topology could not be declared on the broker: {error!r}; see rabbitmq.log and try again"
        ) from None


def release(profile: Profile, url: str) -> None:
    """Gives a virtual host back that outlives this stack; where the broker is unavailable, the next stack there reports
    it."""
    with suppress(topology.OtherTopology, OSError, TimeoutError, aio_pika.exceptions.AMQPError):
        asyncio.run(topology.unmark_virtual_host(url, profile.secrets["installation"]))


async def is_ready(text: str) -> bool:
    """Whether one of the brokers lets us in."""
    return any([await _accepts_login(url) for url in addresses_of(text)])


async def _accepts_login(url: str) -> bool:
    address = urlsplit(url)
    default = 5671 if address.scheme == "amqps" else 5672
    if not await port_is_open(address.port or default, address.hostname or "127.0.0.1"):
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


def _password(profile: Profile, user: str) -> str:
    return profile.secrets["amqp_password" if user == OPERATOR else f"amqp_{user}_password"]


def _hash(password: str) -> str:
    salt = hashlib.sha256(password.encode()).digest()[:4]  # fixed by the password: a restart changes no file
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()

"""Broker users of subscribers, by ``rabbitmqctl``: the right to make users belongs to who runs the broker, not to a
service. Where it cannot be run from here, the error holds the commands for whoever can."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from yarl import URL

from atelier_local.errors import AtelierError
from atelier_local.launcher import rabbitmq_node
from atelier_local.launcher.stack import Stack
from atelier_messaging.addresses import addresses_of
from atelier_messaging.permissions import subscriber_permissions

VARIABLE = "ATELIER_RABBITMQCTL"
RUN_S_MAX = 60.0


def user_of(name: str) -> str:
    """The broker user of a subscription."""
    return f"subscriber.{name}"


@dataclass(frozen=True, slots=True)
class BrokerUsers:
    """Makes and deletes users on one virtual host; ``command`` is ``rabbitmqctl`` or what runs it elsewhere."""

    command: tuple[str, ...]
    vhost: str
    env: Mapping[str, str] | None = None

    def create(self, name: str, password: str) -> None:
        """Creates the user, which reads the one queue and may nothing else; or renews it. Raises AtelierError."""
        user = user_of(name)
        may = subscriber_permissions(name)
        if user in self._run(["list_users", "--no-table-headers", "--silent"]).split():
            self._run(["change_password", user], password)
        else:
            self._run(["add_user", user], password)
        self._run(["set_permissions", "-p", self.vhost, user, may["configure"], may["write"], may["read"]])

    def delete(self, name: str) -> None:
        """Deletes the user, if there is one. Raises AtelierError."""
        if user_of(name) in self._run(["list_users", "--no-table-headers", "--silent"]).split():
            self._run(["delete_user", user_of(name)])

    def export_definitions(self) -> str:
        """Users, permissions and all else of the broker, as JSON. Raises AtelierError."""
        return self._run(["export_definitions", "--silent", "-"])

    def import_definitions(self, definitions: str) -> None:
        """Adds what these definitions name and the broker lacks. Raises AtelierError."""
        self._run(["import_definitions", "--silent", "-"], definitions)

    def _run(self, arguments: Sequence[str], stdin: str = "") -> str:
        """The password goes by standard input: arguments can be read by every user of a machine."""
        line = [*self.command, *arguments]
        try:
            done = subprocess.run(
                line, input=stdin + "\n", env=self.env, capture_output=True, text=True, timeout=RUN_S_MAX, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise AtelierError(f"Could not run {shlex.join(line)}: {error}; {HINT}") from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise AtelierError(f"{shlex.join(line)} failed: {said[0] if said else done.returncode}; {HINT}")
        return done.stdout


HINT = f"name the command that manages your broker in {VARIABLE}, such as 'docker compose exec -T rabbitmq rabbitmqctl'"


def broker_users(profile: str | None, amqp_url: str, environ: Mapping[str, str] = os.environ) -> BrokerUsers:
    """For the broker at this address: by the command that the environment names, else by that of a local stack.
    Raises AtelierError where there is neither."""
    address = URL(addresses_of(amqp_url)[0])
    vhost = unquote(address.raw_path.removeprefix("/")) or "/"
    if given := environ.get(VARIABLE):
        return BrokerUsers(tuple(shlex.split(given)), vhost)
    stack = Stack(profile or "default")
    if (stack.home / "env").is_file():
        known = stack.profile
        for node in known.brokers:
            if address.port == known.ports[node] and address.host in ("127.0.0.1", "localhost"):
                script = rabbitmq_node.release(known).script.with_name("rabbitmqctl")
                return BrokerUsers((str(script),), vhost, rabbitmq_node.environment(known, node))
    raise AtelierError(f"Broker users cannot be made from here; {HINT}.")


def address_for(amqp_url: str, name: str, password: str) -> str:
    """The address as the subscriber logs in."""
    first = urlsplit(amqp_url)
    hosts = first.netloc.rpartition("@")[2]
    return first._replace(netloc=f"{user_of(name)}:{password}@{hosts}", query="").geturl()

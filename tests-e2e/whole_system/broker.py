"""The stack's own broker in the hands of its operator."""

import subprocess
from pathlib import Path

from atelier_local.errors import StackError
from atelier_local.launcher import rabbitmq
from atelier_local.launcher.stack import Stack

CTL_S_MAX = 90.0
"""Deleting a virtual host with all its queues takes long on a busy machine."""
QUEUE_COLUMNS = ("name", "messages_ready", "messages_unacknowledged", "consumers", "leader", "online", "state")


def rabbitmqctl(stack: Stack, *words: str, node: str = "rabbitmq") -> str:
    """What the command prints about a node. Raises StackError."""
    broker = next(part for part in rabbitmq.parts(stack.profile) if part.name == node)
    program = str(Path(broker.command[0]).with_name("rabbitmqctl"))
    done = subprocess.run([program, *words], env=broker.env, capture_output=True, text=True, timeout=CTL_S_MAX)
    if done.returncode:
        raise StackError(f"rabbitmqctl {words[0]}: {done.stderr.strip()[:200] or done.stdout.strip()[:200]}")
    return done.stdout


def find_waiting(stack: Stack) -> list[str]:
    """The queues that hold messages, as the first node knows them that answers: how many wait, how many are with
    consumers, how many consumers there are, which node leads and which members are up."""
    silent = []
    for node in stack.profile.brokers:
        try:
            table = rabbitmqctl(stack, "--silent", "-t", "20", "list_queues", *QUEUE_COLUMNS, node=node)
        except (StackError, subprocess.TimeoutExpired) as error:
            silent.append(f"{node} does not say: {error}")
            continue
        rows = [line.split("\t") for line in table.splitlines()]
        waiting = [row for row in rows if len(row) == len(QUEUE_COLUMNS) and row[1:3] != ["0", "0"]]
        return silent + [
            f"{node}: " + ", ".join(f"{key} {value}" for key, value in zip(QUEUE_COLUMNS, row, strict=True))
            for row in waiting
        ]
    return silent


def serve_metrics(stack: Stack, port: int) -> None:
    """Starts the plugin ``rabbitmq_prometheus`` in the node that runs, on this port of the loopback interface, until
    the node is started again."""
    plugins = stack.profile.home / "rabbitmq/enabled_plugins"
    plugins.write_text("[rabbitmq_prometheus].\n")
    listener = f'[{{ip, "127.0.0.1"}}, {{port, {port}}}]'
    code = (
        f"application:set_env(rabbitmq_prometheus, tcp_config, {listener}),"
        f'{{ok, _, _}} = rabbit_plugins:ensure("{plugins}").'
    )
    rabbitmqctl(stack, "eval", code)

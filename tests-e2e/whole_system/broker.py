"""The stack's own broker in the hands of its operator."""

import subprocess
from pathlib import Path

from atelier_local.errors import StackError
from atelier_local.launcher import rabbitmq
from atelier_local.launcher.stack import Stack

CTL_S_MAX = 90.0
"""Deleting a virtual host with all its queues takes long on a busy machine."""


def rabbitmqctl(stack: Stack, *words: str) -> str:
    """What the command prints about the first node. Raises StackError."""
    broker = next(part for part in rabbitmq.parts(stack.profile) if part.name == "rabbitmq")
    program = str(Path(broker.command[0]).with_name("rabbitmqctl"))
    done = subprocess.run([program, *words], env=broker.env, capture_output=True, text=True, timeout=CTL_S_MAX)
    if done.returncode:
        raise StackError(f"rabbitmqctl {words[0]}: {done.stderr.strip()[:200] or done.stdout.strip()[:200]}")
    return done.stdout


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

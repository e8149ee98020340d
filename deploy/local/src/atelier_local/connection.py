"""Addresses and secrets of a running stack: from the environment, else from the env file of ``make up``."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

import typer

from atelier_local.errors import AtelierError
from atelier_local.launcher.control_socket import start_command
from atelier_local.launcher.profile import home_of, read_settings

OPERATIONS_PORT = 8090
"""The gateway's default for ``ATELIER_OPERATIONS_PORT``."""
ProfileName = Annotated[str | None, typer.Option("--profile", envvar="PROFILE", help="which local stack")]


@dataclass(frozen=True, slots=True)
class Connection:
    """What the commands need of an installation. The admin API answers at ``operations_url``; ``traces_url`` is None
    where no trace viewer runs."""

    url: str
    operations_url: str
    admin_token: str
    amqp_url: str
    traces_url: str | None


def find_connection(profile: str | None, environ: Mapping[str, str] = os.environ) -> Connection:
    """To the profile that was named, else to what ATELIER_URL names, else to the default profile.

    Never half of one and half of the other: they may be two stacks. Raises AtelierError naming what is missing.
    """
    if profile is None and "ATELIER_URL" in environ:
        return _access(environ, "the environment")
    name = profile or "default"
    env_file = home_of(name) / "env"
    if not env_file.is_file():
        raise AtelierError(f"The stack {name} is not up; start it with: {start_command(name)}")
    return _access(read_settings(env_file), str(env_file))


def _access(known: Mapping[str, str], source: str) -> Connection:
    def require(name: str) -> str:
        if not known.get(name):
            raise AtelierError(f"{name} is not set in {source}.")
        return known[name]

    return Connection(
        url=require("ATELIER_URL"),
        operations_url=known.get("ATELIER_OPERATIONS_URL") or _operations_beside(require("ATELIER_URL"), source),
        admin_token=require("ATELIER_ADMIN_TOKEN"),
        amqp_url=require("ATELIER_AMQP_URL"),
        traces_url=known.get("ATELIER_TRACES_URL") or None,
    )


def _operations_beside(url: str, source: str) -> str:
    """For settings of an older version: on this machine, the default port. Raises AtelierError for another machine: the
    operator's token does not travel to a guessed address."""
    at = urlsplit(url)
    if at.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise AtelierError(
            f"ATELIER_OPERATIONS_URL, where the admin API of {at.netloc} answers, is not set in {source}."
        )
    host = f"[{at.hostname}]" if at.hostname == "::1" else at.hostname
    return f"{at.scheme}://{host}:{OPERATIONS_PORT}"

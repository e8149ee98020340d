"""Where a running stack is and with which secrets: from the environment, else from what ``make up`` wrote down."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from atelier_local.client import AtelierError
from atelier_local.profile import home_of

ProfileName = Annotated[str, typer.Option("--profile", envvar="PROFILE", help="which local stack")]


@dataclass(frozen=True, slots=True)
class Access:
    """What the commands need of an installation. ``traces_url`` is None where no trace viewer runs."""

    url: str
    admin_token: str
    amqp_url: str
    traces_url: str | None


def access(profile: str, environ: Mapping[str, str] = os.environ) -> Access:
    """From the environment if that names ATELIER_URL, else from the profile, never from both: they may be two stacks.

    Raises AtelierError naming what is missing.
    """
    if "ATELIER_URL" in environ:
        return _access(environ, "the environment")
    return access_to(profile)


def access_to(profile: str) -> Access:
    """To the local stack of that name, whatever the environment says. Raises AtelierError when it is not up."""
    env_file = home_of(profile) / "env"
    return _access(read_env(env_file), str(env_file))


def _access(known: Mapping[str, str], source: str) -> Access:

    def needed(name: str) -> str:
        if not known.get(name):
            raise AtelierError(f"{name} is not set in {source}.")
        return known[name]

    return Access(
        url=needed("ATELIER_URL"),
        admin_token=needed("ATELIER_ADMIN_TOKEN"),
        amqp_url=needed("ATELIER_AMQP_URL"),
        traces_url=known.get("ATELIER_TRACES_URL") or None,
    )


def read_env(path: Path) -> dict[str, str]:
    """The assignments of a shell-sourceable file; ``export`` and quotes as a shell reads them."""
    if not path.is_file():
        raise AtelierError(f"There is no {path}, so no stack of that name is up; `make up` starts one.")
    words = (word for line in path.read_text().splitlines() for word in shlex.split(line, comments=True))
    return dict(word.split("=", 1) for word in words if "=" in word)

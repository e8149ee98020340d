"""Where an installation is: by a local profile, or by the environment that a container gets from its orchestrator."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from atelier_local.backup.cut import Databases
from atelier_local.errors import StackError
from atelier_local.launcher import objectstore
from atelier_local.launcher.control_socket import start_command
from atelier_local.launcher.environment import Plan, amqp_url, s3_settings, server_url
from atelier_local.launcher.profile import SERVICES, Profile
from atelier_local.launcher.stack import Stack

VALUES = ("ATELIER_INSTALLATION", "ATELIER_KEY_PEPPER", "ATELIER_LOG_ORIGIN")
"""Settings that a restored installation must have as they were."""
KEY_FILES = {
    "signing-keys.pem": "ATELIER_SIGNING_KEYS_FILE",
    "dev-issuer.pem": "ATELIER_DEV_ISSUER_KEY_FILE",
    "provenance.pem": "ATELIER_PROVENANCE_FILE",
}
REQUIRED = {"signing-keys.pem"}
S3 = ("ATELIER_S3_ENDPOINT", "ATELIER_S3_ACCESS_KEY", "ATELIER_S3_SECRET_KEY", "ATELIER_S3_BUCKET")


def backup_variable(service: str) -> str:
    """The setting with the address of a service's database, as a role that may dump it."""
    return f"ATELIER_{service.upper()}_BACKUP_DATABASE_URL"


def owner_variable(service: str) -> str:
    """The setting with the address of a service's database as its owner, as migrations have it."""
    return f"ATELIER_{service.upper()}_OWNER_DATABASE_URL"


@dataclass(frozen=True)
class Installation:
    """What is read for a backup."""

    databases: Databases = field(repr=False)
    storage: Mapping[str, str] = field(repr=False)
    values: dict[str, str] = field(repr=False)
    files: dict[str, str] = field(repr=False)
    amqp_url: str | None = field(default=None, repr=False)
    """The operator's; None where no broker is named."""


def find_installation(profile: str | None, environ: Mapping[str, str] = os.environ) -> Installation:
    """The profile that was named, else what the environment names, else the default profile. Raises StackError naming
    what is missing."""
    if profile is None and backup_variable("gateway") in environ:
        return _of_environment(environ)
    stack = Stack(profile or "default")
    if not (stack.home / "env").is_file():
        raise StackError(f"the stack {stack.name} is not up; start it with: {start_command(stack.name)}")
    return installation_of(stack.profile, stack.plan)


def installation_of(profile: Profile, plan: Plan) -> Installation:
    """The local stack of that profile."""
    server = urlsplit(server_url(profile, plan))
    paths = {
        "signing-keys.pem": profile.signing_keys_file,
        "dev-issuer.pem": profile.issuer_key_file,
        "provenance.pem": profile.provenance_file,
    }
    return Installation(
        databases={service: server._replace(path=f"/{service}").geturl() for service in SERVICES},
        storage=s3_settings(profile, plan),
        values={
            "ATELIER_INSTALLATION": profile.secrets["installation"],
            "ATELIER_KEY_PEPPER": profile.secrets["key_pepper"],
            "ATELIER_LOG_ORIGIN": profile.log_origin,
        },
        files={name: path.read_text() for name, path in paths.items() if path.exists()},
        amqp_url=amqp_url(profile, plan),
    )


def _of_environment(environ: Mapping[str, str]) -> Installation:
    names = [*(backup_variable(service) for service in SERVICES), *S3, *VALUES]
    if missing := [name for name in names if not environ.get(name)]:
        raise StackError(f"{', '.join(missing)} not set in the environment; each is needed for a backup")
    return Installation(
        databases={service: environ[backup_variable(service)] for service in SERVICES},
        storage=storage_of(environ),
        values={name: environ[name] for name in VALUES},
        files={file: text for file, name in KEY_FILES.items() if (text := _read(environ, name, file)) is not None},
        amqp_url=environ.get("ATELIER_AMQP_URL"),
    )


def storage_of(environ: Mapping[str, str]) -> dict[str, str]:
    """The bucket that the environment names. Raises StackError naming what is missing."""
    if missing := [name for name in S3 if not environ.get(name)]:
        raise StackError(f"{', '.join(missing)} not set in the environment")
    return {
        **{name: environ[name] for name in S3},
        "ATELIER_S3_REGION": environ.get("ATELIER_S3_REGION") or objectstore.REGION,
    }


def _read(environ: Mapping[str, str], name: str, file: str) -> str | None:
    path = environ.get(name)
    if not path:
        if file in REQUIRED:
            raise StackError(
                f"{name} is not set in the environment; without it no receipt of the backup could be verified"
            )
        return None
    try:
        return Path(path).read_text()
    except OSError as error:
        raise StackError(f"{name} names {path}, which cannot be read: {error.strerror}") from None

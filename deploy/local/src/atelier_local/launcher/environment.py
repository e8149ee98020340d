"""Environment variables from a profile: the one place that decides which process gets which address and secret.

A service gets the address of its own database only; the owner's password goes to its migration alone.
"""

import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from atelier_contracts.image_models import HOSTED_PROVIDERS
from atelier_contracts.partitions import PARTITIONS_MAX
from atelier_local.errors import StackError
from atelier_local.launcher import objectstore, postgres, rabbitmq, trace_viewer
from atelier_local.launcher.database_roles import database_url
from atelier_local.launcher.passed_settings import BILLING_ONLY, PARTITIONS, SHARED
from atelier_local.launcher.profile import SERVICES, Profile, ports_of_all, write_private
from atelier_messaging.addresses import addresses_of
from atelier_messaging.database_hosts import urls_of
from atelier_messaging.senders import OPERATOR

OTLP = "OTEL_EXPORTER_OTLP_ENDPOINT"
ADDRESSES = ("ATELIER_AMQP_URL", "ATELIER_DATABASE_URL", "ATELIER_S3_ENDPOINT", OTLP, "ATELIER_TRACES_URL")
S3_DETAILS = tuple(f"ATELIER_S3_{name}" for name in ("ACCESS_KEY", "SECRET_KEY", "BUCKET", "REGION", "PUBLIC_ENDPOINT"))
S3_UPLOADS = ("ATELIER_S3_UPLOAD_ACCESS_KEY", "ATELIER_S3_UPLOAD_SECRET_KEY")
"""Of the identity that signs uploads: the gateway's alone."""
PROVIDERS = ("ATELIER_RENDER_WORKERS", "ATELIER_RENDER_CALLBACK_URL", "ATELIER_RENDER_ANSWER_S_MAX")
PROVIDER_PREFIXES = tuple(f"ATELIER_{name.upper()}_" for name in ("diffusers", *HOSTED_PROVIDERS))
"""Passed on likewise, to render alone, which is the only user of the keys."""


@dataclass(frozen=True)
class Plan:
    """What this run of the stack consists of: its parts, external addresses, further settings of the services."""

    only: tuple[str, ...] = ()
    """Names of parts; empty for all."""
    given: dict[str, str] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)
    """Overrides for the services' environment."""
    interpreters: dict[str, str] = field(default_factory=dict)
    """Of services that another version of Atelier is to run, by name; this one's runs the others."""

    def wants(self, name: str) -> bool:
        return not self.only or name in self.only


def external_settings(environ: Mapping[str, str], profile: Profile) -> dict[str, str]:
    """Addresses and tuning the caller's environment names. The address of a local stack is ignored: it comes
    from a sourced env file, and two stacks on one broker would take each other's messages."""
    ours = ports_of_all(profile.home.parent)
    given = {
        name: environ[name]
        for name in ADDRESSES
        if environ.get(name) and not any(_is_loopback(url, among=ours) for url in _urls(name, environ[name]))
    }
    if "ATELIER_S3_ENDPOINT" in given:
        given.update({name: environ[name] for name in S3_DETAILS + S3_UPLOADS if environ.get(name)})
    given.update({name: environ[name] for name in SHARED + BILLING_ONLY if environ.get(name)})
    given.update({name: value for name, value in environ.items() if value and _is_of_providers(name)})
    return given


def is_passed_on(name: str) -> bool:
    """Whether the services of a local stack get the variable of this name from the environment of ``make up``."""
    return name in (*SHARED, *BILLING_ONLY, *ADDRESSES, *S3_DETAILS, *S3_UPLOADS) or _is_of_providers(name)


def s3_settings(profile: Profile, plan: Plan) -> dict[str, str]:
    """Settings of the external object store, completed from our own's; without one, our own's."""
    names = ("ATELIER_S3_ENDPOINT", *S3_DETAILS, *S3_UPLOADS)
    return {**objectstore.settings(profile), **{name: plan.given[name] for name in names if name in plan.given}}


def server_url(profile: Profile, plan: Plan) -> str:
    """The Postgres in use, as a role that may make roles and databases."""
    return plan.given.get("ATELIER_DATABASE_URL") or postgres.admin_url(profile)


def amqp_url(profile: Profile, plan: Plan, user: str = OPERATOR) -> str:
    """The broker in use, as the operator or as a service; an external one has the one user of its address."""
    return plan.given.get("ATELIER_AMQP_URL") or rabbitmq.amqp_url(profile, user)


def partitions(plan: Plan) -> int:
    """How many partitions the services are given, for the topology. Raises StackError where it is no number of them."""
    given = {**plan.given, **plan.extra}.get(PARTITIONS, "1")
    if not given.isdecimal() or not 1 <= int(given) <= PARTITIONS_MAX:
        raise StackError(f"{PARTITIONS} must be a whole number from 1 to {PARTITIONS_MAX}")
    return int(given)


def common_environment(profile: Profile, plan: Plan, parts: Collection[str], user: str) -> dict[str, str]:
    """The settings that all services share; each has its own user at the broker."""
    values = {
        "ATELIER_ENVIRONMENT": "local",
        "ATELIER_INSTALLATION": profile.secrets["installation"],
        "ATELIER_AMQP_URL": amqp_url(profile, plan, user),
        "ATELIER_SERVICE_TOKEN": profile.secrets["service_token"],
    }
    otlp = plan.given.get(OTLP) or (trace_viewer.base_url(profile) if "traces" in parts else "")
    return values | ({OTLP: otlp} if otlp else {}) | {name: plan.given[name] for name in SHARED if name in plan.given}


def service_environment(service: str, profile: Profile, plan: Plan, parts: Collection[str]) -> dict[str, str]:
    """The whole environment of a service, its process's basics left out."""
    name = service.upper()
    values = common_environment(profile, plan, parts, service) | {
        f"ATELIER_{name}_DATABASE_URL": database_url(server_url(profile, plan), service, "app", profile),
        f"ATELIER_{name}_HOST": "127.0.0.1",
        f"ATELIER_{name}_PORT": str(profile.ports[service]),
    }
    if service in ("gateway", "render"):
        store = s3_settings(profile, plan)
        if service != "gateway":
            store = {name: value for name, value in store.items() if name not in S3_UPLOADS}
        values |= store | {"ATELIER_SIMULATOR": "on"}
    if service == "render":
        keys = {name: value for name, value in plan.given.items() if _is_of_providers(name)}
        values = {"ATELIER_RENDER_LEASE_S": "5"} | values | keys
    if service == "render":
        values = {"ATELIER_PROVENANCE_FILE": str(profile.provenance_file)} | values
    if service == "billing":
        values["ATELIER_SIGNING_KEYS_FILE"] = str(profile.signing_keys_file)
        values["ATELIER_LOG_CHECKPOINT_FILE"] = str(profile.home / "checkpoint.txt")
        values["ATELIER_LOG_ORIGIN"] = profile.log_origin
        given = {name: plan.given[name] for name in BILLING_ONLY if name in plan.given}
        values |= {"ATELIER_LOG_CHECKPOINT_EVERY_S": "2"} | given
    if service == "session":
        values["ATELIER_BILLING_URL"] = http_url(profile, "billing")
        values["ATELIER_RENDER_URL"] = http_url(profile, "render")
        values["ATELIER_OPERATIONS_URL"] = http_url(profile, "operations")
    if service == "gateway":
        # Who develops receives webhooks on the same machine.
        values = {"ATELIER_WEBHOOK_LOOPBACK": "on"} | values | _gateway(profile)
        values["ATELIER_OPERATIONS_PORT"] = str(profile.ports["operations"])
        if "traces" in parts:
            values["ATELIER_TRACE_PAGE"] = trace_viewer.trace_page(trace_viewer.base_url(profile), "{trace_id}")
    own_way = plan.extra.get(f"ATELIER_{name}_AMQP_URL")
    return values | plan.extra | ({"ATELIER_AMQP_URL": own_way} if own_way else {})


def migration_environment(service: str, profile: Profile, plan: Plan) -> dict[str, str]:
    """The owner's address: a migration reads nothing else."""
    owner = database_url(server_url(profile, plan), service, "owner", profile)
    return {f"ATELIER_{service.upper()}_OWNER_DATABASE_URL": owner}


def user_environment(profile: Profile, plan: Plan, parts: Collection[str], pids: Mapping[str, int]) -> dict[str, str]:
    """The content of ``.run/<profile>/env``: everything needed to call the stack and to inspect it."""
    addresses = {"ATELIER_URL": http_url(profile, "gateway"), "ATELIER_OPERATIONS_URL": http_url(profile, "operations")}
    values = {**addresses, **common_environment(profile, plan, parts, OPERATOR), **_gateway(profile)}
    values |= s3_settings(profile, plan)
    values["ATELIER_TRACES_URL"] = plan.given.get("ATELIER_TRACES_URL") or (
        trace_viewer.base_url(profile) if "traces" in parts else plan.given.get(OTLP, "")
    )
    for service in SERVICES:
        values[f"ATELIER_{service.upper()}_AMQP_URL"] = amqp_url(profile, plan, service)
        for role, name in (("app", "DATABASE_URL"), ("owner", "OWNER_DATABASE_URL")):
            url = database_url(server_url(profile, plan), service, role, profile)
            values[f"ATELIER_{service.upper()}_{name}"] = url
        if service in pids:
            values[f"ATELIER_{service.upper()}_PID"] = str(pids[service])
    return values | plan.extra


def write_env_file(profile: Profile, values: Mapping[str, str]) -> None:
    """Assignments first, one a line, then their export: a shell sources it, and a simple parser reads it too."""
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    write_private(profile.env_file, "\n".join([*lines, f"export {' '.join(values)}"]) + "\n")


def http_url(profile: Profile, service: str) -> str:
    """Where a service answers HTTP; ``operations`` is the gateway's door for operators."""
    return f"http://127.0.0.1:{profile.ports[service]}"


def _gateway(profile: Profile) -> dict[str, str]:
    return {
        "ATELIER_PUBLIC_URL": http_url(profile, "gateway"),
        **{f"ATELIER_{name.upper()}_URL": http_url(profile, name) for name in SERVICES if name != "gateway"},
        "ATELIER_ADMIN_TOKEN": profile.secrets["admin_token"],
        "ATELIER_KEY_PEPPER": profile.secrets["key_pepper"],
        "ATELIER_DEV_ISSUER_KEY_FILE": str(profile.issuer_key_file),
    }


def _is_of_providers(name: str) -> bool:
    return name in PROVIDERS or name.startswith(PROVIDER_PREFIXES)


def _urls(name: str, value: str) -> tuple[str, ...]:
    if name == "ATELIER_DATABASE_URL":
        return tuple(urls_of(value))
    if name != "ATELIER_AMQP_URL":
        return (value,)
    try:
        return addresses_of(value)
    except ValueError as error:
        raise StackError(f"{name} does not name brokers: {error}") from None


def _is_loopback(url: str, *, among: Collection[int]) -> bool:
    address = urlsplit(url)
    return address.hostname in ("127.0.0.1", "localhost", "::1") and address.port in among

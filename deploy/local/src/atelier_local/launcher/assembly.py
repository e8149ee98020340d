"""Assembles the parts of a stack from a profile and a plan: the composition root of the local stack."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from atelier_local.errors import StackError
from atelier_local.launcher import objectstore, postgres, rabbitmq, services, trace_viewer
from atelier_local.launcher.database_roles import ensure_databases
from atelier_local.launcher.environment import OTLP, Plan, amqp_url, partitions, s3_settings, server_url
from atelier_local.launcher.part import Part
from atelier_local.launcher.processes import MARK
from atelier_local.launcher.profile import SERVICES, Profile

NAMES = ("rabbitmq", "postgres", "objectstore", "traces", *SERVICES)
EXTERNAL_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Assembly:
    """Parts in order of mention, and the optional ones that are left out with the reason."""

    parts: list[Part]
    skipped: dict[str, str]


def assemble(profile: Profile, plan: Plan) -> Assembly:
    """Raises MissingPart where a required program is not installed."""
    if unknown := set(plan.only) - set(NAMES):
        raise StackError(f"there is no part {', '.join(sorted(unknown))}; the parts are {', '.join(NAMES)}")
    parts: list[Part] = []
    skipped: dict[str, str] = {}
    if plan.wants("rabbitmq"):
        parts += _rabbitmq(profile, plan)
    if plan.wants("postgres"):
        parts += _postgres(profile, plan)
    if plan.wants("objectstore"):
        parts.append(_objectstore(profile, plan))
    if plan.wants("traces") and OTLP not in plan.given:
        viewer = trace_viewer.part(profile)
        if viewer:
            parts.append(viewer)
        else:
            skipped["traces"] = f"the trace viewer is not installed; `{trace_viewer.INSTALL}` tries again"
    parts += services.parts(profile, plan, {part.name for part in parts})
    return Assembly([replace(part, env={**part.env, MARK: profile.mark}) for part in parts], skipped)


def _rabbitmq(profile: Profile, plan: Plan) -> list[Part]:
    if "ATELIER_AMQP_URL" not in plan.given:
        return rabbitmq.parts(profile, partitions(plan))
    url = amqp_url(profile, plan)

    async def declare() -> None:
        await rabbitmq.declare(url, profile, partitions(plan))

    return [_external_part("rabbitmq", lambda: rabbitmq.is_ready(url), declare)]


def _postgres(profile: Profile, plan: Plan) -> list[Part]:
    if "ATELIER_DATABASE_URL" not in plan.given:
        return postgres.parts(profile)
    url = server_url(profile, plan)
    return [_external_part("postgres", lambda: postgres.is_ready(url), lambda: ensure_databases(url, profile))]


def _objectstore(profile: Profile, plan: Plan) -> Part:
    if "ATELIER_S3_ENDPOINT" not in plan.given:
        return objectstore.part(profile)
    store = s3_settings(profile, plan)
    return _external_part("objectstore", lambda: objectstore.is_ready(store), lambda: objectstore.ensure_bucket(store))


def _external_part(
    name: str, probe: Callable[[], Awaitable[bool]], settle: Callable[[], Awaitable[None]] | None = None
) -> Part:
    return Part(name=name, probe=probe, settle=settle, ready_timeout_s=EXTERNAL_TIMEOUT_S, url="given by environment")

"""The four services as parts: each migrates its database once, then serves."""

import os
import sys
from collections.abc import Collection

from atelier_local.launcher.environment import Plan, http_url, migration_environment, service_environment
from atelier_local.launcher.part import Part, http_is_ok
from atelier_local.launcher.profile import SERVICES, Profile

PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Passed on from our own environment; a service gets no other variable of a person's shell."""


def parts(profile: Profile, plan: Plan, others: Collection[str]) -> list[Part]:
    """Four migrations and four services; ``others`` are the parts the stack starts beside them."""
    wanted = [service for service in SERVICES if plan.wants(service)]
    return [
        part
        for service in wanted
        for part in (_migration(service, profile, plan), _service(service, profile, plan, others))
    ]


def _migration(service: str, profile: Profile, plan: Plan) -> Part:
    return Part(
        name=f"{service}-migrate",
        command=(plan.interpreters.get(service, sys.executable), "-m", f"atelier_{service}", "migrate"),
        env=_process_env() | migration_environment(service, profile, plan),
        cwd=profile.home,
        needs=profile.databases,
    )


def _service(service: str, profile: Profile, plan: Plan, others: Collection[str]) -> Part:
    port = profile.ports[service]
    return Part(
        name=service,
        command=(plan.interpreters.get(service, sys.executable), "-m", f"atelier_{service}"),
        env=_process_env() | service_environment(service, profile, plan, others),
        cwd=profile.home,
        needs=(*profile.databases, *profile.brokers, "objectstore", f"{service}-migrate"),
        probe=lambda: http_is_ok(port, "/health/ready"),
        url=http_url(profile, service),
        stop_grace_s=20.0,
    )


def _process_env() -> dict[str, str]:
    own = {name: os.environ[name] for name in PASSED if name in os.environ}
    return own | {"PYTHONUNBUFFERED": "1"}

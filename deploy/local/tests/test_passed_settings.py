"""What ``make up`` passes on from its caller's environment, against the page of all settings."""

import re
from pathlib import Path

from atelier_local.launcher import environment
from atelier_local.launcher.environment import ADDRESSES, PROVIDER_PREFIXES, PROVIDERS, S3_DETAILS, S3_UPLOADS, Plan
from atelier_local.launcher.passed_settings import BILLING_ONLY, SHARED
from atelier_local.launcher.profile import REPOSITORY, SERVICES, open_profile

PAGE = REPOSITORY / "docs/operations/settings.md"
MADE_BY_THE_STACK = {
    "ATELIER_ADMIN_TOKEN", "ATELIER_DEV_ISSUER_KEY_FILE", "ATELIER_ENVIRONMENT", "ATELIER_INSTALLATION",
    "ATELIER_KEY_PEPPER", "ATELIER_LOG_CHECKPOINT_FILE", "ATELIER_LOG_ORIGIN", "ATELIER_OPERATIONS_HOST",
    "ATELIER_OPERATIONS_PORT", "ATELIER_OPERATIONS_URL", "ATELIER_PROVENANCE_FILE", "ATELIER_PUBLIC_URL",
    "ATELIER_SERVICE_TOKEN", "ATELIER_SIGNING_KEYS_FILE", "ATELIER_SIMULATOR", "ATELIER_TRACE_PAGE",
}  # fmt: skip
OF_A_SERVICE = re.compile(
    rf"ATELIER_({'|'.join(SERVICES)})_(DATABASE_URL|OWNER_DATABASE_URL|HOST|PORT|URL)", re.IGNORECASE
)


def _documented() -> set[str]:
    return set(re.findall(r"^\| `([A-Z0-9_]+)` \|", PAGE.read_text(), re.MULTILINE))


def test_each_documented_setting_is_passed_on_or_made_by_the_stack() -> None:
    passed = {*SHARED, *BILLING_ONLY, *PROVIDERS, *ADDRESSES, *S3_DETAILS, *S3_UPLOADS}
    documented = _documented()

    missed = {
        name
        for name in documented - passed - MADE_BY_THE_STACK
        if not OF_A_SERVICE.fullmatch(name) and not name.startswith(PROVIDER_PREFIXES)
    }

    assert len(documented) > 150
    assert missed == set()
    assert {*SHARED, *BILLING_ONLY} - documented == set()
    assert passed & MADE_BY_THE_STACK == set()
    assert len(SHARED + BILLING_ONLY) == len({*SHARED, *BILLING_ONLY})


def test_what_is_passed_on_reaches_the_services_that_read_it(tmp_path: Path) -> None:
    mine = open_profile("one", tmp_path)
    given = environment.external_settings({name: f"given {name}" for name in SHARED + BILLING_ONLY}, mine)
    plan = Plan(given=given)

    for service in SERVICES:
        known = environment.service_environment(service, mine, plan, SERVICES)
        assert [name for name in SHARED if known.get(name) != f"given {name}"] == []
        only = [name for name in BILLING_ONLY if name in known]
        assert only == (list(BILLING_ONLY) if service == "billing" else []), service

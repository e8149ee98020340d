"""An upgrade from the version before, under load: its services run on the new tables, then are replaced one by one.

Minutes, and the build of another version: ``make explore`` runs it, not ``make test``.
"""

import os

import pytest

from chaos import reconciliation, upgrade
from whole_system.world import World

SETTINGS = {"RATE_LIMIT_ENABLED": "false", "ATELIER_FAILED_LOGINS_PER_MINUTE": "100000", **reconciliation.SETTINGS}
BEFORE = {"billing": "0005", "session": "0004", "render": "0002", "gateway": "0004"}


@pytest.mark.timeout(900)
async def test_services_of_the_version_before_work_on_the_new_tables_and_are_replaced_without_a_loss() -> None:
    if not upgrade.has_history():
        pytest.skip("a source archive has no history, from which the version before could be taken")
    lines: list[str] = []

    with upgrade.installation(f"upgrade-{os.getpid()}", SETTINGS) as (stack, interpreters):
        async with World.of(stack) as world:
            assert {service: version async for service, version in upgrade.versions_of(world)} == BEFORE
            wrong = await upgrade.run(world, interpreters, lines.append)
            after = {service: version async for service, version in upgrade.versions_of(world)}

    print("\n".join((*lines, *wrong)))  # noqa: T201 - what it did, for whoever reads the failure
    assert wrong == []
    assert all(after[service] > BEFORE[service] for service in BEFORE)

"""How the tests share the cores: three groups at a time; a group's tests stay together, as they share servers.

A group is a package. The whole-system tests are two, each with a running system of its own: they mostly wait. Those
files of theirs that use neither system are groups of their own, for whichever process has nothing to do.
"""

import faulthandler
import logging
import os
import signal
from collections.abc import Generator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

import pytest

# As in the product's image children: threads of three test processes would wait for each other on few cores. Before
# anything imports numpy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

with suppress(ImportError):
    # Now and not deep inside the summary, where its plugin would load it: there the parser of CPython 3.11.2 can trip
    # over a garbage collection ("AST constructor recursion depth mismatch").
    import hypothesis

    # No example has a deadline: how long one takes says how busy the machine is.
    hypothesis.settings.register_profile("atelier", deadline=None)
    hypothesis.settings.load_profile("atelier")

WHOLE_SYSTEM, FAULTS = "tests-e2e", "tests-e2e/faults"
APART = tuple(
    f"{WHOLE_SYSTEM}/{file}"
    for file in (
        "test_alerts_faults.py",
        "test_backup.py",
        "chaos/test_short_postgres_fail_over.py",
        "test_partitions_faults.py",
        "test_reconcile.py",
        "test_newest_servers.py",
        "test_counted_costs.py",
        "test_traces.py",
        "test_disputes.py",
        "chaos/test_exploration.py",
        "chaos/test_simulation.py",
        "chaos/test_mutants.py",
    )
)
"""Whole-system tests with a system of their file's own or with none, the longest first."""
FIRST = (
    *(WHOLE_SYSTEM, "services/gateway", FAULTS, "services/render", *APART[:3]),
    *("libs/imaging", "deploy/local", "services/billing", "libs/messaging", *APART[3:]),
)
"""The longest, so that none of them is what everything waits for in the end."""

_group_before: dict[pytest.Config, str] = {}


def pytest_configure() -> None:
    """A process that a signal ends says where it was, and a service in it whose loop has ended says which: what pytest
    has captured is lost with the process."""
    stderr = os.fdopen(os.dup(2), "w", buffering=1)
    faulthandler.register(signal.SIGTERM, file=stderr, chain=True)
    reason = logging.StreamHandler(stderr)
    reason.setLevel(logging.CRITICAL)
    logging.getLogger("atelier_messaging").addHandler(reason)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest group starts first."""
    place = {group: index for index, group in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(group_of(item.nodeid), len(FIRST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A group goes to one process as a whole."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Groups(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Groups(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Every group begins with the root logger's own level: a service that ran in this process has set it."""
    if group_of(item.nodeid) != _group_before.get(item.config):
        _group_before[item.config] = group_of(item.nodeid)
        logging.getLogger().setLevel(logging.WARNING)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report travels between processes as UTF-8; what a test logged or printed need not be."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report


def group_of(nodeid: str) -> str:
    """``services/render``, ``tests-e2e``, ``tests-e2e/faults`` for the tests that break things, or a file's path."""
    file = nodeid.partition("::")[0]
    if file in APART:
        return file
    parts = PurePosixPath(file).parts
    if parts[0] != WHOLE_SYSTEM:
        return "/".join(parts[:2])
    return FAULTS if parts[1] == "chaos" or "fault" in parts[-1] else WHOLE_SYSTEM

"""How the tests share the cores: two packages at a time; a package's tests stay together, as they share servers."""

from collections.abc import Generator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import Any

import pytest

with suppress(ImportError):
    # Now and not deep inside the summary, where its plugin would load it: there the parser of CPython 3.11.2 can trip
    # over a garbage collection ("AST constructor recursion depth mismatch").
    import hypothesis

    # No example has a deadline: how long one takes says how busy the machine is.
    hypothesis.settings.register_profile("atelier", deadline=None)
    hypothesis.settings.load_profile("atelier")

LONGEST = "tests-e2e"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest package starts first."""
    items.sort(key=lambda item: package_of(item.nodeid) != LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """A package goes to one process as a whole."""
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class Packages(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return package_of(nodeid)

    return Packages(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report travels between processes as UTF-8; what a test logged or printed need not be."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report


def package_of(nodeid: str) -> str:
    """``tests-e2e``, ``services/render``."""
    parts = PurePosixPath(nodeid.partition("::")[0]).parts
    return LONGEST if parts[0] == LONGEST else "/".join(parts[:2])

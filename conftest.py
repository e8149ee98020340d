"""How the tests of all packages share the machine's cores: one package's tests stay together, as they share servers."""

from collections.abc import Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
LONGEST = "tests-e2e"


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, None, None]:
    """Names each test's package as its group for pytest-xdist, before that reads it; the longest group starts first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_package(item.path)))
    yield
    items.sort(key=lambda item: _package(item.path) != LONGEST)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A report travels between processes as UTF-8; what a test logged or printed need not be."""
    report = yield
    report.sections = [(title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections]
    return report


def _package(path: Path) -> str:
    """``tests-e2e``, ``services/render``."""
    parts = path.relative_to(ROOT).parts
    return LONGEST if parts[0] == LONGEST else "/".join(parts[:2])

"""Prints what ``make coverage`` measured, a row per package, and says what it did not measure.

``python deploy/checks/coverage_table.py atelier_billing …`` after a run with ``--cov``.
"""

import io
import sys
from collections.abc import Iterator

import coverage

NOTE = """\
Measured with the tests that need no server, as make quick runs them. What only runs on RabbitMQ, Postgres and S3
(make test), and imaging and render, is not measured here: low numbers of stores and routes are no gap by themselves.
"""


def rows(measured: coverage.Coverage, packages: list[str]) -> Iterator[str]:
    """One line a package: its name and the share of lines and branches that ran."""
    for package in packages:
        share = measured.report(include=f"*/{package}/*", file=io.StringIO())
        yield f"{package:26}{share:6.1f} %\n"


def main(packages: list[str]) -> int:
    """Prints the table and the note."""
    measured = coverage.Coverage(config_file="pyproject.toml")
    measured.load()
    sys.stdout.writelines([*rows(measured, packages), "\n", NOTE])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

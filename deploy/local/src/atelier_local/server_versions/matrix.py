"""``make matrix``: the tests that depend on the servers, on every combination of their versions that can be had.

What is done is kept in ``.run/matrix.json``: a run that was broken off goes on there, as long as the commit is the
same. The table goes to the terminal and to ``docs/operations/matrix.md``, where rows stay until they are run again.
"""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from atelier_local.errors import StackError
from atelier_local.server_versions import releases
from atelier_local.server_versions.installation import install

REPOSITORY = releases.SERVERS.parents[2]
STATE = REPOSITORY / ".run" / "matrix.json"
PAGE = REPOSITORY / "docs" / "operations" / "matrix.md"
RABBITMQ_VERSIONS, POSTGRES_VERSIONS = ("3.10", "4.0", "4.3"), ("15", "18")
SERVICES = ("session", "billing", "render", "gateway")
SUITES: Mapping[str, tuple[str, ...]] = {
    "messaging": ("libs/messaging/tests",),
    **{name: (f"services/{name}/tests", "-m", "stack") for name in SERVICES},
    "journeys": ("tests-e2e/test_journeys.py",),
    "system": tuple(f"tests-e2e/test_{name}.py" for name in ("faults", "native", "reconcile")),
    "cluster": ("tests-e2e/chaos/broker_cluster.py", "-s"),  # the log has how long each took
}
SUITE_S_MAX = 3_600


@dataclass(frozen=True)
class Result:
    """One suite on one combination; ``rabbitmq`` and ``postgres`` are full versions."""

    rabbitmq: str
    postgres: str
    suite: str
    passed: int
    failed: int
    seconds: float
    commit: str
    day: str


def run(keys: Iterable[str]) -> bool:
    """Runs what is not done yet of the combinations and suites that hold one of ``keys`` (all without any), such as
    ``4.3/15`` or ``4.0/18/messaging``. Says whether all of it passed."""
    wanted, known = list(keys), _read()
    for rabbitmq, postgres, suite in itertools.product(RABBITMQ_VERSIONS, POSTGRES_VERSIONS, SUITES):
        key = f"{rabbitmq}/{postgres}/{suite}"
        if wanted and not any(word in key for word in wanted):
            continue
        if key in known and known[key].commit == _commit() and not known[key].failed:
            continue
        known[key] = _run_suite(rabbitmq, postgres, suite)
        print(_row(known[key]), flush=True)
        STATE.write_text(json.dumps({key: asdict(result) for key, result in known.items()}, indent=1))
        PAGE.write_text(_page(known))
    print(_table(known))
    return not any(result.failed for result in known.values())


def _run_suite(rabbitmq: str, postgres: str, suite: str) -> Result:
    install(releases.RABBITMQ, rabbitmq)
    install(releases.POSTGRES, postgres)
    began = time.monotonic()
    log = REPOSITORY / ".run" / f"matrix-{rabbitmq}-{postgres}-{suite}.log"
    with log.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITES[suite]],
            cwd=REPOSITORY, env={**os.environ, "RABBITMQ": rabbitmq, "POSTGRES": postgres},
            stdout=out, stderr=out, timeout=SUITE_S_MAX,
        )  # fmt: skip
    passed, failed = counts(log.read_text(errors="replace"))
    return Result(
        rabbitmq=releases.rabbitmq(rabbitmq).version,
        postgres=_postgres_version(postgres),
        suite=suite,
        passed=passed,
        failed=failed or (1 if done.returncode else 0),
        seconds=round(time.monotonic() - began),
        commit=_commit(),
        day=time.strftime("%Y-%m-%d"),
    )


def counts(output: str) -> tuple[int, int]:
    """Passed and failed tests, errors among the latter, of what pytest printed."""
    summary = next(
        (line for line in reversed(output.splitlines()) if re.search(r"\d+ (passed|failed|error)", line)), ""
    )
    found = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", summary)}
    return found.get("passed", 0), found.get("failed", 0) + found.get("error", 0)


def _postgres_version(version: str) -> str:
    program = releases.postgres(version).programs / "postgres"
    done = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.split()[2]


def _commit() -> str:
    words = ["git", "rev-parse", "--short=10", "HEAD"]
    return subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout.strip()


def _read() -> dict[str, Result]:
    if not STATE.exists():
        return {}
    return {key: Result(**result) for key, result in json.loads(STATE.read_text()).items()}


def _row(result: Result) -> str:
    verdict = f"{result.passed} passed" + (f", **{result.failed} failed**" if result.failed else "")
    cells = (result.rabbitmq, result.postgres, result.suite, verdict, f"{result.seconds:.0f} s", result.day)
    return f"| {' | '.join(cells)} |"


def _table(results: Mapping[str, Result]) -> str:
    """With what the page said before of all else."""
    rows = {key: row for row in _printed_rows() if (key := _key(row))} | {key: _row(it) for key, it in results.items()}
    head = ["| RabbitMQ | Postgres | tests | result | time | day |", "|---|---|---|---|---|---|"]
    return "\n".join([*head, *(rows[key] for key in sorted(rows, key=_place))])


def _printed_rows() -> list[str]:
    return PAGE.read_text().splitlines() if PAGE.exists() else []


def _key(row: str) -> str | None:
    """That of a row of the table, None of another line."""
    cells = [cell.strip() for cell in row.split("|")]
    if len(cells) < 4 or cells[3] not in SUITES:
        return None
    rabbitmq, postgres = releases.series(releases.RABBITMQ, cells[1]), releases.series(releases.POSTGRES, cells[2])
    return f"{rabbitmq}/{postgres}/{cells[3]}"


def _place(key: str) -> tuple[list[int], list[int], int]:
    rabbitmq, postgres, suite = key.split("/")
    return _numbers(rabbitmq), _numbers(postgres), list(SUITES).index(suite)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _page(results: Mapping[str, Result]) -> str:
    return f"""# Servers the tests have run on

`make matrix` runs the tests that depend on RabbitMQ and Postgres on each combination of {", ".join(RABBITMQ_VERSIONS)}
and {" and ".join(POSTGRES_VERSIONS)}, and writes this table. It goes on where it was broken off, as long as the
commit is the same; `make matrix ONLY=4.3/15` or `ONLY=4.0/18/messaging` runs a part. What is not in the table has not
been run. `messaging` are the tests of the library, `session`, `billing`, `render` and `gateway` those of
the services that need a server, `journeys` and `system` whole-system tests: of journeys; of faults, the native surface
and reconciliation. `cluster` runs the demo on three broker nodes, then freezes, kills and isolates one with 50
generations in flight. `make test` itself runs on the machine's own servers, and one journey, failure, retry and dead
letter on the newest RabbitMQ. Times are of machines that did other work as well.

{_table(results)}
"""


def main(words: list[str]) -> None:
    """Exits with 1 where a test failed."""
    try:
        passed = run(words)
    except StackError as error:
        sys.exit(str(error))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main(sys.argv[1:])

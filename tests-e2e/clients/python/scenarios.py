"""What the scripts of all clients share: the order of the test, an HTTP client that orders from the simulator what to
pretend, and one JSON object written with what each scenario made or raised."""

import json
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

ORDER: dict[str, Any] = json.loads(sys.argv[1])
"""{url, model, photo, keys}: where the system is, what to ask for, a PNG's path, and an API key for each scenario."""
BASE = f"{ORDER['url']}/v1"
PATIENCE_S = 1.5
PLAIN, BANNED, EDIT = "a red bicycle", "an unspeakable scene", "with a hat"
SUCCEED = {"X-Atelier-Simulate": "outcome=succeed"}
SLOW = {"X-Atelier-Simulate": "outcome=succeed, delay_ms=8000"}


class Simulating(httpx.Client):
    """Its nth request asks the simulator for the nth outcome; the last one is for all that follow."""

    def __init__(self, *outcomes: str) -> None:
        super().__init__(trust_env=False, event_hooks={"request": [self._ask]})
        self._outcomes = list(outcomes)

    def _ask(self, request: httpx.Request) -> None:
        request.headers["X-Atelier-Simulate"] = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]


def play(scenarios: Mapping[str, Callable[[str], list[str]]], describe: Callable[[Exception], object]) -> None:
    """Runs all scenarios at once, each with its own key, and writes their results."""

    def result(name: str) -> tuple[str, dict[str, object]]:
        try:
            return name, {"made": scenarios[name](ORDER["keys"][name])}
        except Exception as error:  # noqa: BLE001 - what a client raises is what the test is about
            return name, {"raised": describe(error)}

    with ThreadPoolExecutor(len(scenarios)) as threads:
        sys.stdout.write(json.dumps(dict(threads.map(result, scenarios))))

"""Debian's Prometheus and Alertmanager on a running stack, with the configuration that is shipped: only addresses are
replaced, and durations scaled, so that a minute passes in a fraction of a second. Thresholds stay as they are."""

import math
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest
import yaml
from exported_metrics import COMPOSE_DIR, load_rules

from atelier_local.launcher.profile import Profile
from whole_system.waits import NotYet, eventually

MINUTE_S = 0.5
"""How long a minute of the shipped files takes here."""
EVALUATION_S = 0.5
SCRAPE_S = 1.0
"""From one to the next, and how long one may take: two in the shortest window, and a busy machine answers in time."""
HISTORY_S, HISTORY_STEP_S = 900, 2
RULES = "alerts.yml"
READY_S_MAX = 60.0
STOP_S_MAX = 20.0

_UNIT_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"(\d+)([smhd])")
_WINDOW = re.compile(r"\[(\d+[smhd])\]")
_LABEL = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_PORTS = {"gateway": "operations"}
"""Of which port of the profile a service's metrics are read, where its name does not say so."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One that fires: its labels, and its annotations as they are sent."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def scale_duration(text: str, minute_s: float) -> str:
    """``5m`` as what it takes here, in milliseconds."""
    found = _DURATION.fullmatch(text)
    assert found, f"{text!r} is not a duration of the shipped files"
    return f"{int(found[1]) * _UNIT_S[found[2]] * minute_s / 60 * 1_000:.0f}ms"


def scale_windows(expression: str, minute_s: float = MINUTE_S) -> str:
    """The expression with the durations of its windows scaled, and nothing else."""
    return _WINDOW.sub(lambda found: f"[{scale_duration(found[1], minute_s)}]", expression)


def write_rules(folder: Path, minute_s: float) -> None:
    """The shipped rules with their durations scaled, where this Prometheus reads them."""
    rules = [
        rule
        | {"expr": scale_windows(rule["expr"], minute_s)}
        | ({"for": scale_duration(rule["for"], minute_s)} if "for" in rule else {})
        for rule in load_rules()
    ]
    (folder / RULES).write_text(yaml.safe_dump({"groups": [{"name": "atelier", "rules": rules}]}))


def scrape_config(profile: Profile, targets: Mapping[str, str], alertmanager: str | None) -> dict[str, Any]:
    """The shipped ``prometheus.yml`` for this stack. ``targets``: the address of each other job's target, where the
    file has a name of the compose network."""
    config: dict[str, Any] = yaml.safe_load((COMPOSE_DIR / "prometheus/prometheus.yml").read_text())
    scrape, evaluation = (f"{seconds * 1_000:.0f}ms" for seconds in (SCRAPE_S, EVALUATION_S))
    config["global"] |= {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": evaluation}
    config["rule_files"] = [RULES]
    for job in config["scrape_configs"]:
        found = job.pop("dns_sd_configs", None)
        if found is None:
            job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
            continue
        # Each under the name by which the shipped file finds it: the label ``service`` comes from its own relabelling.
        names = [group["names"][0] for group in found]
        job["static_configs"] = [
            {
                "targets": [f"127.0.0.1:{profile.ports[_PORTS.get(name, name)]}"],
                "labels": {"__meta_dns_name": name},
            }
            for name in names
        ]
    if alertmanager is None:
        del config["alerting"]
    else:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return config


def find_program(name: str) -> str:
    """Where it is; the test fails where the machine does not have it."""
    program = shutil.which(name)
    if program is None:
        pytest.fail(f"{name} is not installed, and alerts are proved with it: deploy/local/bootstrap.sh --tests")
    return program


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class PrometheusServer:
    """One that is running at ``url``. To be used as an asynchronous context manager."""

    def __init__(self, url: str) -> None:
        self._rules = {rule["alert"]: rule for rule in load_rules()}
        self._http = httpx.AsyncClient(base_url=url, timeout=10.0, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def use_rules(self, minute_s: float) -> None:
        """The shipped rules, a minute of which takes this long, from now on."""
        config = (await self._http.get("/api/v1/status/flags")).raise_for_status().json()["data"]["storage.tsdb.path"]
        write_rules(Path(config).parent, minute_s)
        (await self._http.post("/-/reload")).raise_for_status()

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Its samples now. Raises AssertionError with what Prometheus says of a wrong expression."""
        answer = (await self._http.post("/api/v1/query", data={"query": expression})).json()
        assert answer["status"] == "success", f"{expression}: {answer['error']}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    async def query_history(self, expression: str) -> list[float]:
        """All finite values that it had in the last quarter of an hour. Raises AssertionError as ``query`` does."""
        now = time.time()
        asked = {"query": expression, "start": now - HISTORY_S, "end": now, "step": HISTORY_STEP_S}
        answer = (await self._http.post("/api/v1/query_range", data=asked)).json()
        assert answer["status"] == "success", f"{expression}: {answer['error']}"
        values = (float(value) for series in answer["data"]["result"] for _, value in series["values"])
        return [value for value in values if math.isfinite(value)]

    async def firing(self) -> list[Alert]:
        """The alerts that fire now."""
        answer = (await self._http.get("/api/v1/alerts")).raise_for_status().json()
        return [
            Alert(alert["labels"]["alertname"], alert["labels"], alert["annotations"])
            for alert in answer["data"]["alerts"]
            if alert["state"] == "firing"
        ]

    async def wait_until_firing(self, name: str, /, *, within_s: float = 120.0, **labels: str) -> Alert:
        """The alert with these labels, once it fires. Each label that its summary uses has a value."""

        async def alert_that_fires() -> Alert | NotYet:
            now = await self.firing()
            found = [alert for alert in now if alert.name == name and labels.items() <= alert.labels.items()]
            return found[0] if found else NotYet(await self._describe(name, labels, now))

        alert_that_fires.__qualname__ = f"{name} {labels or ''} to fire: a look"
        alert = await eventually(alert_that_fires, within_s=within_s)
        used = _LABEL.findall(self._rules[name]["annotations"]["summary"])
        assert [label for label in used if not alert.labels.get(label)] == [], (
            alert,
            "a label of its summary is empty",
        )
        return alert

    async def wait_until_clear(self, name: str, /, *, within_s: float = 120.0, **labels: str) -> None:
        """Returns once no alert of this name and with these labels fires."""

        async def silence() -> bool | NotYet:
            now = await self.firing()
            found = [alert for alert in now if alert.name == name and labels.items() <= alert.labels.items()]
            return NotYet(await self._describe(name, labels, now)) if found else True

        silence.__qualname__ = f"{name} {labels or ''} to be clear: a look"
        await eventually(silence, within_s=within_s)

    async def wait_until_scraped(self, expression: str) -> None:
        """Returns once the expression has a sample."""

        async def sample() -> bool | None:
            return bool(await self.query(expression)) or None

        sample.__qualname__ = f"{expression}: a look"
        await eventually(sample)

    async def _describe(self, name: str, labels: Mapping[str, str], now: list[Alert]) -> str:
        """For who reads of a wait in vain: the metrics of the rule as they are, and what fires instead."""
        metrics = sorted(set(re.findall(r"\b(?:atelier|rabbitmq)_\w+|\bup\b", self._rules[name]["expr"])))
        samples = {metric: [(s["metric"], s["value"][1]) for s in await self.query(metric)][:12] for metric in metrics}
        return f"firing: {[(alert.name, dict(alert.labels)) for alert in now]}; {samples}"


@contextmanager
def run_prometheus(
    profile: Profile, folder: Path, targets: Mapping[str, str], alertmanager: str | None = None
) -> Iterator[str]:
    """Prometheus on this stack until the block ends, with the shipped rules; its URL. ``alertmanager``: the
    ``host:port`` of one."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(scrape_config(profile, targets, alertmanager)))
    write_rules(folder, MINUTE_S)
    address = f"127.0.0.1:{free_port()}"
    command = (
        find_program("prometheus"), "--config.file=prometheus.yml", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}", "--web.enable-lifecycle", "--log.level=warn",
    )  # fmt: skip
    with _running(command, folder, f"http://{address}/-/ready"):
        yield f"http://{address}"


@contextmanager
def run_alertmanager(folder: Path, receiver_url: str) -> Iterator[str]:
    """Alertmanager until the block ends, with the shipped configuration, of which each receiver posts to its own name
    at this URL; its ``host:port``."""
    config = yaml.safe_load((COMPOSE_DIR / "alertmanager/alertmanager.yml").read_text())
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [{"url": f"{receiver_url}/{receiver['name']}"}]
    for route in (config["route"], *config["route"]["routes"]):
        for name in {"group_wait", "group_interval", "repeat_interval"} & route.keys():
            route[name] = scale_duration(route[name], MINUTE_S)
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = (
        find_program("prometheus-alertmanager"), "--config.file=alertmanager.yml", f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}", "--cluster.listen-address=", "--log.level=warn",
    )  # fmt: skip
    with _running(command, folder, f"http://{address}/-/ready"):
        yield address


async def read_alertmanager(address: str) -> list[dict[str, Any]]:
    """The alerts that it holds, as its API has them."""
    async with httpx.AsyncClient(timeout=10.0, trust_env=False) as http:
        found: list[dict[str, Any]] = (await http.get(f"http://{address}/api/v2/alerts")).raise_for_status().json()
    return found


@contextmanager
def _running(command: tuple[str, ...], folder: Path, ready_url: str) -> Iterator[None]:
    """A server that is ready, until the block ends; it ends with this process, too."""
    log = folder / "server.log"
    guarded = ("setpriv", "--pdeathsig", "KILL", "--", *command)
    with log.open("wb") as output:
        process = subprocess.Popen(guarded, cwd=folder, stdout=output, stderr=output)
    try:
        _wait_until_ready(process, ready_url, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + READY_S_MAX
    with httpx.Client(trust_env=False) as http:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                if http.get(url).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
    raise AssertionError(f"{process.args!r} is not ready: {log.read_text()[-2_000:]}")
